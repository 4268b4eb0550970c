"""Programs inside the database: the player, which does what it is told, and its compiler."""

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from .database import one
from .paths import ROOT, tool

#: Programs that the guest kits build: make guests.
MODULES = Path(os.environ.get("SQLBRIDGE_GUESTS", ROOT / "build/guests"))


def built(name: str) -> bytes:
    """A program that a guest kit builds; its test is skipped where the toolchain is missing."""
    path = MODULES / f"{name}.wasm"
    if not path.exists():
        pytest.skip(f"{path.name} is not built: make guests says which toolchain is missing")
    return path.read_bytes()


@functools.cache
def compiled(source: str) -> bytes:
    """A program in C without a library, compiled by clang."""
    if tool("clang") is None or tool("wasm-ld") is None:
        pytest.skip("clang and lld are not installed: make test-deps, as root")
    with tempfile.TemporaryDirectory() as directory:
        module = Path(directory) / "module.wasm"
        subprocess.run(
            ["clang", "--target=wasm32", "-O2", "-mbulk-memory", "-fno-builtin", "-nostdlib", "-Wl,--no-entry", "-Wall",
             "-Werror", f"-I{ROOT}/guests/c", "-o", module, source], check=True)
        return module.read_bytes()


def player() -> bytes:
    """guests/c/examples/player.c says what it can be told."""
    return compiled(str(ROOT / "guests/c/examples/player.c"))


def sql(command: str, text: str | None = None, **fields) -> str:
    """What the player is told to send a request."""
    request = {"command": command, **({"sql": text} if text else {}), **fields}
    return "sql " + json.dumps(request, separators=(",", ":"))


def run(connection, *told: str, module=None, **options) -> list:
    """Rows of the player as a command."""
    options = json.dumps({"args": list(told), **options})
    rows = connection.execute("SELECT stream, line FROM sqlproxy_serve(?, ?)", (module or player(), options))
    return rows.fetchall()


def keep(connection, table: str = "app", schema: str = "main", name: str = "player", **options) -> None:
    """Makes a virtual table of the player, stored as a guest."""
    connection.execute("SELECT proc_create(?, ?, '{\"kind\": \"guest\", \"replace\": true}')", (name, player())).fetchall()
    arguments = "".join(f", {key}='{value}'" for key, value in options.items())
    connection.execute(f"CREATE VIRTUAL TABLE {schema}.{table} USING sqlproxy_serve(module='{name}'{arguments})")


def ask(connection, *told: str, table: str = "app"):
    """The player's answer to a request."""
    return one(connection, f"SELECT response FROM {table} WHERE request = ?", "\n".join(told))
