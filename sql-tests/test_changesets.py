"""Changesets: applied, inverted, grouped, rebased, looked into; against SQLite's own tools.

apsw's copy of SQLite makes changesets with its session extension; ours works on them in Python's
sqlite3, whose SQLite is another and hides its own. The oracle, where both work on one copy of SQLite in
one process, is support/changeset_oracle.py; SQLBRIDGE_ORACLE_SEEDS says how many seeds it takes.
"""

import base64
import json
import os
import random
import sqlite3
import subprocess
import sys

import apsw
import pytest
from support import database
from support.database import code, one, primary
from support.paths import PYTHON, TESTS, tool
from test_hosts import MATRIX, run

SEEDS = int(os.environ.get("SQLBRIDGE_ORACLE_SEEDS", "2500"))
#: What a run of the oracle must have met at least once, or it tests less than it says.
MET = [
    "decode", "check", "concat", "group", "invert", "invert twice", "conflicts", "rows", "commit",
    "made already", "rebase blob", "rebased", "damaged, decoded", "damaged, rows", "with DATA", "with NOTFOUND",
    "with CONFLICT", "with CONSTRAINT", "with FOREIGN_KEY",
]


def test_the_oracle_finds_no_difference():
    """Two processes, half of the seeds each."""
    program = [PYTHON, TESTS / "support/changeset_oracle.py"]
    halves = [(0, SEEDS // 2), (SEEDS // 2, SEEDS)]
    running = [
        subprocess.Popen([*program, str(first), str(last)], stdout=subprocess.PIPE, text=True)
        for first, last in halves
    ]
    for process in running:
        out, _ = process.communicate()
        *differences, met = out.splitlines()
        assert differences == [] and process.returncode == 0
        assert [what for what in MET if what not in json.loads(met)] == []


# Making changesets -------------------------------------------------------------------------------------

SCHEMA = """
    CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, score INT);
    INSERT INTO users VALUES (1, 'alice', 50), (2, 'bob', 60);
"""


def recorded(*statements: str, schema: str = SCHEMA, patchset: bool = False) -> bytes:
    """What SQLite's session extension says of statements."""
    db = apsw.Connection(":memory:")
    db.execute(schema)
    session = apsw.Session(db, "main")
    session.attach()
    for sql in statements:
        db.execute(sql)
    return session.patchset() if patchset else session.changeset()


@pytest.fixture
def db(connect):
    connection = connect(":memory:")
    connection.executescript(SCHEMA)
    return connection


def applied(db, changeset: bytes, policy=None) -> dict:
    return json.loads(one(db, "SELECT changeset_apply(?, ?)", changeset, policy))


def users(db) -> list:
    return db.execute("SELECT * FROM users ORDER BY id").fetchall()


CHANGES = [
    "INSERT INTO users VALUES (3, 'carol', 75)",
    "UPDATE users SET score = 51 WHERE id = 1",
    "DELETE FROM users WHERE id = 2",
]


@pytest.mark.parametrize("patchset", [False, True])
def test_apply(db, patchset):
    changeset = recorded(*CHANGES, patchset=patchset)
    report = applied(db, changeset)
    assert (report["applied"], report["replaced"], report["mismatched"]) == (3, 0, [])
    assert set(report["skipped"]) == {"data", "notfound", "conflict", "constraint", "foreign_key"}
    assert users(db) == [(1, "alice", 51), (3, "carol", 75)]


def test_nothing_is_no_change(db):
    assert applied(db, b"")["applied"] == 0
    assert one(db, "SELECT changeset_apply(NULL)") is None
    assert one(db, "SELECT changeset_invert(NULL)") is None
    assert one(db, "SELECT changeset_concat(NULL, NULL)") is None
    changeset = recorded(*CHANGES)
    assert one(db, "SELECT changeset_concat(?, NULL)", changeset) == changeset
    assert one(db, "SELECT changeset_group(NULL)") == b""
    assert db.execute("SELECT * FROM changeset_each(NULL)").fetchall() == []


def test_invert_undoes(db):
    before = users(db)
    changeset = recorded(*CHANGES)
    applied(db, changeset)
    one(db, "SELECT changeset_apply(changeset_invert(?))", changeset)
    assert users(db) == before


def test_transforms_refuse_what_they_cannot_do(db):
    changeset, patchset = recorded(*CHANGES), recorded(*CHANGES, patchset=True)
    other = recorded("INSERT INTO users VALUES(1, 2)", schema="CREATE TABLE users(id INTEGER PRIMARY KEY, x)")
    for sql, arguments, words in [
        ("changeset_invert(?)", [patchset], "patchset"),
        ("changeset_rebase(?, NULL)", [patchset], "patchset"),
        ("changeset_rebase(?, ?)", [changeset, changeset], "rebase blob"),
        ("changeset_rebase(?, 'not base64!')", [changeset], "base64"),
        ("changeset_concat(?, ?)", [changeset, patchset], "patchset"),
        ("changeset_concat(?, ?)", [changeset, other], "users"),
        ("changeset_invert(?)", [b"no changeset"], "byte 0"),
        ("changeset_invert(?)", ["text"], "BLOB"),
        ("changeset_apply(?)", [changeset[:-1]], "ends in the middle"),
        ("changeset_rebase()", [], "needs"),
    ]:
        with pytest.raises(sqlite3.Error, match=words):
            one(db, f"SELECT {sql}", *arguments)
    assert users(db) == [(1, "alice", 50), (2, "bob", 60)]


def test_each(db):
    schema = "CREATE TABLE t(a INT, b TEXT, c, PRIMARY KEY(b, a)); INSERT INTO t VALUES (1, 'x', x'00FF'), (2, 'y', 1.5)"
    changeset = recorded(
        f"INSERT INTO t VALUES ({2**63 - 1}, 'z', NULL)", "UPDATE t SET c = 9e999 WHERE a = 1",
        "DELETE FROM t WHERE a = 2", schema=schema,
    )
    rows = db.execute('SELECT "table", op, indirect, pk, old, new, columns, kind FROM changeset_each(?)', (changeset,))
    assert sorted(rows) == [
        ("t", "DELETE", 0, '[2,"y"]', '[2,"y",1.5]', None, "[2,1,0]", "changeset"),
        ("t", "INSERT", 0, '[9223372036854775807,"z"]', None, '[9223372036854775807,"z",null]', "[2,1,0]", "changeset"),
        ("t", "UPDATE", 0, '[1,"x"]', '[1,"x",{"blob":"00FF"}]', "[{},{},9e999]", "[2,1,0]", "changeset"),
    ]
    # Read one by one: what stands before the damage is there. Python reads one row ahead.
    cursor = db.execute("SELECT op FROM changeset_each(?)", (changeset + b"\x07",))
    assert None not in [cursor.fetchone() for _ in range(2)]
    with pytest.raises(sqlite3.Error, match="0x07"):
        cursor.fetchone()


def test_each_joins_rows_of_a_table(db):
    db.execute("CREATE TABLE inbox(id INTEGER PRIMARY KEY, changes BLOB)")
    for sql in CHANGES:
        db.execute("INSERT INTO inbox(changes) VALUES (?)", (recorded(sql),))
    rows = db.execute('SELECT inbox.id, op, new ->> 1 FROM inbox, changeset_each(inbox.changes) ORDER BY 1')
    assert rows.fetchall() == [(1, "INSERT", "carol"), (2, "UPDATE", "{}"), (3, "DELETE", None)]


def test_group_is_an_aggregate(db):
    steps = [recorded("UPDATE users SET score = 1 WHERE id = 1"), recorded("DELETE FROM users WHERE id = 2")]
    db.execute("CREATE TABLE outbox(id INTEGER PRIMARY KEY, changes BLOB)")
    db.executemany("INSERT INTO outbox(changes) VALUES (?)", [(s,) for s in steps])
    whole = one(db, "SELECT changeset_group(changes) FROM outbox")
    assert whole == one(db, "SELECT changeset_concat(?, ?)", *steps)
    assert applied(db, whole)["applied"] == 2


def test_check(db):
    changeset = recorded(*CHANGES)
    assert one(db, "SELECT changeset_check(?)", changeset) == "ok"
    assert "byte 2" in one(db, "SELECT changeset_check(?)", changeset[:3])
    header = b"T\x03\x01\0\0users\0"
    assert changeset.startswith(header)
    for bytes_, problem in [
        (changeset + changeset.removeprefix(header), "two changes of one row"),
        (header.replace(b"\1", b"\0") + changeset.removeprefix(header), "no primary key"),
        (header + b"\x12\0" + b"\5\5\5", "NULL"),
        (header + b"\x12\0" + b"\0\5\5", "lacks"),
        (header + b"\x12\0" + b"\1\0\0\0\0\0\0\0\1\5\0", "other fields"),
    ]:
        assert problem in one(db, "SELECT changeset_check(?)", bytes_)


# Conflicts ------------------------------------------------------------------------------------------

#: Statements on this side that make each kind of conflict, and what `omit` and `replace` leave.
CONFLICTS = {
    "DATA": ("UPDATE users SET score = 7 WHERE id = 1", [CHANGES[1]], (1, "alice", 7), (1, "alice", 51)),
    "NOTFOUND": ("DELETE FROM users WHERE id = 1", [CHANGES[1]], None, None),
    "CONFLICT": ("INSERT INTO users VALUES (3, 'chris', 1)", [CHANGES[0]], (3, "chris", 1), (3, "carol", 75)),
    "CONSTRAINT": ("CREATE UNIQUE INDEX i ON users(score); INSERT INTO users VALUES(9, 'x', 75)", [CHANGES[0]], None, None),
}


@pytest.mark.parametrize("kind", CONFLICTS)
def test_policies(db, kind):
    here, there, omitted, replaced = CONFLICTS[kind]
    db.executescript(here)
    changeset = recorded(*there)
    before = users(db)
    for policy in (None, "abort", '{"default":"replace","%s":"abort"}' % kind.lower()):
        with pytest.raises(sqlite3.Error, match=kind) as raised:
            applied(db, changeset, policy)
        assert primary(raised.value) == sqlite3.SQLITE_ABORT
        assert users(db) == before
    key = 3 if "INSERT" in there[0] else 1
    for policy, row in (("omit", omitted), ("replace", replaced), ('{"default":"replace"}', replaced)):
        db.execute("SAVEPOINT s")
        report = applied(db, changeset, policy)
        skipped = policy == "omit" or kind in ("NOTFOUND", "CONSTRAINT")
        assert report["skipped"][kind.lower()] == skipped
        assert report["replaced"] == (not skipped)
        assert db.execute("SELECT * FROM users WHERE id = ?", (key,)).fetchone() == row
        db.execute("ROLLBACK TO s")
        db.execute("RELEASE s")


def test_a_function_decides(db):
    calls = []

    def policy(*arguments):
        calls.append(arguments)
        return "replace" if arguments[0] == "DATA" else "omit"

    db.create_function("my policy", 6, policy)
    db.execute("UPDATE users SET score = 7 WHERE id = 1")
    db.execute("DELETE FROM users WHERE id = 2")
    report = applied(db, recorded(*CHANGES), "my policy")
    assert (report["applied"], report["replaced"], report["skipped"]["notfound"]) == (2, 1, 1)
    assert sorted(calls) == [
        ("DATA", "users", "UPDATE", "[1,{},50]", "[{},{},51]", '[1,"alice",7]'),
        ("NOTFOUND", "users", "DELETE", '[2,"bob",60]', None, None),
    ]


def test_twice_is_once(db):
    for made in (recorded(*CHANGES), recorded(*CHANGES, patchset=True)):
        for _ in range(2):
            report = applied(db, made, '{"ignore_noop":true}')
            assert report["applied"] == 3 and sum(report["skipped"].values()) == 0
            assert users(db) == [(1, "alice", 51), (3, "carol", 75)]
    db.execute("UPDATE users SET name = 'chris' WHERE id = 3")
    with pytest.raises(sqlite3.Error, match="CONFLICT"):
        applied(db, recorded(*CHANGES), '{"ignore_noop":true}')


@pytest.mark.parametrize(
    "policy, words",
    [
        ("no_such_function", "no such function"),
        ("{", "not JSON"),
        ('{"datum":"omit"}', "unknown key 'datum'"),
        ('{"data":1}', "must be a string"),
        ('{"strict":"yes"}', "true or false"),
        ('{"tables":"users"}', "array"),
        ('{"notfound":"replace"}', "NOTFOUND"),
        ("upper", "upper"),
    ],
)
def test_wrong_policies_are_refused(db, policy, words):
    with pytest.raises(sqlite3.Error, match=words):
        applied(db, recorded(*CHANGES), policy)
    assert users(db) == [(1, "alice", 50), (2, "bob", 60)]


def test_functions_that_answer_nonsense_or_fail(db):
    db.execute("UPDATE users SET score = 7 WHERE id = 1")
    for answer, words in [("maybe", "'omit', 'replace' or 'abort'"), (None, "null"), (7, "7")]:
        db.create_function("policy", 6, lambda *_, answer=answer: answer)
        with pytest.raises(sqlite3.Error, match=words):
            applied(db, recorded(*CHANGES), "policy")
    db.create_function("policy", 6, lambda *_: 1 / 0)
    with pytest.raises(sqlite3.Error, match="exception"):
        applied(db, recorded(*CHANGES), "policy")
    assert users(db) == [(1, "alice", 7), (2, "bob", 60)]


# Foreign keys, triggers, transactions ------------------------------------------------------------------

FAMILY = """
    CREATE TABLE parent(id INTEGER PRIMARY KEY);
    CREATE TABLE child(id INTEGER PRIMARY KEY, parent INT REFERENCES parent(id));
    INSERT INTO parent VALUES (1);
"""


def test_foreign_keys_are_checked_at_the_end(connect):
    changeset = recorded(
        "INSERT INTO parent VALUES (2)", "INSERT INTO child VALUES (1, 2), (2, 1)", schema=FAMILY
    )
    # The child's table comes first in this one.
    reverse = recorded("INSERT INTO child VALUES (1, 2)", "INSERT INTO parent VALUES (2)", schema=FAMILY)
    for made in (changeset, reverse):
        db = connect(":memory:")
        db.executescript(FAMILY + "PRAGMA foreign_keys = ON;")
        assert sum(applied(db, made)["skipped"].values()) == 0
        db.executescript("DELETE FROM child; DELETE FROM parent;")
        for policy in ("abort", "omit", "replace"):
            only_child = recorded("INSERT INTO child VALUES (5, 2)", schema=FAMILY + "INSERT INTO parent VALUES (2);")
            with pytest.raises(sqlite3.Error, match="FOREIGN_KEY") as raised:
                applied(db, only_child, policy)
            assert code(raised.value) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
            assert one(db, "SELECT count(*) FROM child") == 0
    # As in the C API, this keeps what violates it.
    assert applied(db, only_child, '{"foreign_key":"omit"}')["skipped"]["foreign_key"] == 1
    assert db.execute("PRAGMA foreign_key_check").fetchall() == [("child", 5, "parent", 0)]


def test_deferred_foreign_keys_stay_as_they_were(connect):
    db = connect(":memory:")
    db.executescript(FAMILY + "PRAGMA foreign_keys = ON;")
    for deferred in (0, 1):
        db.execute("BEGIN")
        db.execute(f"PRAGMA defer_foreign_keys = {deferred}")
        applied(db, recorded("INSERT INTO parent VALUES (2)", schema=FAMILY))
        assert one(db, "PRAGMA defer_foreign_keys") == deferred
        db.execute("ROLLBACK")


def test_values_that_trade_places(connect):
    schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');"
    changeset = recorded(
        "UPDATE t SET u = NULL", "UPDATE t SET u = 'b' WHERE id = 1", "UPDATE t SET u = 'c' WHERE id = 2",
        "UPDATE t SET u = 'a' WHERE id = 3", schema=schema,
    )
    db = connect(":memory:")
    db.executescript(schema)
    assert applied(db, changeset)["applied"] == 3
    assert [u for (u,) in db.execute("SELECT u FROM t ORDER BY id")] == ["b", "c", "a"]


def test_triggers_of_the_target_fire(db):
    db.executescript(
        "CREATE TABLE log(what); CREATE TRIGGER i AFTER INSERT ON users BEGIN INSERT INTO log VALUES(new.name); END;"
    )
    applied(db, recorded(*CHANGES))
    assert one(db, "SELECT group_concat(what) FROM log") == "carol"


def test_a_trigger_that_rolls_back_ends_it(db):
    db.execute("CREATE TRIGGER r BEFORE UPDATE ON users BEGIN SELECT raise(ROLLBACK, 'no'); END")
    many = recorded(*CHANGES, *(f"INSERT INTO users VALUES ({n}, 'n', {n})" for n in range(10, 60)))
    for policy in ("abort", "omit"):
        with pytest.raises(sqlite3.Error, match="rolled"):
            applied(db, many, policy)
        assert users(db) == [(1, "alice", 50), (2, "bob", 60)]
        assert not db.in_transaction


def test_a_policy_that_rolls_back_ends_it(db):
    def policy(*_):
        db.execute("ROLLBACK")
        return "omit"

    db.create_function("policy", 6, policy)
    many = recorded(*CHANGES, *(f"INSERT INTO users VALUES ({n}, 'n', {n})" for n in range(10, 60)))
    db.execute("UPDATE users SET score = 7")
    with pytest.raises(sqlite3.Error, match="rolled"):
        applied(db, many, "policy")
    assert users(db) == [(1, "alice", 7), (2, "bob", 7)] and not db.in_transaction


def test_inside_a_transaction_only_its_own_part_is_undone(db):
    db.execute("BEGIN")
    db.execute("INSERT INTO users VALUES (8, 'mine', 1)")
    with pytest.raises(sqlite3.Error, match="DATA"):
        applied(db, recorded(*CHANGES, "UPDATE users SET score = 0", schema=SCHEMA + "UPDATE users SET score = 99;"))
    assert db.in_transaction
    db.execute("COMMIT")
    assert users(db) == [(1, "alice", 50), (2, "bob", 60), (8, "mine", 1)]


def test_inside_a_statement_that_writes(db):
    """A savepoint cannot be opened there; the statement's own end is what undoes."""
    db.execute("CREATE TABLE log(report)")
    changeset = recorded(*CHANGES)
    sql = "INSERT INTO log SELECT changeset_apply(?)"
    db.execute(sql, (changeset,))
    assert users(db) == [(1, "alice", 51), (3, "carol", 75)]
    after = users(db)
    with pytest.raises(sqlite3.Error, match="DATA|NOTFOUND|CONFLICT"):
        db.execute(sql, (changeset,))
    later = recorded("INSERT INTO users VALUES (4, 'dan', 1)", "UPDATE users SET score = 2")
    with pytest.raises(sqlite3.Error, match="DATA|NOTFOUND|CONFLICT"):
        db.execute("INSERT INTO log SELECT changeset_apply(column1) FROM (VALUES (?), (?))", (later, changeset))
    assert users(db) == after and one(db, "SELECT count(*) FROM log") == 1
    db.execute("BEGIN")
    with pytest.raises(sqlite3.Error, match="SELECT of its own") as raised:
        db.execute(sql, (changeset,))
    assert primary(raised.value) == database.BUSY
    db.execute("ROLLBACK")
    # What only computes works anywhere.
    db.execute("INSERT INTO log SELECT changeset_invert(?)", (changeset,))


def test_only_from_top_level_sql(db):
    db.create_function("changes", 0, lambda: b"")
    db.execute("CREATE VIEW v AS SELECT changeset_apply(x'')")
    with pytest.raises(sqlite3.Error, match="unsafe use"):
        db.execute("SELECT * FROM v").fetchall()
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("CREATE VIEW w AS SELECT changeset_invert(x''), changeset_check(x''), count(*) FROM changeset_each(x'')")
    assert db.execute("SELECT * FROM w").fetchall() == [(b"", "ok", 0)]


# Schemas ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "here, reason",
    [
        ("CREATE TABLE other(x)", "no such table"),
        ("CREATE TABLE users(id INTEGER PRIMARY KEY, name)", "2 columns here and 3"),
        ("CREATE TABLE users(id, name PRIMARY KEY, score)", "primary key"),
        ("CREATE TABLE users(id, name, score, more, PRIMARY KEY(id, more))", "primary key"),
    ],
)
def test_tables_that_differ_are_left_out_and_told(connect, here, reason):
    db = connect(":memory:")
    db.execute(here)
    [told] = applied(db, recorded(*CHANGES))["mismatched"]
    assert (told["table"], told["changes"]) == ("users", 3) and reason in told["reason"]
    with pytest.raises(sqlite3.Error, match=reason) as raised:
        applied(db, recorded(*CHANGES), '{"strict":true}')
    assert primary(raised.value) == sqlite3.SQLITE_SCHEMA


def test_more_columns_here_are_fine(connect):
    db = connect(":memory:")
    db.executescript(SCHEMA.replace("score INT", "score INT, more DEFAULT 'd', g AS (score * 2)").replace("VALUES (1, 'alice', 50), (2, 'bob', 60)", "(id, name, score) VALUES (1, 'alice', 50), (2, 'bob', 60)"))
    assert applied(db, recorded(*CHANGES))["applied"] == 3
    assert users(db) == [(1, "alice", 51, "d", 102), (3, "carol", 75, "d", 150)]


def test_only_some_tables(db):
    schema = SCHEMA + "CREATE TABLE secret(id INTEGER PRIMARY KEY);"
    db.execute("CREATE TABLE secret(id INTEGER PRIMARY KEY)")
    changeset = recorded(*CHANGES, "INSERT INTO secret VALUES (1)", schema=schema)
    report = applied(db, changeset, '{"tables":["Users"],"strict":true}')
    assert report["applied"] == 3 and report["mismatched"][0]["table"] == "secret"
    assert one(db, "SELECT count(*) FROM secret") == 0


def test_statistics_of_the_planner_travel(connect):
    schema = "CREATE TABLE t(a PRIMARY KEY, b); CREATE INDEX i ON t(b); CREATE TABLE empty(x); INSERT INTO t VALUES (1, 2), (3, 4);"
    db = connect(":memory:")
    db.executescript(schema + "ANALYZE;")
    origin = schema + "ANALYZE;"
    # A table without an index has a NULL there, which a key may not be: it travels as an empty blob.
    changeset = recorded(
        "INSERT INTO t VALUES (5, 6)", "CREATE TABLE plain(x)", "INSERT INTO plain VALUES (1)", "ANALYZE", schema=origin
    )
    assert "sqlite_stat1" in str(db.execute('SELECT DISTINCT "table" FROM changeset_each(?)', (changeset,)).fetchall())
    db.execute("CREATE TABLE plain(x)")
    assert sum(applied(db, changeset)["skipped"].values()) == 0
    assert ("plain", None, "1") in db.execute("SELECT * FROM sqlite_stat1").fetchall()
    one(db, "SELECT changeset_apply(changeset_invert(?))", changeset)
    assert one(db, "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'plain'") == 0


# Both ways -------------------------------------------------------------------------------------------


def test_two_databases_that_changed_the_same_rows(connect):
    """The hub's changes win on the laptop; then the laptop's, rebased, go to the hub without a conflict."""
    hub_changes = recorded("UPDATE users SET score = 100 WHERE id = 1", "DELETE FROM users WHERE id = 2")
    mine = ["UPDATE users SET name = 'Alice', score = 1 WHERE id = 1", "INSERT INTO users VALUES (9, 'me', 9)"]
    my_changes = recorded(*mine)
    hub, laptop = connect(":memory:"), connect(":memory:")
    for db, statements in ((hub, ["UPDATE users SET score = 100 WHERE id = 1", "DELETE FROM users WHERE id = 2"]), (laptop, mine)):
        db.executescript(SCHEMA + ";".join(statements))
    report = applied(laptop, hub_changes, '{"default":"replace","rebase":true}')
    assert report["replaced"] == 1
    rebased = one(laptop, "SELECT changeset_rebase(?, ?)", my_changes, report["rebase"])
    assert rebased == one(laptop, "SELECT changeset_rebase(?, ?)", my_changes, base64.b64decode(report["rebase"]))
    assert sum(applied(hub, rebased)["skipped"].values()) == 0
    assert users(hub) == users(laptop) == [(1, "Alice", 100), (9, "me", 9)]


def test_patchsets_give_no_rebase_blob(db):
    db.execute("UPDATE users SET score = 7 WHERE id = 1")
    policy = '{"default":"omit","rebase":true}'
    assert "rebase" not in applied(db, recorded(*CHANGES, patchset=True), policy)
    assert "rebase" in applied(db, recorded(*CHANGES), policy)


@pytest.mark.skipif(tool("sqldiff") is None, reason="sqldiff is not installed: make test-deps")
@pytest.mark.parametrize("seed", range(12))
def test_what_sqldiff_writes(connect, tmp_path, seed):
    rng = random.Random(seed)
    paths = [str(tmp_path / name) for name in ("before.db", "after.db")]
    for path in paths:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE one(id INTEGER PRIMARY KEY, a, b)")
            db.execute("CREATE TABLE two(a TEXT, b INT, c, PRIMARY KEY(b, a)) WITHOUT ROWID")
            for _ in range(40):
                value = rng.choice([None, rng.randrange(9), rng.random(), "text", b"blob"])
                db.execute("INSERT OR REPLACE INTO one VALUES (?, ?, ?)", (rng.randrange(30), value, "x"))
                db.execute("INSERT OR REPLACE INTO two VALUES (?, ?, ?)", (f"k{rng.randrange(3)}", rng.randrange(9), value))
    out = tmp_path / "out.changeset"
    subprocess.run(["sqldiff", "--changeset", str(out), *paths], check=True)
    db = connect(paths[0])
    changeset = out.read_bytes()
    assert applied(db, changeset)["mismatched"] == []
    tables = ("one", "two")
    after = sqlite3.connect(paths[1])
    for table in tables:
        sql = f"SELECT * FROM {table} ORDER BY 1, 2"
        assert db.execute(sql).fetchall() == after.execute(sql).fetchall()
    after.close()


# Size ---------------------------------------------------------------------------------------------------

LARGE = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from support import database
rows = int(sys.argv[2])
db = database.connect(":memory:", cached_statements=0)
def varint(n):
    return bytes([n]) if n < 128 else bytes([0x80 | n >> 7, n & 127])
def inserts(first):
    body = b"x" * 1000
    yield b"T\\x02\\x01\\x00t\\x00"
    for i in range(first, first + rows):
        yield b"\\x12\\x00\\x01" + i.to_bytes(8, "big") + b"\\x04" + varint(1000) + body
one = b"".join(inserts(0))
two = b"".join(inserts(rows // 2))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
for sql in ("changeset_invert(?1)", "changeset_concat(?1, ?2)", "changeset_rebase(?1, x'')"):
    length = database.one(db, f"SELECT length({sql}), ?2", one, two)
    assert length >= len(one), sql
count = database.one(db, "SELECT count(*) FROM changeset_each(?)", one)
assert count == rows
print(json.dumps([len(one), peak() - before]))
"""


def test_memory_stays_within_a_few_times_the_size():
    """Several hundred megabytes with SQLBRIDGE_CHANGESET_ROWS=300000."""
    rows = os.environ.get("SQLBRIDGE_CHANGESET_ROWS", "40000")
    done = subprocess.run([sys.executable, "-c", LARGE, TESTS, rows], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    size, grown = json.loads(done.stdout)
    # SQLite's copies of two arguments; the result, half as large again, and SQLite's copy of it.
    assert grown < 6 * size


# Hosts and stores ---------------------------------------------------------------------------------------


@pytest.mark.stores("file", "s3gate")
def test_on_a_blob_database(store, connect, host):
    db = connect(store.uri("users.db"))
    db.executescript(SCHEMA)
    commits = one(db, "SELECT max(txid) FROM blob_versions")
    assert applied(db, recorded(*CHANGES))["applied"] == 3
    assert one(db, "SELECT max(txid) FROM blob_versions") == commits + 1
    with pytest.raises(sqlite3.Error, match="DATA|NOTFOUND|CONFLICT"):
        applied(db, recorded(*CHANGES))
    other = host(store.uri("users.db"))
    assert other.run("SELECT * FROM users ORDER BY id") == users(db) == [(1, "alice", 51), (3, "carol", 75)]


@pytest.mark.parametrize("host", list(MATRIX))
@pytest.mark.stores("file")
def test_in_every_host(host, store):
    """Hosts with and without a session extension of their own; some hide it."""
    lines = run(
        host, store, "users.db",
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, score INT)",
        "INSERT INTO users VALUES (1, 'alice', 50), (2, 'bob', 60)",
        f"SELECT changeset_apply(x'{recorded(*CHANGES).hex()}') ->> 'applied'",
        "SELECT id, score FROM users ORDER BY id",
        "SELECT op, pk FROM changeset_each((SELECT changeset FROM session_capture('DELETE FROM users WHERE id = 1')))",
    )
    assert lines[-4:] == ["3", "1|51", "3|75", "DELETE|[1]"]


def test_in_the_cli(tmp_path):
    (tmp_path / "x.changes").write_bytes(recorded(*CHANGES))
    done = database.cli(
        f"{SCHEMA} SELECT changeset_apply(readfile('{tmp_path}/x.changes')) ->> 'applied'; SELECT * FROM users;"
    )
    assert (done.returncode, done.stdout.split()) == (0, ["3", "1|alice|51", "3|carol|75"]), done.stderr
