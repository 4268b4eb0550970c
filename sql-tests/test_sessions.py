"""Sessions: capture by triggers, held against SQLite's own session extension on the same connection,
and against the rows themselves."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from support.changesets import Apsw, Native, SqliteError, decode, rows, wrong
from support.paths import EXTENSION
from support.random_sql import Generator

#: How many seeds each oracle runs.
SEEDS = int(os.environ.get("SQLBRIDGE_SESSION_SEEDS", 1000))


def run(connection, sql: str) -> bool:
    try:
        connection.execute(sql)
        return True
    except SqliteError:
        return False


def native_changes(session) -> Counter | None:
    """None where SQLite's session gave up, because of a change of the schema."""
    try:
        return decode(bytes(session.changeset()))
    except Exception as error:
        if getattr(error, "code", 0) == 17 or type(error).__name__ == "SchemaChangeError":
            return None
        raise


def equal_keys(table: str, connection) -> bool:
    """Whether values that are not the same can be equal keys, or change when they are stored: then SQLite's
    sessions mistake rows for each other."""
    kinds = connection.execute(f"SELECT type FROM pragma_table_info('{table}') WHERE pk")
    return any(kind not in ("INTEGER", "INT", "TEXT") for (kind,) in kinds)


def compare(make, seed: int) -> str | None:
    """One random history. None, or what differs."""
    connection = make()
    try:
        connection.load_extension(EXTENSION)
        generator = Generator(seed)
        log = []

        def step(sql):
            log.append(f"{sql};" if run(connection, sql) else f"-- failed: {sql};")

        step(f"PRAGMA foreign_keys = {seed % 2}")
        step(f"PRAGMA recursive_triggers = {seed // 2 % 2}")
        step(f"PRAGMA encoding = '{['utf8', 'utf16le', 'utf8'][seed % 3]}'")
        for sql in generator.schema():
            step(sql)
        native = connection.session()
        try:
            connection.execute("SELECT session_create('main')")
            connection.execute("SELECT session_attach(1, NULL)")
            before = rows(connection)
            for _ in range(generator.random.randint(1, 40)):
                step(generator.statement())
                if generator.random.random() < 0.05:
                    step("SELECT length(session_changeset(1))")
            expected = native_changes(native)
            try:
                found = decode(connection.execute("SELECT session_changeset(1)")[0][0])
            except SqliteError as error:
                return "\n".join([*log, str(error)])
        finally:
            native.close()
        problem = wrong(connection, found, before)
        if problem:
            return "\n".join([*log, problem])
        # Older session extensions know nothing of columns that were added, newer ones nothing of
        # their being rolled back.
        altered = any(sql.startswith("ALTER") for sql in log)
        if expected is None or altered and (make is Native or "ROLLBACK" in str(log)):
            return None
        doubtful = {table for table, *_ in expected - found if equal_keys(table, connection)}
        missing = {change for change in expected if change[0] not in doubtful} - set(found)
        added = {change for change in found if change[0] not in doubtful} - set(expected)
        return "\n".join([*log, f"missing: {missing}", f"added: {added}"]) if missing or added else None
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
