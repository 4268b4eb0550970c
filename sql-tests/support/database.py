"""Databases through Python's sqlite3 and through the sqlite3 CLI."""

import functools
import sqlite3
import subprocess
from pathlib import Path

from .paths import EXTENSION

#: Extended result codes, <https://www.sqlite.org/rescode.html>.
BUSY = sqlite3.SQLITE_BUSY
BUSY_SNAPSHOT = sqlite3.SQLITE_BUSY_SNAPSHOT
READONLY = sqlite3.SQLITE_READONLY
IOERR = sqlite3.SQLITE_IOERR
CANTOPEN = sqlite3.SQLITE_CANTOPEN


@functools.cache
def load() -> None:
    """Loads the library into this process, once: the VFS and the functions stay."""
    connection = sqlite3.connect(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(EXTENSION)
    connection.close()


def connect(uri: str, timeout: float = 0, **settings) -> sqlite3.Connection:
    """A connection in autocommit mode: BEGIN and COMMIT are the test's own. Rows are tuples."""
    load()
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout, **settings)


def code(error: sqlite3.Error) -> int:
    """The extended result code."""
    return getattr(error, "sqlite_errorcode", 0)


def primary(error: sqlite3.Error) -> int:
    """The primary result code."""
    return code(error) & 0xFF


def one(connection, sql: str, *arguments):
    """The first value of the first row; None where there is no row."""
    row = connection.execute(sql, arguments).fetchone()
    return None if row is None else row[0]


def last_error(connection) -> str:
    return one(connection, "SELECT sqlbridge_last_error()") or ""


def told(error: sqlite3.Error, connection=None) -> str:
    """All that the user is told of a failure: SQLite's message and ours."""
    text = str(error)
    if connection is None:
        connection = sqlite3.connect(":memory:")
    return f"{text} | {last_error(connection)}"


def versions(connection, schema: str = "main") -> list:
    """`blob_versions` as dictionaries, oldest first."""
    cursor = connection.execute("SELECT * FROM blob_versions(?) ORDER BY txid, level", (schema,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def stats(connection, schema: str = "main") -> dict:
    return dict(connection.execute("SELECT name, value FROM blob_stats(?)", (schema,)))


def export(connection, path: Path, schema: str = "main") -> bytes:
    """The database as one file, by `blob_export`."""
    connection.execute("SELECT blob_export(?, ?)", (schema, f"file://{path}")).fetchall()
    return path.read_bytes()


def dump(connection, schema: str = "main") -> dict:
    """Everything a user can see: the schema's SQL and each table's rows."""
    catalogue = connection.execute(
        f"SELECT type, name, tbl_name, sql FROM {schema}.sqlite_schema ORDER BY type, name"
    ).fetchall()
    tables = [name for kind, name, _, _ in catalogue if kind == "table"]
    rows = {name: connection.execute(f'SELECT * FROM {schema}."{name}"').fetchall() for name in tables}
    return {"schema": catalogue, "rows": {name: sorted(r, key=repr) for name, r in rows.items()}}


def check(connection, schema: str = "main") -> None:
    """SQLite's own opinion of the file."""
    assert connection.execute(f"PRAGMA {schema}.integrity_check").fetchall() == [("ok",)]


def cli(script: str, *arguments: str, load_first: bool = True, env: dict | None = None,
        bail: bool = True, seconds: float = 60) -> subprocess.CompletedProcess:
    """Runs a script in Debian's sqlite3."""
    prefix = f".load {EXTENSION}\n" if load_first else ""
    command = ["sqlite3", *(["-bail"] if bail else []), "-batch", *arguments]
    return subprocess.run(
        command, input=prefix + script, capture_output=True, text=True, timeout=seconds, env=env
    )
