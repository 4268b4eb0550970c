"""The host matrix: each host loads the library, writes, and another host reads it.

The library is loaded on one connection and the database opened on a second one,
so each run also shows that one load serves the whole process.
"""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support import database, paths
from support.paths import EXTENSION, NODE_MODULES, PYTHON, TESTS, tool

HOSTS = TESTS / "hosts"
EXTENSION_DIR = str(Path(EXTENSION).parent)

#: Command, and what must be there for it.
MATRIX = {
    "cli": (None, "sqlite3"),
    "python": (["/usr/bin/python3", HOSTS / "host.py"], "python3"),
    "apsw": ([PYTHON, HOSTS / "host_apsw.py"], "python3"),
    "node": (["node", HOSTS / "node/host.js"], "node"),
    "php": (["php", "-d", f"sqlite3.extension_dir={EXTENSION_DIR}", HOSTS / "host.php"], "php"),
    "perl": (["perl", HOSTS / "host.pl"], "perl"),
    "tcl": (["tclsh", HOSTS / "host.tcl"], "tclsh"),
    "ruby": (["ruby", HOSTS / "host.rb"], "ruby"),
}


def need(host: str) -> None:
    program = MATRIX[host][1]
    if tool(program) is None:
        pytest.skip(f"{program} is not installed: make test-deps, as root")
    if host == "node" and not (NODE_MODULES / "better-sqlite3").exists():
        pytest.skip("better-sqlite3 is not installed: make test-deps")


def run(host: str, store, name: str, *statements: str) -> list:
    """Runs statements in a host; gives its lines. The store comes from the URI, except
    for Node, whose better-sqlite3 passes no URI filenames to SQLite."""
    need(host)
    environment = {**os.environ, "SQLBRIDGE_NODE_MODULES": str(NODE_MODULES)}
    if host == "cli":
        script = f".open '{store.uri(name)}'\n" + "".join(s + ";\n" for s in statements)
        done = database.cli(script, env=environment)
    else:
        uri = store.uri(name)
        if host == "node":
            uri = f"blob:{name}"
            environment |= store.environment()
        command = [*map(str, MATRIX[host][0]), EXTENSION, uri, *statements]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, f"{host}: {done.stderr}{done.stdout}"
    assert done.stderr == "", f"{host} printed on stderr: {done.stderr}"
    return done.stdout.splitlines()


@pytest.mark.parametrize("host", list(MATRIX))
@pytest.mark.stores("file", "s3gate")
def test_one_host_writes_and_another_reads(host, store, connect):
    lines = run(
        host, store, "shop.db",
        "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT)",
        "INSERT INTO customer(name) VALUES ('Ada'), ('Grace')",
        "SELECT id, name FROM customer ORDER BY id",
        "SELECT count(*) FROM blob_versions('main')",
    )
    assert lines[-3:] == ["1|Ada", "2|Grace", "2"]

    reader = connect(store.uri("shop.db"))
    assert reader.execute("SELECT name FROM customer ORDER BY id").fetchall() == [("Ada",), ("Grace",)]
    database.check(reader)
    reader.execute("INSERT INTO customer(name) VALUES ('Edsger')")

    assert run(host, store, "shop.db", "SELECT name FROM customer WHERE id = 3")[-1:] == ["Edsger"]


@pytest.mark.parametrize("host", list(MATRIX))
def test_functions_are_on_the_second_connection(host, local):
    version, *debug = run(host, local, "x.db", "SELECT sqlbridge_version()", "SELECT sqlbridge_debug()")
    assert version.count(".") == 2
    assert version in debug[0]


def test_debug_says_what_is_there():
    connection = database.connect(":memory:")
    text = database.one(connection, "SELECT sqlbridge_debug()")
    connection.close()
    for word in (sqlite3.sqlite_version, "s3", "file"):
        assert word in text.lower(), text


def test_functions_survive_open_in_the_cli():
    done = database.cli(".open :memory:\nSELECT length(sqlbridge_version()) > 0;\n")
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_loading_twice_is_harmless():
    again = f".load {EXTENSION}\n"
    done = database.cli(f"{again}SELECT 1;\n.open :memory:\n{again}SELECT 2;\n")
    assert (done.returncode, done.stdout.split()) == (0, ["1", "2"]), done.stderr


def test_two_copies_of_sqlite_in_one_process(local, tmp_path):
    """Rule 12: Python's and apsw's SQLite both load the one library image. The second
    either works beside the first or is refused at load; neither may harm the other."""
    code = f"""
import sqlite3, apsw, json
uri = {local.uri("two.db")!r}
def load(c):
    c.enable_load_extension(True); c.load_extension({EXTENSION!r})
first = sqlite3.connect(":memory:"); load(first)
a = sqlite3.connect(uri, uri=True, isolation_level=None)
a.execute("CREATE TABLE t(x)"); a.execute("INSERT INTO t VALUES(1)")
refused = None
try:
    other = apsw.Connection(":memory:"); load(other)
    b = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
    b.execute("INSERT INTO t VALUES(2)")
    seen = [x for (x,) in b.execute("SELECT x FROM t ORDER BY x")]
except apsw.Error as error:
    refused = str(error); a.execute("INSERT INTO t VALUES(2)"); seen = [1, 2]
a.execute("INSERT INTO t VALUES(3)")
print(json.dumps([refused, seen, [x for (x,) in a.execute("SELECT x FROM t ORDER BY x")]]))
"""
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    refused, seen, final = json.loads(done.stdout)
    assert (seen, final) == ([1, 2], [1, 2, 3])
    assert refused is None or "sqlite" in refused.lower()


def test_open_urls_is_off_by_default_and_leaves_other_names_alone(local, tmp_path):
    """better-sqlite3's way in: names with a known beginning, after asking for it."""
    code = f"""
import sqlite3, os
first = sqlite3.connect(":memory:")
first.enable_load_extension(True); first.load_extension({EXTENSION!r})
os.chdir({str(tmp_path)!r})
def open(name):
    c = sqlite3.connect(name, isolation_level=None); c.execute("CREATE TABLE IF NOT EXISTS t(x)"); return c
open("blob:before.db").close()
assert os.path.exists("blob:before.db"), "without the switch it is a file name like any other"
first.execute("SELECT sqlbridge_open_urls(1)").fetchone()
c = open("blob:shop.db"); c.execute("INSERT INTO t VALUES(7)"); c.close()
assert not os.path.exists("blob:shop.db"), "with the switch it is in the store"
p = open("plain.db"); p.close()
with __builtins__.open("plain.db", "rb") as f: assert f.read(15) == b"SQLite format 3"
first.execute("SELECT sqlbridge_open_urls(0)").fetchone()
open("blob:after.db").close()
assert os.path.exists("blob:after.db")
"""
    environment = {**os.environ, **local.environment()}
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    reader = database.connect(local.uri("shop.db"))
    assert database.one(reader, "SELECT x FROM t") == 7
    reader.close()


def test_the_library_is_small(tmp_path):
    """Stripped, as it is shipped. The compiler of procedures is half of it; storage alone has 11 MB."""
    stripped = tmp_path / "stripped.so"
    subprocess.run(["strip", "-o", stripped, paths.library()], check=True)
    assert stripped.stat().st_size < 23_000_000


def test_nothing_is_printed(local, host):
    """Not in a good run, not in a bad one: a guest does not talk on the host's streams."""
    script = f".open '{local.uri('a.db')}'\nCREATE TABLE t(x);\n.open 'file:b.db?vfs=sqlbridge&store=nonsense'\nSELECT 1 FROM t;\n"
    done = database.cli(script, bail=False)
    assert done.stdout == ""
    ours = [line for line in done.stderr.splitlines() if line.startswith(("sqlbridge", "thread"))]
    assert ours == []
