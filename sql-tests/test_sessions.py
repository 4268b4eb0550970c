"""Sessions: capture by triggers, held against SQLite's own session extension on the same connection,
and against the rows themselves."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest
from support.changesets import Apsw, Native, SqliteError, decode, rows, wrong
from support.database import one
from support.paths import EXTENSION
from support.random_sql import Generator
from test_hosts import MATRIX
from test_hosts import run as run_host

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


@pytest.mark.parametrize("kind", ["native", "apsw"])
def test_random_histories_give_what_sqlites_own_sessions_give(kind):
    done = subprocess.run(
        [sys.executable, __file__, kind, "0", str(SEEDS)], capture_output=True, text=True, timeout=60 + SEEDS
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def db(connect):
    connection = connect(":memory:")
    connection.executescript("""
        CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, age INT);
        CREATE TABLE log(line);
        INSERT INTO users VALUES (1, 'alice', 30), (2, 'bob', 40);
    """)
    return connection


def session(db, table=None, options=None) -> int:
    handle = one(db, "SELECT session_create('main')") if options is None else one(db, "SELECT session_create('main', ?)", options)
    db.execute("SELECT session_attach(?, ?)", (handle, table)).fetchone()
    return handle


def changes(db, handle=1) -> set:
    return {change[2:] for change in decode(one(db, "SELECT session_changeset(?)", handle))}


def refused(db, sql: str, *arguments) -> str:
    with pytest.raises(sqlite3.Error) as error:
        db.execute(sql, arguments).fetchone()
    return str(error.value)


def test_handles(db):
    assert [session(db), session(db)] == [1, 2]
    assert db.execute("SELECT DISTINCT session FROM session_list").fetchall() == [(1,), (2,)]
    assert one(db, "SELECT session_attach(1, NULL)") == 0
    assert one(db, "SELECT session_attach(1, 'users')") == 0
    assert (one(db, "SELECT session_delete(1)"), one(db, "SELECT session_delete(1)")) == (1, 0)
    assert "no session 1" in refused(db, "SELECT session_changeset(1)")
    assert "no database 'nowhere'" in refused(db, "SELECT session_create('nowhere')")
    assert "no option 'colour'" in refused(db, "SELECT session_create('main', '{\"colour\": 1}')")
    assert one(db, "SELECT session_delete(2)") == 1
    assert one(db, "SELECT count(*) FROM sqlite_temp_schema") == 0


def test_sessions_are_apart_and_end_with_their_connection(tmp_path, connect):
    path = str(tmp_path / "a.db")
    first, second = connect(path), connect(path)
    first.execute("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    session(first)
    assert "no session" in refused(second, "SELECT session_changeset(1)")
    first.execute("INSERT INTO t VALUES (1)")
    second.execute("INSERT INTO t VALUES (2)")
    assert changes(first) == {("INSERT", None, (("i", 1),))}
    first.close()
    assert not list(tmp_path.glob("*-journal"))
    second.execute("DROP TABLE t")


def test_a_reset_begins_anew(db):
    """One changeset for each transaction, without attaching again; also for tables that came since."""
    db.executescript("CREATE TABLE t(id INTEGER PRIMARY KEY, n)")
    db.execute("SELECT session_create('main'), session_attach(1, NULL)").fetchone()
    sql = 'SELECT "table", op, old, new FROM changeset_each(session_changeset(1)) ORDER BY "table", pk'
    db.executescript("INSERT INTO t VALUES (1, 'a'); CREATE TABLE u(id INTEGER PRIMARY KEY); INSERT INTO u VALUES (1)")
    assert db.execute(sql).fetchall() == [("t", "INSERT", None, '[1,"a"]'), ("u", "INSERT", None, "[1]")]
    assert one(db, "SELECT session_reset(1)") == 1
    assert one(db, "SELECT session_isempty(1)") == 1
    db.executescript("UPDATE t SET n = 'b'; INSERT INTO u VALUES (2)")
    assert db.execute(sql).fetchall() == [("t", "UPDATE", '[1,"a"]', '[{},"b"]'), ("u", "INSERT", None, "[2]")]
    with pytest.raises(sqlite3.Error, match="no session"):
        one(db, "SELECT session_reset(9)")


def test_it_works_inside_dml(db):
    session(db, "users")
    db.execute("CREATE TABLE outbox(id INTEGER PRIMARY KEY, changes)")
    db.execute("INSERT INTO users VALUES (3, 'carol', 75)")
    db.execute("INSERT INTO outbox(changes) SELECT session_changeset(1)")
    assert decode(one(db, "SELECT changes FROM outbox")) == decode(one(db, "SELECT session_changeset(1)"))
    assert len(changes(db)) == 1


def test_the_user_notices_nothing(db):
    session(db)
    cursor = db.execute("INSERT INTO users(name) VALUES ('carol'), ('dave')")
    assert (cursor.lastrowid, one(db, "SELECT changes()"), one(db, "SELECT total_changes()")) == (4, 2, 4)
    db.execute("REPLACE INTO users VALUES (1, 'alice', 31)")
    assert (one(db, "SELECT last_insert_rowid()"), one(db, "SELECT changes()"), one(db, "SELECT total_changes()")) == (1, 1, 5)
    db.execute("UPDATE users SET age = 1")
    assert (one(db, "SELECT changes()"), one(db, "PRAGMA recursive_triggers")) == (4, 0)


def test_untrusted_schemas_and_read_only_databases(tmp_path, connect, db):
    db.execute("PRAGMA trusted_schema = OFF")
    session(db)
    db.execute("DELETE FROM users WHERE id = 2")
    assert [op for op, *_ in changes(db)] == ["DELETE"]
    # What the triggers call can be called by anybody, and does nothing.
    for call in ("sqlbridge_capture()", "sqlbridge_capture(1, 2)", "sqlbridge_capture('x')", "sqlbridge_capture(NULL)"):
        assert one(db, f"SELECT {call}") is None
    assert len(changes(db)) == 1
    for name in ("session_create('main')", "session_changeset(1)", "session_delete(1)"):
        db.execute(f"CREATE VIEW v AS SELECT {name}")
        assert "unsafe use" in refused(db, "SELECT * FROM v")
        db.execute("DROP VIEW v")
    path = tmp_path / "ro.db"
    connect(str(path)).execute("CREATE TABLE t(id INTEGER PRIMARY KEY)")
    reader = connect(f"file:{path}?mode=ro")
    session(reader)
    assert one(reader, "SELECT session_changeset(1)") == b""


def test_enable_indirect_and_isempty(db):
    handle = session(db)
    assert one(db, "SELECT session_isempty(1)") == 1
    assert one(db, "SELECT session_enable(1, 0)") == 0
    db.execute("UPDATE users SET age = 1 WHERE id = 1")
    db.execute("CREATE TABLE made_while_off(id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO made_while_off VALUES (1)")
    assert (one(db, "SELECT session_enable(1, 1)"), one(db, "SELECT session_enable(1, NULL)")) == (1, 1)
    assert one(db, "SELECT session_isempty(1)") == 1
    assert one(db, "SELECT session_indirect(1, 1)") == 1
    db.execute("UPDATE users SET age = 2 WHERE id = 1")
    db.execute("UPDATE users SET age = 2 WHERE id = 2")
    db.execute("SELECT session_indirect(1, 0)").fetchone()
    db.execute("UPDATE users SET age = 3 WHERE id = 2")
    flags = {change[3][0]: change[5] for change in decode(one(db, "SELECT session_changeset(?)", handle), indirect=True)}
    assert flags == {("i", 1): 1, ("i", 2): 0}
    assert one(db, "SELECT session_isempty(1)") == 0
    db.execute("UPDATE users SET age = CASE id WHEN 1 THEN 1 ELSE 40 END")
    assert one(db, "SELECT session_isempty(1)") == 1


def test_a_capture_undone_by_a_rollback_is_told(db):
    db.execute("BEGIN")
    session(db, "users")
    db.execute("ROLLBACK")
    db.execute("UPDATE users SET age = 1")
    assert "main.users was undone" in refused(db, "SELECT session_changeset(1)")
    assert "undone" in one(db, "SELECT problem FROM session_list")
    # A savepoint that stays is no problem.
    db.execute("SELECT session_delete(1)").fetchone()
    db.execute("SAVEPOINT s")
    session(db, "users")
    db.execute("RELEASE s")
    db.execute("DELETE FROM users")
    assert len(changes(db, 2)) == 2


def test_tables_that_come_go_and_change(db):
    session(db)
    db.execute("CREATE TABLE later(id INTEGER PRIMARY KEY, x)")
    db.execute("INSERT INTO later VALUES (1, 2)")
    db.execute("ALTER TABLE later RENAME COLUMN x TO y")
    db.execute("ALTER TABLE users ADD COLUMN points INT DEFAULT '5'")
    db.execute("UPDATE users SET name = 'bert' WHERE id = 2")
    db.execute("UPDATE users SET points = 6 WHERE id = 1")
    assert changes(db) == {
        ("INSERT", None, (("i", 1), ("i", 2))),
        ("UPDATE", (("i", 2), ("t", b"bob"), ("-",), ("-",)), (("-",), ("t", b"bert"), ("-",), ("-",))),
        ("UPDATE", (("i", 1), ("-",), ("-",), ("i", 5)), (("-",), ("-",), ("-",), ("i", 6))),
    }
    db.execute("ALTER TABLE users RENAME TO people")
    assert {table for table, *_ in decode(one(db, "SELECT session_changeset(1)"))} == {"people", "later"}
    db.execute("DROP TABLE later")
    assert len(changes(db)) == 2
    db.execute("DROP TABLE people")
    assert "session 1: main.people was dropped" in refused(db, "SELECT session_changeset(1)")


def test_strict_sessions_say_what_others_leave_out(db):
    db.execute("CREATE TABLE keyed(k TEXT PRIMARY KEY, v)")
    session(db)
    db.execute("INSERT INTO log VALUES ('x')")
    db.execute("INSERT INTO keyed VALUES (NULL, 1)")
    assert changes(db) == set()
    db.execute("SELECT session_delete(1)").fetchone()
    session(db, None, '{"strict": true}')
    assert "main.log has no primary key" in refused(db, "INSERT INTO log VALUES ('y')")
    assert "NULL in its primary key" in refused(db, "INSERT INTO keyed VALUES (NULL, 2)")
    db.execute("INSERT INTO keyed VALUES ('a', 2)")
    assert len(changes(db, 2)) == 1
    assert "does not exist" in refused(db, "SELECT session_attach(2, 'nothing')")
    assert "no primary key" in refused(db, "SELECT session_attach(2, 'log')")
    db.execute("SELECT session_delete(2)").fetchone()
    db.execute("INSERT INTO log VALUES ('y')")


def test_statistics_and_wide_tables(db):
    columns = ", ".join(f"c{number}" for number in range(150))
    db.execute(f"CREATE TABLE wide({columns}, PRIMARY KEY(c3, c140))")
    db.execute(f"INSERT INTO wide VALUES ({', '.join(map(str, range(150)))})")
    db.execute("CREATE INDEX users_age ON users(age)")
    db.execute("ANALYZE")
    session(db)
    db.execute("INSERT INTO users VALUES (3, 'carol', 40)")
    db.execute("ANALYZE")
    db.execute("UPDATE wide SET c149 = 'new'")
    found = decode(one(db, "SELECT session_changeset(1)"))
    statistics = {change[2] for change in found if change[0] == "sqlite_stat1"}
    assert "UPDATE" in statistics
    [wide] = [change for change in found if change[0] == "wide"]
    old, new = wide[3:]
    assert (old[3], old[140], old[149], new[149]) == (("i", 3), ("i", 140), ("i", 149), ("t", b"new"))
    assert sum(field != ("-",) for field in old) == 3 and wide[1][140] == 2


def test_diff(db):
    db.execute("ATTACH ':memory:' AS past")
    db.execute("CREATE TABLE past.users(id INTEGER PRIMARY KEY, name TEXT, age INT)")
    db.execute("INSERT INTO past.users VALUES (1, 'alice', 29), (5, 'eve', 1)")
    session(db, "users")
    assert one(db, "SELECT session_diff(1, 'past', 'users')") == 3
    assert changes(db) == {
        ("UPDATE", (("i", 1), ("-",), ("i", 29)), (("-",), ("-",), ("i", 30))),
        ("INSERT", None, (("i", 2), ("t", b"bob"), ("i", 40))),
        ("DELETE", (("i", 5), ("t", b"eve"), ("i", 1)), None),
    }
    assert one(db, "SELECT session_diff(1, 'past', 'log')") is None
    db.execute("ALTER TABLE past.users ADD COLUMN x")
    assert "other columns" in refused(db, "SELECT session_diff(1, 'past', 'users')")
    assert "no database 'gone'" in refused(db, "SELECT session_diff(1, 'gone', 'users')")


def test_capture_of_a_script(db):
    script = "BEGIN; DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (3, 'x', 1); COMMIT;"
    found = decode(one(db, "SELECT changeset FROM session_capture(?)", script))
    assert {op for _, _, op, *_ in found} == {"INSERT", "DELETE"}
    patchset = one(db, "SELECT changeset FROM session_capture('DELETE FROM users', '{\"patchset\": true}')")
    assert patchset[:1] == b"P"
    assert "no such table" in refused(db, "SELECT * FROM session_capture('DELETE FROM nowhere')")
    assert db.execute("SELECT * FROM session_list").fetchall() == []
    assert one(db, "SELECT count(*) FROM sqlite_temp_schema") == 0


@pytest.mark.parametrize("host", list(MATRIX))
def test_every_host(host, local):
    lines = run_host(
        host, local, "shop.db",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
        "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
        "SELECT session_create('main')",
        "SELECT session_attach(1, NULL)",
        "UPDATE t SET v = 'eins' WHERE id = 1",
        "REPLACE INTO t VALUES (2, 'zwei')",
        "DELETE FROM t WHERE id = 9",
        "INSERT INTO t VALUES (3, 'drei')",
        "SELECT hex(session_changeset(1))",
    )
    assert len(decode(bytes.fromhex(lines[-1]))) == 3


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
