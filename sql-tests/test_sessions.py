"""Sessions: capture by triggers, held against SQLite's own session extension on the same connection."""

import os
import subprocess
import sys

import pytest
from support.changesets import Apsw, Native, SqliteError, decode
from support.paths import EXTENSION
from support.random_sql import Generator

#: How many seeds each oracle runs.
SEEDS = int(os.environ.get("SQLBRIDGE_SESSION_SEEDS", 400))


def run(connection, sql: str) -> bool:
    try:
        connection.execute(sql)
        return True
    except SqliteError:
        return False


def settle_keys(expected, found) -> None:
    """Where a key was replaced by one that compares equal but is another value (1 by 1.0, 'a' by
    'A'), SQLite writes an UPDATE that changes the key, beside the INSERT of the new one. Applying it fails, so
    ours is a DELETE. Takes such pairs out."""
    for change in list(expected):
        table, key, op, old, new = change
        if op == "UPDATE" and any(place and field != ("-",) for place, field in zip(key, new)):
            for candidate in list(found):
                same = candidate[:3] == (table, key, "DELETE") and all(
                    theirs in (("-",), ours) for theirs, ours in zip(old, candidate[3])
                )
                if same:
                    del expected[change], found[candidate]
                    break


def compare(make, seed: int) -> str | None:
    """One random history. None, or what differs."""
    connection = make()
    try:
        connection.load_extension(EXTENSION)
        generator = Generator(seed)
        log = []

        def step(sql):
            log.append(sql if run(connection, sql) else f"-- failed: {sql}")

        step(f"PRAGMA foreign_keys = {seed % 2}")
        step(f"PRAGMA recursive_triggers = {seed // 2 % 2}")
        step(f"PRAGMA encoding = '{['utf8', 'utf16le', 'utf8'][seed % 3]}'")
        for sql in generator.schema():
            step(sql)
        native = connection.session()
        try:
            connection.execute("SELECT session_create('main')")
            connection.execute("SELECT session_attach(1, NULL)")
            for _ in range(generator.random.randint(1, 40)):
                step(generator.statement())
                if generator.random.random() < 0.05:
                    step("SELECT length(session_changeset(1))")
            try:
                expected = decode(bytes(native.changeset()))
            except (SqliteError, Exception) as error:
                return None if "SCHEMA" in str(type(error)).upper() + str(error).upper() or getattr(error, "code", 0) == 17 else repr(error)
            found = decode(connection.execute("SELECT session_changeset(1)")[0][0])
        finally:
            native.close()
        settle_keys(expected, found)
        if expected == found:
            return None
        return "\n".join([
            *(f"{sql};" for sql in log), f"missing: {dict(expected - found)}", f"added: {dict(found - expected)}",
        ])
    finally:
        connection.close()


if __name__ == "__main__":
    # In a process of its own: the library serves one copy of SQLite per process.
    kind, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    make = {"native": Native, "apsw": Apsw}[kind]
    for seed in range(first, last):
        difference = compare(make, seed)
        if difference:
            print(f"seed {seed}\n{difference}")
            if len(sys.argv) < 5:
                sys.exit(1)
    sys.exit(0)


@pytest.mark.parametrize("kind", ["native", "apsw"])
def test_random_histories_give_what_sqlites_own_sessions_give(kind):
    done = subprocess.run(
        [sys.executable, __file__, kind, "0", str(SEEDS)], capture_output=True, text=True, timeout=60 + SEEDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
