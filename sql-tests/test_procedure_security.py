"""A stranger's database: nothing in it runs by being opened, shadows anything, or escapes its sandbox."""

import hashlib
import json
import os
import re
import sqlite3
import stat

import pytest
from support.database import one
from support.host import HostError
from support.procedures import EXAMPLES, add, create, example, params, wat

#: Says that it ran, in the only way it can.
TALE = wat(
    '(module (import "sqlbridge" "fail" (func $fail (param i32 i32))) (memory (export "memory") 1) (data (i32.const 8) "I RAN")'
    ' (func (export "f") (param i64) (result i64) i32.const 8 i32.const 5 call $fail i64.const 0))')
ENDLESS = wat('(module (start $s) (func $s (loop $l br $l)) (func (export "f") (param i64) (result i64) i64.const 0))')
SEVEN = wat('(module (func (export "f") (param i64) (result i64) i64.const 7))')
ROWS_OF_7 = wat(
    '(module (memory (export "memory") 1) (global $n (mut i32) (i32.const 0)) (data (i32.const 8) "\\01\\07\\00\\00\\00\\00\\00\\00\\00")'
    ' (func (export "sqlbridge_alloc") (param i32) (result i32) i32.const 1024)'
    ' (func (export "open") (param i32 i32) (result i32) i32.const 0 global.set $n i32.const 0)'
    ' (func (export "next") (param i32) (result i64) global.get $n if (result i64) i64.const 0 else'
    f" i32.const 1 global.set $n i64.const {8 << 32 | 9} end))")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stranger.db"


@pytest.fixture
def stranger(connect, path):
    """The connection with which the stranger makes the database."""
    return connect(f"file:{path}")


def opened(connect, path) -> sqlite3.Connection:
    return connect(f"file:{path}")


def refused(connection, sql: str, *arguments) -> str:
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(sql, arguments).fetchall()
    return str(caught.value)


# Opening -------------------------------------------------------------------------


@pytest.mark.parametrize("module", [TALE, ENDLESS], ids=["tells", "endless start"])
def test_nothing_runs_by_being_opened(connect, stranger, path, module):
    stranger.execute("CREATE TABLE t(x INTEGER, y INT DEFAULT 5)")
    stranger.execute("INSERT INTO t(x) VALUES (1), (2)")
    create(stranger, "trap", module, deterministic=True)
    stranger.execute("CREATE VIEW v AS SELECT trap(x) AS z FROM t")
    stranger.execute("CREATE TRIGGER tr AFTER DELETE ON t BEGIN SELECT trap(old.x); END")
    stranger.execute("CREATE TABLE g(x, z AS (trap(x)))")
    stranger.close()

    db = opened(connect, path)
    assert db.execute("SELECT x, y FROM t").fetchall() == [(1, 5), (2, 5)]
    db.execute("PRAGMA schema_version").fetchall()
    db.execute("SELECT * FROM sqlite_schema").fetchall()
    db.execute("ATTACH ? AS again", (f"file:{path}",))
    db.execute("INSERT INTO t(x) VALUES (3)")
    db.execute("VACUUM main")
    assert db.execute("PRAGMA main.integrity_check").fetchall() == [("ok",)]
    assert db.execute("SELECT name, calls, errors FROM proc_list WHERE schema = 'main'").fetchall() == [("trap", 0, 0)]
    assert "'trap'" in refused(db, "SELECT trap(1)"), "it was there"


# Shadowing -----------------------------------------------------------------------

BUILT_IN = {
    "abs": ("SELECT abs(-5)", 5), "length": ("SELECT length('abc')", 3), "hex": ("SELECT hex('a')", "61"),
    "count": ("SELECT count(x) FROM (SELECT 1 AS x)", 1), "sum": ("SELECT sum(x) FROM (SELECT 1 AS x)", 1),
    "json": ("SELECT json('[1]')", "[1]"), "quote": ("SELECT quote(1)", "1"), "typeof": ("SELECT typeof(1)", "integer"),
    "unicode": ("SELECT unicode('a')", 97), "sqlbridge_last_error": ("SELECT typeof(sqlbridge_last_error()) IN ('null', 'text')", 1),
    "proc_drop": ("SELECT proc_drop('nothing')", 0), "row_number": ("SELECT row_number() OVER () FROM (SELECT 1)", 1),
    "glob": ("SELECT 'a' GLOB 'b'", 0), "like": ("SELECT 'a' LIKE 'b'", 0),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_ins_are_not_shadowed(connect, stranger, path, name):
    """Neither by proc_create nor by a row that the stranger wrote himself, under any number of arguments."""
    sql, expected = BUILT_IN[name]
    watching = opened(connect, path)
    try:
        create(stranger, name, SEVEN)
    except sqlite3.Error as error:
        assert f"'{name}'" in str(error)
        create(stranger, "innocent", SEVEN)
        stranger.execute("UPDATE sqlbridge_procedures SET name = ?", (name,))
    for connection in (stranger, watching, opened(connect, path)):
        connection.execute("SELECT * FROM proc_list").fetchall()
        try:
            connection.execute("SELECT proc_call(?, 1)", (name,)).fetchall()
        except sqlite3.Error:
            pass
        assert one(connection, sql) == expected
        if name == "abs":
            assert "7" not in str(connection.execute("SELECT abs(-3)").fetchall())


def test_functions_of_the_application_are_not_shadowed(connect, stranger, path):
    for name in ("mine", "late"):
        create(stranger, name, SEVEN)
    db = connect(f"file:{path}")
    db.create_function("mine", 1, lambda x: "application")
    assert one(db, "SELECT mine(1)") == "application"
    create(stranger, "mine", SEVEN, replace=True)
    assert one(db, "SELECT mine(1)") == "application", "what was there first stays, whatever is created elsewhere"
    assert one(db, "SELECT late(1)") == 7
    db.create_function("late", 1, lambda x: "application")
    assert one(db, "SELECT late(1) AS again") == "application", "and what the application says later counts"
    stranger.execute("SELECT proc_drop('mine')").fetchall()
    assert one(db, "SELECT mine(1)") == "application"


def test_a_function_registered_first_stays_when_a_procedure_is_created(connect, path):
    db = connect(f"file:{path}")
    db.create_function("mine", 1, lambda x: "application")
    try:
        create(db, "mine", SEVEN)
    except sqlite3.Error as error:
        assert "'mine'" in str(error)
    assert one(db, "SELECT mine(1)") == "application"


def test_table_functions_and_tables_are_not_shadowed(connect, stranger, path):
    table = dict(kind="table", params=params("TEXT"), columns=[{"name": "value", "data_type": "INT"}])
    stranger.execute("CREATE TABLE orders(id)")
    stranger.execute("INSERT INTO orders VALUES ('real')")
    for name in ("json_each", "pragma_table_info", "orders", "proc_list", "blob_stats", "sqlite_schema"):
        try:
            create(stranger, name, ROWS_OF_7, **table)
        except sqlite3.Error as error:
            assert f"'{name}'" in str(error)
            create(stranger, "innocent", ROWS_OF_7, **table)
            stranger.execute("UPDATE sqlbridge_procedures SET name = ? WHERE name = 'innocent'", (name,))
    for db in (stranger, opened(connect, path)):
        assert one(db, "SELECT value FROM json_each('[5]')") == 5
        assert one(db, "SELECT id FROM orders") == "real"
        assert one(db, "SELECT count(*) FROM pragma_table_info('orders')") == 1
        assert one(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'orders'") == 1
        assert db.execute("SELECT schema FROM proc_list").fetchall() != [(7,)]
        create_again = dict(table, replace=True)
        try:
            create(db, "fine", ROWS_OF_7, **create_again)
        except sqlite3.Error:
            raise AssertionError("the rest still works") from None
        assert db.execute("SELECT value FROM fine('x')").fetchall() == [(7,)]


# The schema calls them --------------------------------------------------------------

SCHEMA_USES = {
    "view": (["CREATE VIEW u AS SELECT p(x) AS z FROM t"], "SELECT * FROM u"),
    "trigger": (["CREATE TRIGGER u AFTER INSERT ON t BEGIN UPDATE t SET x = p(new.x); END"], "INSERT INTO t VALUES (1)"),
    "index": (["CREATE INDEX u ON t(p(x))"], "INSERT INTO t VALUES (1)"),
    "partial index": (["CREATE INDEX u ON t(x) WHERE p(x) > 1"], "INSERT INTO t VALUES (1)"),
    "generated column": (["CREATE TABLE u(x, y AS (p(x)))", "INSERT INTO u VALUES (1)"], "SELECT y FROM u"),
    "stored column": (["CREATE TABLE u(x, y AS (p(x)) STORED)"], "INSERT INTO u VALUES (1)"),
    "check": (["CREATE TABLE u(x CHECK (p(x) > 1))"], "INSERT INTO u VALUES (1)"),
    "default": (["CREATE TABLE u(x, y DEFAULT (p(5)))"], "INSERT INTO u(x) VALUES (1)"),
}


def with_use(stranger, use: str, **definition) -> str:
    create(stranger, "p", SEVEN, deterministic=True, **definition)
    stranger.execute("CREATE TABLE t(x)")
    stranger.execute("INSERT INTO t VALUES (5)")
    statements, sql = SCHEMA_USES[use]
    for statement in statements:
        stranger.execute(statement)
    return sql


@pytest.mark.parametrize("use", SCHEMA_USES)
def test_trusted_schema_off(connect, stranger, path, use):
    sql = with_use(stranger, use)
    stranger.close()
    trusting = opened(connect, path)
    trusting.execute(sql).fetchall()
    db = opened(connect, path)
    db.execute("PRAGMA trusted_schema=OFF")
    assert "unsafe use of p()" in refused(db, sql)
    assert one(db, "SELECT p(1)") == 7, "what the user writes is the user's"
    db.execute("CREATE TEMP VIEW mine AS SELECT p(1) AS z")
    assert one(db, "SELECT z FROM mine") == 7


@pytest.mark.parametrize("use", ["view", "trigger", "check", "default"])
@pytest.mark.parametrize("call", ["proc_create('x', zeroblob(8))", "proc_drop('p')"])
def test_nothing_of_the_schema_creates_or_drops(connect, stranger, path, use, call):
    create(stranger, "p", SEVEN)
    stranger.execute("CREATE TABLE t(x)")
    sql = {
        "view": (f"CREATE VIEW u AS SELECT {call}", "SELECT * FROM u"),
        "trigger": (f"CREATE TRIGGER u AFTER INSERT ON t BEGIN SELECT {call}; END", "INSERT INTO t VALUES (1)"),
        "check": (f"CREATE TABLE u(x CHECK ({call}))", "INSERT INTO u VALUES (1)"),
        "default": (f"CREATE TABLE u(x, y DEFAULT ({call}))", "INSERT INTO u(x) VALUES (1)"),
    }[use]
    try:
        stranger.execute(sql[0])
    except sqlite3.Error:
        return
    assert "unsafe use of" in refused(opened(connect, path), sql[1])
    assert one(stranger, "SELECT count(*) FROM proc_list") == 1


@pytest.mark.parametrize("grant", ["read", "write"])
def test_what_queries_is_not_called_by_the_schema(connect, stranger, path, grant):
    """A grant is in the stranger's own JSON: it must not be enough that somebody reads a view."""
    definition = dict(params=params("TEXT", "BIGINT"), return_type="JSON", sql=grant)
    create(stranger, "ask", example("ask"), **definition)
    stranger.execute("CREATE TABLE t(x)")
    stranger.execute("CREATE VIEW v AS SELECT ask('DELETE FROM t WHERE x > ?', 0) AS z")
    stranger.execute("CREATE VIEW w AS SELECT proc_call('ask', 'DELETE FROM t WHERE x > ?', 0) AS z")
    stranger.execute("CREATE TRIGGER tr AFTER UPDATE ON t BEGIN SELECT ask('DELETE FROM t WHERE x > ?', 0); END")
    try:
        stranger.execute("CREATE TABLE c(x CHECK (ask('DELETE FROM t WHERE x > ?', 0) <> ''))")
    except sqlite3.Error:
        stranger.execute("CREATE TABLE c(x)")
    stranger.execute("INSERT INTO t VALUES (1), (2)")
    stranger.close()
    db = opened(connect, path)
    for sql in ("SELECT * FROM v", "SELECT * FROM w", "UPDATE t SET x = x", "INSERT INTO c VALUES (1)"):
        try:
            db.execute(sql).fetchall()
        except sqlite3.Error as error:
            assert re.search("unsafe|ask", str(error))
        assert one(db, "SELECT count(*) FROM t") == 2


def test_table_procedures_in_views(connect, stranger, path):
    add(stranger, "split")
    stranger.execute("CREATE VIEW v AS SELECT * FROM split('a b', ' ')")
    stranger.execute("CREATE VIEW w AS SELECT * FROM proc_rows('split', 'a b', ' ')")
    stranger.close()
    db = opened(connect, path)
    db.execute("PRAGMA trusted_schema=OFF")
    for view in ("v", "w"):
        assert "unsafe use" in refused(db, f"SELECT * FROM {view}")
    assert one(db, "SELECT count(*) FROM split('a b', ' ')") == 2


# The table of procedures --------------------------------------------------------------


def columns(connection) -> list:
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('sqlbridge_procedures')")]


@pytest.mark.parametrize("statement", [
    "CREATE VIEW sqlbridge_procedures AS WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT x AS name FROM n",
    "CREATE VIEW sqlbridge_procedures AS SELECT load_extension('/nowhere/at/all') AS name",
    "CREATE TABLE sqlbridge_procedures(x)",
    "CREATE TABLE sqlbridge_procedures(name, kind, module)",
    "CREATE TABLE sqlbridge_procedures(name PRIMARY KEY) WITHOUT ROWID",
    "CREATE VIRTUAL TABLE sqlbridge_procedures USING fts5(name, module)",
    "CREATE INDEX sqlbridge_procedures ON t(x)",
])
def test_a_table_of_that_name_that_is_none_of_ours(connect, stranger, path, statement):
    stranger.execute("CREATE TABLE t(x)")
    stranger.execute("INSERT INTO t VALUES (5)")
    try:
        stranger.execute(statement)
    except sqlite3.Error as error:
        pytest.skip(f"this host's SQLite: {error}")
    stranger.close()
    db = opened(connect, path)
    assert one(db, "SELECT x FROM t") == 5
    for sql in ("SELECT * FROM proc_list", "SELECT proc_call('f', 1)", "SELECT * FROM proc_rows('f')", "SELECT f(1)",
                "SELECT proc_drop('f')"):
        try:
            db.execute(sql).fetchall()
        except sqlite3.Error as error:
            assert not re.search("nowhere", str(error)), "the view ran"
    text = refused(db, "SELECT proc_create('f', ?)", SEVEN)
    assert "sqlbridge_procedures" in text
    assert one(db, "SELECT x FROM t") == 5


def test_rows_that_nobody_created(connect, stranger, path):
    """Each column of a good row is set to nonsense; the others go on working."""
    add(stranger, "fib", "calculate_discount")
    stranger.execute("CREATE TABLE keep AS SELECT * FROM sqlbridge_procedures")
    nonsense = [None, -1, 1e300, "", "x" * 100_000, "{", "[]", '{"kind": "view"}', b"", b"\xff\x00", "a\0b", '{"params":' + "[" * 5000]
    for column in columns(stranger):
        for value in nonsense:
            try:
                stranger.execute(f'UPDATE sqlbridge_procedures SET "{column}" = ? WHERE name = ?', (value, "fib"))
            except sqlite3.Error:
                continue  # the table itself does not take it
            db = opened(connect, path)
            for sql in ("SELECT * FROM proc_list", "SELECT proc_call('fib', 5)", "SELECT fib(5)"):
                try:
                    db.execute(sql).fetchall()
                except sqlite3.Error:
                    pass
            assert one(db, "SELECT calculate_discount(100, 2)") == 90.0, f"{column} = {value!r}"
            db.close()
            stranger.execute("DELETE FROM sqlbridge_procedures")
            stranger.execute("INSERT INTO sqlbridge_procedures SELECT * FROM keep")


def test_ten_thousand_procedures(connect, stranger, path):
    """Opening stays quick to the eye: none of them is compiled."""
    create(stranger, "p", ENDLESS)
    names = columns(stranger)
    rest = ", ".join(f'"{c}"' for c in names if c != "name")
    stranger.execute(
        "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n WHERE x < 10000)"
        f" INSERT INTO sqlbridge_procedures(name, {rest}) SELECT 'p' || x, {rest} FROM sqlbridge_procedures, n")
    stranger.close()
    db = opened(connect, path)
    assert one(db, "SELECT count(*) FROM proc_list") == 10001
    create(db, "good", SEVEN)
    assert one(db, "SELECT good(1)") == 7


# Compiled code ------------------------------------------------------------------------


def compiled(cache) -> list:
    return sorted(p for p in (cache / "procedures").rglob("*") if p.is_file()) if (cache / "procedures").exists() else []


@pytest.fixture
def machine(host, tmp_path):
    """Starts a process with the same cache directory each time."""
    cache = tmp_path / "machine"
    cache.mkdir()

    def start():
        return host(f"file:{tmp_path}/a.db", cache=cache)

    start.cache = cache
    start.path = tmp_path / "a.db"
    return start


def create_in(machine_host, name: str, module: bytes, **definition) -> None:
    import base64
    machine_host.run("SELECT proc_create(?, ?, ?)", name, base64.b64encode(module).decode(), json.dumps(definition))


def test_code_is_kept_and_used_again(machine):
    first = machine()
    create_in(first, "fib", example("fib"))
    assert first.one("SELECT fib(10)") == 55
    files = compiled(machine.cache)
    assert any(p.suffix == ".cwasm" for p in files)
    assert stat.S_IMODE((machine.cache / "procedures").stat().st_mode) == 0o700
    assert all(stat.S_IMODE(p.stat().st_mode) & 0o077 == 0 for p in files)
    times = {p: p.stat().st_mtime_ns for p in files}
    assert machine().one("SELECT fib(10)") == 55
    assert {p: p.stat().st_mtime_ns for p in compiled(machine.cache)} == times, "nothing was compiled again"


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "garbage", "removed", "another's"])
def test_damaged_code_is_compiled_again(machine, damage):
    first = machine()
    create_in(first, "fib", example("fib"))
    create_in(first, "seven", SEVEN)
    assert (first.one("SELECT fib(10)"), first.one("SELECT seven(1)")) == (55, 7)
    codes = [p for p in compiled(machine.cache) if p.suffix == ".cwasm"]
    contents = {p: p.read_bytes() for p in codes}
    for path, content in contents.items():
        other = next(c for p, c in contents.items() if p != path)
        match damage:
            case "truncated": path.write_bytes(content[: len(content) // 2])
            case "empty": path.write_bytes(b"")
            case "flipped": path.write_bytes(bytes(b ^ (n % 97 == 0) for n, b in enumerate(content)))
            case "garbage": path.write_bytes(os.urandom(len(content)))
            case "removed": path.unlink()
            case "another's": path.write_bytes(other)
    second = machine()
    assert (second.one("SELECT fib(10)"), second.one("SELECT seven(1)")) == (55, 7)


def untrusted(directory, how: str) -> None:
    match how:
        case "writable by all": directory.chmod(0o777)
        case "writable by the group": directory.chmod(0o770)
        case "foreign":
            if os.geteuid() != 0:
                pytest.skip("only root can give a directory away")
            os.chown(directory, 65534, 65534)
        case "a link":
            elsewhere = directory.parent / "elsewhere"
            directory.rename(elsewhere)
            directory.symlink_to(elsewhere)


@pytest.mark.parametrize("how", ["writable by all", "writable by the group", "foreign", "a link"])
def test_code_in_a_directory_of_others_is_not_trusted(machine, how):
    """Neither read nor added to; procedures work without it."""
    first = machine()
    create_in(first, "fib", example("fib"))
    assert first.one("SELECT fib(10)") == 55
    directory = machine.cache / "procedures"
    for path in compiled(machine.cache):
        path.write_bytes(b"whoever maps this dies" * 1000)
    untrusted(directory, how)
    before = {p.name: p.read_bytes() for p in compiled(machine.cache)}
    second = machine()
    assert second.one("SELECT fib(10)") == 55
    create_in(second, "seven", SEVEN)
    assert second.one("SELECT seven(1)") == 7
    assert {p.name: p.read_bytes() for p in compiled(machine.cache)} == before


def test_without_a_cache_directory(host, tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("a file where the directory should be")
    other = host(f"file:{tmp_path}/a.db", cache=nowhere)
    create_in(other, "fib", example("fib"))
    assert other.one("SELECT fib(10)") == 55


def test_machine_code_in_a_database_is_not_run(machine):
    """The stranger has put compiled code where the module belongs, with the right hash."""
    first = machine()
    create_in(first, "fib", example("fib"))
    assert first.one("SELECT fib(10)") == 55
    code = next(p for p in compiled(machine.cache) if p.suffix == ".cwasm").read_bytes()
    plain = sqlite3.connect(machine.path)
    for (column, kind) in plain.execute("SELECT name, type FROM pragma_table_info('sqlbridge_procedures')").fetchall():
        value = one(plain, f'SELECT "{column}" FROM sqlbridge_procedures')
        if value == example("fib"):
            plain.execute(f'UPDATE sqlbridge_procedures SET "{column}" = ?', (code,))
        elif value in (hashlib.sha256(example("fib")).digest(), hashlib.sha256(example("fib")).hexdigest()):
            digest = hashlib.sha256(code)
            plain.execute(f'UPDATE sqlbridge_procedures SET "{column}" = ?',
                          (digest.digest() if isinstance(value, bytes) else digest.hexdigest(),))
    assert plain.total_changes >= 1
    plain.commit()
    plain.close()
    with pytest.raises(HostError, match="fib"):
        machine().run("SELECT proc_call('fib', 10)")


def test_the_database_holds_no_code(machine):
    first = machine()
    create_in(first, "fib", example("fib"))
    first.one("SELECT fib(10)")
    code = next(p for p in compiled(machine.cache) if p.suffix == ".cwasm").read_bytes()
    assert code[:4] == b"\x7fELF"
    assert b"\x7fELF" not in machine.path.read_bytes()


# Elsewhere ---------------------------------------------------------------------------


def test_read_only_databases(connect, stranger, path):
    add(stranger, "fib")
    stranger.close()
    db = connect(f"file:{path}?mode=ro")
    assert one(db, "SELECT fib(10)") == one(db, "SELECT proc_call('fib', 10)") == 55
    assert "readonly" in refused(db, "SELECT proc_create('fib2', ?)", example("fib")).replace(" ", "").lower()
    assert one(db, "SELECT count(*) FROM proc_list") == 1


@pytest.mark.parametrize("schema", ['main"; DROP TABLE t; --', "main' OR 1", "sqlite_schema", "", "MAIN"])
def test_schemas_are_names(connect, stranger, path, schema):
    stranger.execute("CREATE TABLE t(x)")
    try:
        create(stranger, "fib", example("fib"), schema=schema)
        assert schema == "MAIN"
    except sqlite3.Error as error:
        assert schema != "MAIN" and "fib" in str(error)
    assert one(stranger, "SELECT count(*) FROM t") == 0


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a;DROP TABLE t", "a\nb", "a\0b", "%s%n", "../../x", "a]b", "`a`"])
def test_names_are_only_names(connect, stranger, path, name):
    stranger.execute("CREATE TABLE t(x)")
    try:
        assert create(stranger, name, SEVEN) == name
        assert one(stranger, "SELECT proc_call(?, 1)", name) == 7
        assert one(stranger, "SELECT count(*) FROM proc_list WHERE name = ?", name) == 1
        assert one(stranger, "SELECT proc_drop(?)", name) == 1
    except sqlite3.Error as error:
        assert "cannot create procedure" in str(error)
    assert one(stranger, "SELECT count(*) FROM t") == 0


def test_column_and_parameter_names_are_only_names(stranger):
    hostile = ['x"); DROP TABLE t; --', "x INTEGER HIDDEN", "", "x\0y", "rowid", "x'"]
    stranger.execute("CREATE TABLE t(x)")
    for name in hostile:
        try:
            create(stranger, "rows", ROWS_OF_7, kind="table", replace=True,
                   params=[{"name": name, "data_type": "TEXT"}], columns=[{"name": name or "y", "data_type": "INT"}])
            assert stranger.execute("SELECT * FROM rows('x')").fetchall() == [(7,)]
        except sqlite3.Error as error:
            assert "rows" in str(error), error
    assert one(stranger, "SELECT count(*) FROM t") == 0


def test_one_databases_procedure_does_not_see_another(connect, stranger, path, tmp_path):
    """Two databases have a procedure of the same name: each connection calls its own."""
    create(stranger, "who", SEVEN)
    other = connect(f"file:{tmp_path}/other.db")
    create(other, "who", wat('(module (func (export "f") (param i64) (result i64) i64.const 8))'))
    assert (one(stranger, "SELECT who(0)"), one(other, "SELECT who(0)")) == (7, 8)
    assert "who" in refused(connect(":memory:"), "SELECT who(0)")


# What a fresh reader found ---------------------------------------------------------


@pytest.mark.parametrize("name", ["t", "e", "notes"])
def test_the_name_of_a_stranger_is_no_call(connect, stranger, path, name):
    """Whatever the stranger calls his procedure and his table: a CHECK constraint reaches nobody's database."""
    create(stranger, name, example("ask"), export="ask", params=[{"name": "sql", "data_type": "TEXT"}, {"name": "p", "data_type": "INT"}],
           return_type="TEXT", sql="write")
    stranger.execute("PRAGMA writable_schema=ON")
    stranger.execute("CREATE TABLE IF NOT EXISTS notes(x)")
    check = f"CREATE TABLE notes(x CHECK(length({name}('DELETE FROM main.precious WHERE 1 = ?', 1)) > 0))"
    stranger.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'notes'", (check,))
    user = connect(":memory:")
    user.execute("CREATE TABLE precious(x)")
    user.execute("INSERT INTO precious VALUES (1)")
    user.execute("ATTACH ? AS stranger", (str(path),))
    user.execute("SELECT name FROM proc_list").fetchall()
    try:
        user.execute("INSERT INTO stranger.notes VALUES (5)")
    except sqlite3.Error:
        pass
    try:
        user.execute("INSERT INTO stranger.notes(x) SELECT 'e t notes' AS e")
    except sqlite3.Error:
        pass
    assert one(user, "SELECT count(*) FROM precious") == 1


def test_a_table_called_like_a_function_is_no_call(connect, stranger, path):
    create(stranger, "good", SEVEN)
    stranger.execute("CREATE TABLE proc_drops(x)")
    stranger.execute("PRAGMA writable_schema=ON")
    stranger.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE proc_drops(x CHECK(proc_drop(''good'') >= 0))' WHERE name = 'proc_drops'")
    user = opened(connect, path)
    assert "proc_drop" in refused(user, "INSERT INTO proc_drops VALUES (1)")
    assert [name for (name,) in user.execute("SELECT name FROM proc_list")] == ["good"]


@pytest.mark.parametrize("name", ["pragma_table_info", "pragma_database_list", "json_each", "json_tree"])
def test_lazy_tables_of_sqlite_are_not_shadowed(connect, stranger, path, name):
    definition = dict(kind="table", params=params("TEXT"), columns=[{"name": "name", "data_type": "INT"}])
    with pytest.raises(sqlite3.OperationalError, match="reserved"):
        create(stranger, name, ROWS_OF_7, **definition)
    create(stranger, "sevens", ROWS_OF_7, **definition)
    stranger.execute("UPDATE sqlbridge_procedures SET name = ?", (name,))
    stranger.execute("CREATE TABLE real(a, b)")
    user = opened(connect, path)
    user.execute("SELECT count(*) FROM proc_list").fetchall()
    assert user.execute("SELECT name FROM pragma_table_info('real')").fetchall() == [("a",), ("b",)]
    assert user.execute("SELECT name FROM pragma_database_list").fetchall() == [("main",)]
    assert user.execute("SELECT value FROM json_each('[10,20]')").fetchall() == [(10,), (20,)]


def test_a_table_under_a_keyword_or_with_instances_for_each_call_is_refused(stranger):
    definition = dict(kind="table", params=params("TEXT"), columns=[{"name": "x", "data_type": "INT"}])
    with pytest.raises(sqlite3.OperationalError, match="keyword"):
        create(stranger, "values", SEVEN)
    with pytest.raises(sqlite3.OperationalError, match="is for scalars"):
        create(stranger, "sevens", ROWS_OF_7, isolation="call", **definition)


def test_columns_of_a_replaced_table_are_not_mixed_up(connect, path):
    columns = lambda *names: [{"name": name, "data_type": "INT"} for name in names]  # noqa: E731
    maker, other = connect(f"file:{path}"), connect(f"file:{path}")
    definition = dict(kind="table", params=params("TEXT"))
    create(maker, "tt", ROWS_OF_7, columns=columns("x"), **definition)
    assert [name for (name,) in other.execute("SELECT name FROM proc_list")] == ["tt"]
    assert other.execute("SELECT x FROM tt('x')").fetchall() == [(7,)]
    create(maker, "tt", ROWS_OF_7, columns=columns("y"), replace=True, **definition)
    assert "replaced by one with other columns" in refused(other, "SELECT x FROM tt('x')")
    assert other.execute("SELECT y FROM tt('x')").fetchall() == [(7,)]


def test_an_argument_after_a_gap_is_refused(stranger):
    create(stranger, "sevens", ROWS_OF_7, kind="table", params=params("TEXT"), columns=[{"name": "x", "data_type": "INT"}])
    assert "from the first one on" in refused(stranger, "SELECT count(*) FROM proc_rows('sevens') WHERE arg3 = 5")


def test_patterns_of_guests_cannot_use_up_the_stack(stranger):
    create(stranger, "ask", example("ask"), params=[{"name": "sql", "data_type": "TEXT"}, {"name": "p", "data_type": "INT"}],
           return_type="TEXT", sql="read")
    sql = "SELECT replace(hex(zeroblob(12000)),'0','a') LIKE replace(hex(zeroblob(12000)),'0','%a'), ?"
    assert "LIKE or GLOB pattern too complex" in one(stranger, "SELECT ask(?, 1)", sql)
    deep = "SELECT " + "+".join("1" for _ in range(900)) + ", ?"
    assert "too large" in one(stranger, "SELECT ask(?, 1)", deep)
    assert one(stranger, "SELECT 'abc' LIKE '%b%'") == 1


def test_time_of_a_statement_is_that_of_all_its_instances(stranger):
    busy = wat('(module (func (export "busy") (param i64) (result i64) (loop $l local.get 0 i64.const 1 i64.sub local.tee 0 i64.const 0 i64.ne br_if $l) i64.const 1))')
    create(stranger, "busy", busy, isolation="call", statement_timeout="50ms")
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT sum(busy(2000000)) FROM n"
    assert "for a statement" in refused(stranger, sql)
