"""Every block of the documentation under a `<!-- test -->` comment is run, and prints what it says.

An `sh` block runs in bash, a `sql` block in the sqlite3 CLI with the library loaded,
a `python` block in Python; all blocks of a page share one directory and run in order. A `text` block
right after one, itself under `<!-- output -->`, is what it must print. The library is at
target/release/libsqlbridge, and the examples are in build/procedures and build/guests, as on the reader's
machine. A block under `<!-- file: PATH -->` is a part of that file.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from support import database, guests
from support.paths import EXTENSION, LITESTREAM, PYTHON, ROOT
from support.postgres import PROGRAM as PG_FRONTEND
from support.procedures import MODULES, example

BLOCK = re.compile(
    r"<!-- test -->\s*```(sh|sql|python)\n(.*?)```(?:\s*<!-- output -->\s*```text\n(.*?)```)?", re.DOTALL
)
QUOTED = re.compile(r"<!-- file: (\S+) -->\s*```\w+\n(.*?)```", re.DOTALL)
PAGES = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if p.exists()]
TESTED = [p for p in PAGES if BLOCK.search(p.read_text())]


def test_the_pattern_finds_blocks():
    page = "x\n<!-- test -->\n```sh\necho hi\n```\n\n<!-- output -->\n```text\nhi\n```\n```sql\nSELECT 1;\n```\n"
    assert BLOCK.findall(page) == [("sh", "echo hi\n", "hi\n")]


@pytest.mark.parametrize("page", TESTED, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks(page, tmp_path):
    release = tmp_path / "target" / "release"
    release.mkdir(parents=True)
    (release / "libsqlbridge.so").symlink_to(EXTENSION + ".so")
    (release / "pg-frontend").symlink_to(PG_FRONTEND)
    (tmp_path / "build").mkdir()
    (tmp_path / "build/procedures").symlink_to(MODULES)
    (tmp_path / "build/guests").symlink_to(guests.MODULES)
    for needed in set(re.findall(r"build/procedures/(\w+)\.wasm", page.read_text())):
        example(needed)
    for needed in set(re.findall(r"build/guests/([\w-]+)\.wasm", page.read_text())):
        guests.built(needed)
    environment = {**os.environ, "PATH": f"{LITESTREAM.parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    for language, code, expected in BLOCK.findall(page.read_text()):
        if language == "sql":
            script = tmp_path / "block.sql"
            script.write_text(f".bail on\n.load {EXTENSION}\n{code}")
            command, stdin = ["sqlite3", "-batch"], script.read_text()
        else:
            command = ["bash", "-eu", "-o", "pipefail"] if language == "sh" else [PYTHON, "-"]
            stdin = code
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, f"{page.name}:\n{code}\n{done.stdout}{done.stderr}"
        if expected:
            assert [l.rstrip() for l in done.stdout.splitlines()] == [l.rstrip() for l in expected.splitlines()], code


@pytest.mark.parametrize("page", [p for p in PAGES if QUOTED.search(p.read_text())], ids=lambda p: p.name)
def test_quotations(page):
    for path, text in QUOTED.findall(page.read_text()):
        assert text in (ROOT / path).read_text(), f"{page.name} quotes {path} wrongly:\n{text}"


def test_the_readme_has_an_example_that_is_run():
    assert Path(ROOT / "README.md") in TESTED


def test_the_reference_names_every_function():
    """docs/reference is complete: each function of ours that SQLite knows stands there."""
    connection = database.connect(":memory:")
    functions = {
        name for (name,) in connection.execute("SELECT name FROM pragma_function_list")
        if name.startswith(("blob_", "changeset_", "proc_", "session_", "sqlbridge_"))
    }
    modules = {
        name for (name,) in connection.execute("SELECT name FROM pragma_module_list")
        if name.startswith(("blob_", "changeset_", "proc_", "session_"))
    }
    connection.close()
    assert len(functions) >= 8 and modules >= {"blob_versions", "blob_stats", "blob_list"}
    text = "\n".join(p.read_text() for p in (ROOT / "docs").rglob("*.md"))
    assert {name for name in functions | modules if name not in text} == set()
