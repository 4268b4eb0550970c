"""Stored procedures as a user meets them: made, called in every way, listed, replaced, dropped."""

import base64
import datetime
import json
import math
import os
import random
import re
import sqlite3
import statistics
import subprocess

import pytest
from support import database
from support.database import one
from support.paths import EXTENSION
from support.procedures import EXAMPLES, add, create, create_sql, example, params, wat
from test_hosts import MATRIX, need

INT64 = (-(2**63), 2**63 - 1)
DISCOUNTS = {1: 0.95, 2: 0.90, 3: 0.85}


@pytest.fixture
def db(connect):
    return connect(":memory:")


def refused(connection, sql: str, *arguments) -> str:
    """The sentence with which a statement fails."""
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(sql, arguments).fetchall()
    return str(caught.value)


# The host matrix ---------------------------------------------------------------


def run(host: str, uri: str, *statements: str, environment: dict | None = None) -> list:
    """Runs statements in a host, with the library loaded on another connection; gives its lines."""
    need(host)
    env = {**os.environ, "SQLBRIDGE_NODE_MODULES": os.environ.get("SQLBRIDGE_NODE_MODULES", ""), **(environment or {})}
    if host == "cli":
        done = database.cli(f".open '{uri}'\n" + "".join(s + ";\n" for s in statements), env=env)
    else:
        command = [*map(str, MATRIX[host][0]), EXTENSION, uri, *statements]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, f"{host}: {done.stderr}{done.stdout}"
    assert done.stderr == "", f"{host} printed on stderr: {done.stderr}"
    return done.stdout.splitlines()


def definition(procedure: str) -> str:
    module, settings = EXAMPLES[procedure]
    return create_sql(procedure, example(module), **settings)


@pytest.mark.parametrize("kind", ["plain", "memory", "blob"])
@pytest.mark.parametrize("host", list(MATRIX))
def test_everything_in_every_host(host, kind, tmp_path, local):
    uri, environment = f"file:{tmp_path}/shop.db", {}
    if kind == "memory":
        uri = ":memory:"
    elif kind == "blob":
        uri, environment = local.uri("shop.db"), local.environment() if host == "node" else {}
        uri = "blob:shop.db" if host == "node" else uri
    elif host == "node":
        uri = f"{tmp_path}/shop.db"
    lines = run(
        host, uri,
        definition("calculate_discount"), definition("my_median"), definition("split"),
        "SELECT printf('%.1f', proc_call('calculate_discount', 100.0, 2))",
        "CREATE TABLE item(id INTEGER PRIMARY KEY, price REAL, tier INT,"
        " final REAL GENERATED ALWAYS AS (calculate_discount(price, tier)) VIRTUAL)",
        "CREATE INDEX by_final ON item(calculate_discount(price, tier))",
        "INSERT INTO item(price, tier) VALUES (100, 1), (200, 2), (300, 3), (400, 0)",
        "SELECT group_concat(printf('%.1f', calculate_discount(price, tier)), ' ') FROM item",
        "SELECT group_concat(printf('%.1f', final), ' ') FROM item",
        "SELECT id FROM item INDEXED BY by_final WHERE calculate_discount(price, tier) = 255.0",
        "SELECT printf('%.1f', my_median(price)) FROM item",
        "SELECT group_concat(printf('%.1f', m), ' ') FROM"
        " (SELECT my_median(price) OVER (ORDER BY id ROWS 1 PRECEDING) AS m FROM item)",
        "SELECT group_concat(part, '+') FROM split('a,b,c', ',')",
        "SELECT count(*) FROM proc_rows('split', 'a,b,c', ',')",
        "SELECT group_concat(name, ' ') FROM (SELECT name FROM proc_list ORDER BY name)",
        "SELECT proc_drop('split')",
        "SELECT proc_drop('split')",
        environment=environment,
    )
    assert lines == [
        "calculate_discount", "my_median", "split", "90.0", "95.0 180.0 255.0 400.0", "95.0 180.0 255.0 400.0", "3",
        "250.0", "100.0 150.0 250.0 350.0", "a+b+c", "3", "calculate_discount my_median split", "1", "0",
    ]
    if kind != "memory":
        again = run(host, uri, "SELECT printf('%.2f', calculate_discount(10, 3))", environment=environment)
        assert again == ["8.50"], "a procedure travels with its database"


# Making, replacing, dropping ----------------------------------------------------


def test_the_first_example(db):
    """As the specification has it: base64 text, FLOAT and INT."""
    module = base64.b64encode(example("discount")).decode()
    made = one(db, "SELECT proc_create('calculate_discount', ?, ?)", module, json.dumps(
        {"params": [{"name": "price", "data_type": "FLOAT"}, {"name": "tier", "data_type": "INT"}],
         "return_type": "FLOAT", "description": "Calculate discount based on tier"}))
    assert made == "calculate_discount"
    for tier in range(-1, 5):
        assert one(db, "SELECT proc_call('calculate_discount', 100.0, ?)", tier) == pytest.approx(
            100 * DISCOUNTS.get(tier, 1))
    assert one(db, "SELECT calculate_discount(100, 2)") == 90.0


def test_no_definition_is_needed_for_numbers(db):
    assert one(db, "SELECT proc_create('calculate_discount', ?)", example("discount")) == "calculate_discount"
    assert one(db, "SELECT calculate_discount(100, 2)") == 90.0


def test_another_export_name(db):
    create(db, "cheaper", example("discount"), export="calculate_discount")
    assert one(db, "SELECT cheaper(100, 3)") == 85.0


def test_the_only_function_is_the_export(db):
    create(db, "double_it", wat('(module (func (export "whatever") (param i32) (result i32) local.get 0 i32.const 2 i32.mul))'))
    assert one(db, "SELECT double_it(21)") == 42


def test_open_connections_see_it_at_once(connect, tmp_path):
    path = f"file:{tmp_path}/a.db"
    maker, other, elsewhere = connect(path), connect(path), connect(":memory:")
    other.execute("CREATE TABLE t(x)")
    add(maker, "calculate_discount")
    assert one(other, "SELECT calculate_discount(100, 2)") == 90.0
    assert one(other, "SELECT proc_call('calculate_discount', 100, 2)") == 90.0
    assert "calculate_discount" in refused(elsewhere, "SELECT calculate_discount(100, 2)")

    create(maker, "calculate_discount", wat('(module (func (export "f") (param f64 i32) (result f64) f64.const 1))'), replace=True)
    assert one(other, "SELECT calculate_discount(100, 2)") == 1.0
    assert one(other, "SELECT proc_call('calculate_discount', 100, 2)") == 1.0

    assert one(other, "SELECT proc_drop('calculate_discount')") == 1
    for connection in (maker, other):
        assert "calculate_discount" in refused(connection, "SELECT calculate_discount(100, 2)")
        assert "calculate_discount" in refused(connection, "SELECT proc_call('calculate_discount', 100, 2)")
    add(other, "calculate_discount")
    assert one(maker, "SELECT calculate_discount(100, 2)") == 90.0


def test_another_process_sees_it(connect, host, tmp_path):
    path = f"file:{tmp_path}/a.db"
    other = host(path)
    other.run("CREATE TABLE t(x)")
    db = connect(path)
    add(db, "calculate_discount")
    assert other.one("SELECT proc_call('calculate_discount', 100, 2)") == 90.0
    assert other.one("SELECT calculate_discount(100, 2)") == 90.0
    db.execute("SELECT proc_drop('calculate_discount')").fetchall()
    with pytest.raises(sqlite3.Error, match="calculate_discount"):
        other.run("SELECT proc_call('calculate_discount', 100, 2)")


def test_attached_databases(connect, tmp_path):
    db = connect(f"file:{tmp_path}/a.db")
    lib = connect(f"file:{tmp_path}/lib.db")
    add(lib, "calculate_discount", "split", "my_median")
    db.execute("ATTACH ? AS lib", (f"file:{tmp_path}/lib.db",))
    assert one(db, "SELECT proc_call('calculate_discount', 100, 2)") == 90.0
    assert one(db, "SELECT calculate_discount(100, 2)") == 90.0
    assert one(db, "SELECT count(*) FROM proc_rows('split', 'a b', ' ')") == 2
    assert db.execute("SELECT DISTINCT schema FROM proc_list").fetchall() == [("lib",)]
    assert one(db, "SELECT count(*) FROM split('a b', ' ')") == 2
    add(db, "fib", schema="lib")
    assert one(lib, "SELECT fib(10)") == 55
    add(db, "visits")
    assert db.execute("SELECT schema FROM proc_list WHERE name = 'visits'").fetchall() == [("main",)]
    db.execute("DETACH lib")
    assert "calculate_discount" in refused(db, "SELECT proc_call('calculate_discount', 100, 2)")
    assert "calculate_discount" in refused(db, "SELECT calculate_discount(100, 2)")
    assert "nowhere" in refused(db, "SELECT proc_create('x', ?, ?)", example("fib"), '{"schema": "nowhere"}')


def test_main_comes_before_attached_databases(connect, tmp_path):
    db = connect(f"file:{tmp_path}/a.db")
    db.execute("ATTACH ? AS lib", (f"file:{tmp_path}/lib.db",))
    create(db, "who", wat('(module (func (export "f") (result i32) i32.const 2))'), schema="lib")
    assert one(db, "SELECT who()") == one(db, "SELECT proc_call('who')") == 2
    create(db, "who", wat('(module (func (export "f") (result i32) i32.const 1))'))
    assert one(db, "SELECT who()") == one(db, "SELECT proc_call('who')") == 1
    assert one(db, "SELECT proc_drop('who')") == 1
    assert one(db, "SELECT who()") == one(db, "SELECT proc_call('who')") == 2


def test_a_temporary_procedure_is_the_connections_own(connect, tmp_path):
    a, b = connect(f"file:{tmp_path}/a.db"), connect(f"file:{tmp_path}/a.db")
    add(a, "fib", schema="temp")
    assert one(a, "SELECT fib(10)") == 55
    assert "fib" in refused(b, "SELECT fib(10)")


def test_creation_is_part_of_the_transaction(connect, tmp_path):
    db, other = connect(f"file:{tmp_path}/a.db"), connect(f"file:{tmp_path}/a.db")
    db.execute("BEGIN")
    add(db, "fib")
    assert one(db, "SELECT fib(10)") == 55
    db.execute("ROLLBACK")
    assert "fib" in refused(db, "SELECT proc_call('fib', 10)")
    assert "fib" in refused(db, "SELECT fib(10)")
    db.execute("BEGIN")
    add(db, "fib")
    db.execute("SAVEPOINT s")
    db.execute("SELECT proc_drop('fib')").fetchall()
    db.execute("ROLLBACK TO s")
    db.execute("COMMIT")
    assert one(db, "SELECT fib(10)") == 55
    assert one(other, "SELECT fib(10)") == 55


def test_replace_must_be_said(db):
    add(db, "fib")
    text = refused(db, "SELECT proc_create('fib', ?)", example("fib"))
    assert "'fib'" in text and "exists" in text and "replace" in text
    before = db.execute("SELECT created_at, description FROM proc_list").fetchone()
    add(db, "fib", replace=True, description="slow")
    after = db.execute("SELECT created_at, description FROM proc_list").fetchone()
    assert after == (before[0], "slow"), "its birthday stays"
    assert one(db, "SELECT count(*) FROM proc_list") == 1


def test_replace_within_open_statements(db):
    """A statement that runs goes on with the procedure it began with."""
    create(db, "who", wat('(module (func (export "f") (param i64) (result i64) i64.const 1))'))
    rows = db.execute("SELECT who(value) FROM json_each('[1,2,3,4]')")
    assert rows.fetchone() == (1,)
    create(db, "who", wat('(module (func (export "f") (param i64) (result i64) i64.const 2))'), replace=True)
    assert rows.fetchall() == [(1,), (1,), (1,)]
    assert one(db, "SELECT who(0)") == 2


def test_names(db):
    for name in ("größe", "Rows", "_private", "x1", "x" * 200):
        assert create(db, name, example("fib"), export="fib") == name
        assert one(db, "SELECT proc_call(?, 10)", name) == 55
        assert one(db, f'SELECT "{name}"(10)') == 55
    for name in ("", None, 5, b"x", "with space", "a-b", "1st", "x" * 201, "proc_mine", "sqlite_mine", "values", "In"):
        assert re.search("name|expected TEXT|keyword", refused(db, "SELECT proc_create(?, ?)", name, example("fib")))


def test_names_are_compared_as_sqlite_does(db):
    add(db, "fib")
    assert one(db, "SELECT FIB(10)") == one(db, "SELECT proc_call('Fib', 10)") == 55
    assert "exists" in refused(db, "SELECT proc_create('FIB', ?)", example("fib"))
    assert one(db, "SELECT proc_drop('fIb')") == 1


def test_another_number_of_arguments_after_replace(db):
    create(db, "f", wat('(module (func (export "f") (param i64) (result i64) i64.const 1))'))
    assert one(db, "SELECT f(1)") == 1
    create(db, "f", wat('(module (func (export "f") (param i64 i64) (result i64) i64.const 2))'), replace=True)
    assert one(db, "SELECT f(1, 2)") == 2
    text = refused(db, "SELECT f(1)")
    assert "f" in text and ("argument" in text or "parameter" in text)


def test_another_kind_after_replace(connect, tmp_path):
    """SQLite cannot turn a function into another kind while a statement runs; until the connection is
    opened again, the old way of calling it says what it is now."""
    db = connect(f"file:{tmp_path}/a.db")
    add(db, "fib")
    assert one(db, "SELECT fib(10)") == 55
    create(db, "fib", example("describe"), export="product", kind="aggregate", params=params("DOUBLE"),
           return_type="DOUBLE", replace=True)
    text = refused(db, "SELECT fib(10)")
    assert "'fib'" in text and "aggregate" in text
    again = connect(f"file:{tmp_path}/a.db")
    assert one(again, "SELECT fib(value) FROM json_each('[2,3,4]')") == 24.0
    create(again, "fib", example("series"), export="squares", kind="table", params=params("INT", "INT"),
           columns=[{"name": "n", "data_type": "INT"}, {"name": "square", "data_type": "INT"}], replace=True)
    assert again.execute("SELECT square FROM fib(2, 3)").fetchall() == [(4,), (9,)]


# proc_list ----------------------------------------------------------------------


def test_the_list(db):
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    add(db, "calculate_discount", description="by tier", language="Rust")
    cursor = db.execute("SELECT * FROM proc_list")
    row = dict(zip([column[0] for column in cursor.description], cursor.fetchone()))
    assert list(row) == [
        "name", "kind", "language", "params", "return_type", "description", "created_at", "updated_at",
        "size", "calls", "errors", "total_ms", "max_ms", "schema", "definition"]
    assert (row["schema"], row["name"], row["kind"], row["return_type"]) == ("main", "calculate_discount", "scalar", "FLOAT")
    assert (row["description"], row["language"]) == ("by tier", "Rust")
    assert json.loads(row["params"]) == EXAMPLES["calculate_discount"][1]["params"]
    assert row["size"] == len(example("discount"))
    made = datetime.datetime.fromisoformat(row["created_at"])
    assert before - datetime.timedelta(seconds=1) <= made <= datetime.datetime.now(datetime.timezone.utc)
    assert row["created_at"] == row["updated_at"]
    assert (row["calls"], row["errors"]) == (0, 0)


def test_the_list_counts(db):
    add(db, "shout", "fib")
    counts = "SELECT calls, errors FROM proc_list WHERE name = ?"
    one(db, "SELECT count(shout(value)) FROM json_each('[\"a\",\"b\",\"c\"]')")
    one(db, "SELECT proc_call('shout', 'a')")
    refused(db, "SELECT shout('')")
    assert db.execute(counts, ("shout",)).fetchone() == (5, 1)
    assert one(db, "SELECT fib(25)") == 75025
    total, longest = db.execute("SELECT total_ms, max_ms FROM proc_list WHERE name = 'fib'").fetchone()
    assert total >= longest > 0
    assert db.execute(counts, ("fib",)).fetchone() == (1, 0)


def test_the_list_of_a_database_without_procedures(db):
    assert db.execute("SELECT * FROM proc_list").fetchall() == []
    assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [], "asking leaves no table behind"


def test_types_of_the_export_are_listed(db):
    add(db, "ratio")
    kind, given, result = db.execute("SELECT kind, params, return_type FROM proc_list").fetchone()
    assert (kind, result) == ("scalar", "DOUBLE")
    assert [p["data_type"] for p in json.loads(given)] == ["DOUBLE", "DOUBLE"]


# Values -------------------------------------------------------------------------


@pytest.mark.parametrize("procedure, value, expected", [
    *[("same_int", n, n) for n in (0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, *INT64)],
    ("same_int", 3.0, 3), ("same_int", None, None),
    *[("same_small", n, n) for n in (0, -1, 2**31 - 1, -(2**31))],
    ("same_small", -7.0, -7),
    *[("same_real", x, x) for x in (0.0, -0.0, 1.5, 1e308, 5e-324, math.inf, -math.inf)],
    ("same_real", 3, 3.0), ("same_real", None, None),
    ("same_bool", 0, 0), ("same_bool", 1, 1), ("same_bool", 7, 1), ("same_bool", INT64[0], 1), ("same_bool", 2**32, 1),
    *[("same_text", t, t) for t in ("", "a", "größe 🎈", "in\0side", "x" * 65536)],
    *[("same_blob", b, b) for b in (b"", b"\0", b"\xff\xfe", bytes(range(256)) * 300)],
    *[("same", v, v) for v in (None, 0, *INT64, 1.5, math.inf, "", "ö", "a\0b", b"", b"\0\xff")],
    ("type_name", None, "null"), ("type_name", 5, "integer"), ("type_name", 5.0, "real"),
    ("type_name", "5", "text"), ("type_name", b"5", "blob"),
    ("or_zero", None, 0), ("or_zero", 5, 5),
    ("byte_count", None, None), ("byte_count", b"", 0), ("byte_count", b"ab", 2),
    ("greet", None, "Hello, whoever you are!"), ("greet", "", "Hello, !"), ("greet", "Ada", "Hello, Ada!"),
    ("initial", "", None), ("initial", "Éa", "É"), ("initial", None, None),
    ("square_root", 2.25, 1.5), ("square_root", -1.0, None), ("square_root", math.inf, math.inf),
], ids=lambda v: repr(v)[:20])
def test_values(db, procedure, value, expected):
    """By its name and through proc_call: the same value of the same type."""
    add(db, procedure)
    for sql in (f"SELECT {procedure}(?)", f"SELECT proc_call('{procedure}', ?)"):
        got = one(db, sql, value)
        assert got == expected and type(got) is type(expected)
        if expected == 0.0 and isinstance(expected, float):
            assert math.copysign(1, got) == math.copysign(1, expected) or got == 0.0


@pytest.mark.parametrize("procedure, value, declared, given", [
    ("same_int", "3", "BIGINT", "TEXT"), ("same_int", b"3", "BIGINT", "BLOB"), ("same_int", 3.5, "BIGINT", "3.5"),
    ("same_int", 9.3e18, "BIGINT", "93"), ("same_int", math.inf, "BIGINT", "REAL"),
    ("same_small", 2**31, "INT", "2147483648"), ("same_small", -(2**31) - 1, "INT", "-2147483649"),
    ("same_small", 2**32, "INT", "4294967296"),
    ("same_real", "1.5", "DOUBLE", "TEXT"), ("same_real", b"", "DOUBLE", "BLOB"),
    ("same_bool", 1.0, "BOOL", "REAL"), ("same_bool", "true", "BOOL", "TEXT"),
    ("same_text", 5, "TEXT", "INTEGER"), ("same_text", b"5", "TEXT", "BLOB"), ("same_text", 1.5, "TEXT", "REAL"),
    ("same_blob", "5", "BLOB", "TEXT"), ("same_blob", 5, "BLOB", "INTEGER"),
    ("or_zero", "x", "BIGINT", "TEXT"),
])
def test_what_does_not_fit_is_an_error(db, procedure, value, declared, given):
    """It names the procedure, the argument, both types; nothing wraps, nothing is converted."""
    add(db, procedure)
    for sql in (f"SELECT {procedure}(?)", f"SELECT proc_call('{procedure}', ?)"):
        text = refused(db, sql, value)
        assert f"'{procedure}'" in text and "'a'" in text, text
        assert declared in text and given in text, text


def test_text_that_is_not_utf8(db):
    add(db, "same_text", "same")
    for procedure in ("same_text", "same"):
        text = refused(db, f"SELECT {procedure}(CAST(x'61ff62' AS TEXT))")
        assert f"'{procedure}'" in text and "'a'" in text and "UTF-8" in text
    assert one(db, "SELECT same_text('still here')") == "still here"


def test_a_megabyte(db):
    add(db, "reverse_string", "same_blob", "same")
    chars = random.Random(5).choices("abcäöü🎈 ", k=400_000)
    assert one(db, "SELECT reverse_string(?)", "".join(chars)) == "".join(reversed(chars))
    big = random.Random(6).randbytes(5_000_000)
    assert one(db, "SELECT same_blob(?)", big) == big
    assert one(db, "SELECT same(?)", big) == big
    sizes = [1, 1_000_000, 0, 70_000, 3]
    rows = db.execute("SELECT length(same_blob(zeroblob(value))) FROM json_each(?)", (json.dumps(sizes),)).fetchall()
    assert [n for (n,) in rows] == sizes, "an argument's block grows and is used again"


def test_json_results_are_json(db):
    add(db, "as_object")
    assert one(db, "SELECT as_object('a', 1.5)") == '{"a":1.5}'
    assert one(db, "SELECT json_array(as_object('a', 1.5))") == '[{"a":1.5}]'
    assert one(db, "SELECT json_array(proc_call('as_object', 'a', 1.5))") == '[{"a":1.5}]'
    add(db, "same_text")
    assert one(db, "SELECT json_array(same_text('[1]'))") == '["[1]"]', "text stays text"


def test_no_result_is_null(db):
    add(db, "no_result")
    assert one(db, "SELECT no_result()") is None


def test_null_without_nullable_is_not_called(db):
    add(db, "calculate_discount", "shout")
    assert one(db, "SELECT calculate_discount(NULL, 2)") is None
    assert one(db, "SELECT calculate_discount(100, NULL)") is None
    assert db.execute("SELECT calls FROM proc_list WHERE name = 'calculate_discount'").fetchone() == (0,)
    assert one(db, "SELECT shout(NULL)") is None


@pytest.mark.parametrize("count", [0, 1, 2, 10, 99, 100])
def test_numbers_of_arguments(db, count):
    """Each argument has another weight, so that none can take another's place."""
    body = "".join(f" local.get {n} i64.const {n + 1} i64.mul i64.add" for n in range(count))
    module = wat(f'(module (func (export "f") {"(param i64)" * count} (result i64) i64.const 0{body}))')
    create(db, "weigh", module)
    numbers = random.Random(count).choices(range(-1000, 1000), k=count)
    expected = sum((n + 1) * x for n, x in enumerate(numbers))
    marks = ",".join(map(str, numbers))
    assert one(db, f"SELECT weigh({marks})") == expected
    if count < 100:
        assert one(db, f"SELECT proc_call('weigh'{',' if count else ''}{marks})") == expected
        text = refused(db, f"SELECT proc_call('weigh'{',' if count else ''}{marks}, 1)")
        assert "weigh" in text and str(count) in text and str(count + 1) in text


def test_numbers_in_32_bits(db):
    create(db, "third", wat('(module (func (export "f") (param f32) (result f32) local.get 0 f32.const 3 f32.div))'))
    assert one(db, "SELECT third(1)") == pytest.approx(1 / 3, rel=1e-7)
    create(db, "unsigned", wat('(module (func (export "f") (param i32) (result i32) local.get 0))'))
    assert one(db, "SELECT unsigned(-1)") == -1
    assert "4294967295" in refused(db, "SELECT unsigned(4294967295)")


def test_mixed_parameters(db):
    add(db, "how_many", "pad")
    assert one(db, "SELECT how_many(1, NULL, 'x')") == 2
    assert one(db, "SELECT how_many(NULL, NULL, NULL)") == 0
    assert one(db, "SELECT how_many(0, 0.0, '')") == 3
    assert one(db, "SELECT pad('7', 3, '0')") == "007"


@pytest.mark.parametrize("name, family", [
    ("INT", 5), ("integer", 5), ("BIGINT", 5), ("SMALLINT", 5), ("TinyInt", 5), ("BOOL", 1), ("BOOLEAN", 1),
])
def test_names_of_whole_numbers(db, name, family):
    create(db, "f", example("values"), export="same_int", params=params(name), return_type=name)
    assert one(db, "SELECT f(5)") == family


@pytest.mark.parametrize("name", ["FLOAT", "DOUBLE", "REAL", "real"])
def test_names_of_floats(db, name):
    create(db, "f", example("values"), export="same_real", params=params(name), return_type=name)
    assert one(db, "SELECT f(2)") == 2.0


@pytest.mark.parametrize("name, value", [("TEXT", "é"), ("VARCHAR", "é"), ("STRING", "é"), ("JSON", "[1]"), ("BLOB", b"\xff"), ("BYTES", b"\xff")])
def test_names_of_bytes(db, name, value):
    create(db, "f", example("values"), export="same_blob", params=params(name), return_type=name)
    assert one(db, "SELECT f(?)", value) == value


# Aggregates, windows, tables ------------------------------------------------------


@pytest.fixture
def prices(db):
    """(category, price), prices with NULL among them; category 4 has only NULL."""
    add(db, "my_median")
    draw = random.Random(11)
    rows = [(n % 4, draw.choice([None, draw.uniform(0, 100)])) for n in range(300)] + [(4, None)]
    db.execute("CREATE TABLE price(id INTEGER PRIMARY KEY, category, price)")
    db.executemany("INSERT INTO price(category, price) VALUES (?, ?)", rows)
    return rows


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def test_aggregate(db, prices):
    got = db.execute("SELECT category, my_median(price) FROM price GROUP BY 1 ORDER BY 1").fetchall()
    assert got == [(c, median(p for k, p in prices if k == c)) for c in range(5)]
    assert one(db, "SELECT my_median(price) FROM price WHERE 0") is None
    assert one(db, "SELECT my_median(price) FILTER (WHERE category = 1) FROM price") == median(p for k, p in prices if k == 1)
    assert one(db, "SELECT my_median(DISTINCT value) FROM json_each('[1,1,1,5,9]')") == 5.0


def test_many_groups_at_once(db, prices):
    """States of 1,000 groups live side by side in one instance."""
    got = db.execute(
        "WITH RECURSIVE n(x) AS (VALUES(0) UNION ALL SELECT x + 1 FROM n WHERE x < 9999)"
        " SELECT x % 1000 AS g, my_median(x * 7 % 1013) FROM n GROUP BY +g").fetchall()
    assert dict(got) == {g: median([(g + 1000 * k) * 7 % 1013 for k in range(10)]) for g in range(1000)}


@pytest.mark.parametrize("before, after", [(0, 0), (1, 0), (3, 2), (1000, 0)])
def test_window(db, prices, before, after):
    got = db.execute(
        f"SELECT my_median(price) OVER (ORDER BY id ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING) FROM price"
    ).fetchall()
    values = [p for _, p in prices]
    assert [m for (m,) in got] == [median(values[max(0, n - before) : n + after + 1]) for n in range(len(values))]


def test_an_aggregate_without_inverse_is_no_window(db):
    add(db, "product")
    assert one(db, "SELECT product(value) FROM json_each('[2,3,4]')") == 24.0
    assert one(db, "SELECT product(1.0) FROM (SELECT 1 WHERE 0)") == 1.0
    assert "product" in refused(db, "SELECT product(value) OVER (ORDER BY value) FROM json_each('[2,3]')")
    text = refused(db, "SELECT proc_create('w', ?, ?)", example("describe"), json.dumps(
        dict(kind="window", export="product", params=params("DOUBLE"), return_type="DOUBLE")))
    assert "'w'" in text and "product_value" in text


def test_an_error_in_a_step(db, prices):
    text = refused(db, "SELECT my_median(value) FROM json_each('[1,\"x\"]')")
    assert "'my_median'" in text and "'x'" in text and "TEXT" in text
    assert one(db, "SELECT my_median(value) FROM json_each('[1,2]')") == 1.5


def test_an_aggregate_is_not_called_as_a_scalar(db, prices):
    assert "aggregate" in refused(db, "SELECT proc_call('my_median', 1.0)") or "window" in refused(db, "SELECT proc_call('my_median', 1.0)")


def test_table(db):
    add(db, "split")
    assert db.execute("SELECT * FROM split('a,b,,c', ',')").fetchall() == [(1, "a"), (2, "b"), (3, ""), (4, "c")]
    rows = db.execute("SELECT value FROM proc_rows('split', 'a,b', ',')").fetchall()
    assert [json.loads(v) for (v,) in rows] == [[1, "a"], [2, "b"]]
    assert db.execute("SELECT * FROM split(NULL, ',')").fetchall() == []
    assert db.execute("SELECT * FROM proc_rows('split', NULL, ',')").fetchall() == []
    assert db.execute("SELECT part FROM split('x y z', ' ') WHERE position > 1 ORDER BY part DESC").fetchall() == [("z",), ("y",)]
    text = refused(db, "SELECT * FROM split('a', '')")
    assert "'split'" in text and "the separator is empty" in text
    assert "split" in refused(db, "SELECT * FROM split('a')")
    assert "split" in refused(db, "SELECT * FROM split('a', 'b', 'c', 'd', 'e')")


def test_table_of_one_column(db):
    add(db, "letters")
    assert db.execute("SELECT value FROM proc_rows('letters', 'abé')").fetchall() == [("a",), ("b",), ("é",)]
    assert db.execute("SELECT letter FROM letters('ab')").fetchall() == [("a",), ("b",)]


def test_table_in_a_join(db):
    add(db, "split")
    db.execute("CREATE TABLE post(id INTEGER PRIMARY KEY, tags TEXT)")
    db.executemany("INSERT INTO post(tags) VALUES (?)", [("a b",), ("",), (None,), ("c",)])
    got = db.execute("SELECT id, position, part FROM post, split(post.tags, ' ') ORDER BY 1, 2").fetchall()
    assert got == [(1, 1, "a"), (1, 2, "b"), (2, 1, ""), (4, 1, "c")]
    pairs = db.execute("SELECT a.part || b.part FROM split('1 2', ' ') a, split('x y', ' ') b").fetchall()
    assert sorted(pairs) == [("1x",), ("1y",), ("2x",), ("2y",)], "two scans at once"


def test_table_of_many_rows(db):
    add(db, "squares")
    assert db.execute("SELECT count(*), sum(n), sum(square) FROM squares(1, 100000)").fetchone() == (
        100000, 5000050000, sum(n * n for n in range(100001)))
    assert db.execute("SELECT n FROM squares(1, 1000000000) LIMIT 3").fetchall() == [(1,), (2,), (3,)]
    assert db.execute("SELECT * FROM squares(2, 1)").fetchall() == []


def test_a_view_over_a_table(db):
    add(db, "split")
    db.execute("CREATE VIEW parts AS SELECT * FROM split('a-b', '-')")
    assert db.execute("SELECT part FROM parts").fetchall() == [("a",), ("b",)]


# Instances ----------------------------------------------------------------------


def test_one_instance_serves_a_statement(db):
    add(db, "visits")
    five = "SELECT visits() FROM json_each('[1,2,3,4,5]')"
    for _ in range(2):
        assert [n for (n,) in db.execute(five)] == [1, 2, 3, 4, 5]
    rows, others = db.execute(five), db.execute(five)
    assert [rows.fetchone(), others.fetchone(), rows.fetchone(), others.fetchone()] == [(1,), (1,), (2,), (2,)]


def test_a_prepared_statement_begins_anew(db):
    add(db, "visits")
    for _ in range(3):
        assert db.execute("SELECT visits()").fetchall() == [(1,)], "Python keeps the statement and runs it again"


def test_isolation_by_call(db):
    add(db, "visits", isolation="call")
    assert [n for (n,) in db.execute("SELECT visits() FROM json_each('[1,2,3]')")] == [1, 1, 1]


def test_threads(connect, tmp_path):
    """Connections on several threads: each has instances of its own."""
    import threading
    add(connect(f"file:{tmp_path}/a.db"), "visits", "reverse_string")
    wrong = []

    def work(number: int) -> None:
        db = connect(f"file:{tmp_path}/a.db", check_same_thread=False)
        for _ in range(20):
            got = db.execute(
                "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n WHERE x < 50)"
                " SELECT x, visits(), reverse_string(?1 || x) FROM n", (f"{number}:",)).fetchall()
            if got != [(x, x, f"{number}:{x}"[::-1]) for x in range(1, 51)]:
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Each language ------------------------------------------------------------------


LANGUAGES = [
    ("validate_credit_card", "4532015112830366", 1), ("validate_credit_card", "4532015112830367", 0),
    ("fib", "20", 6765), ("reverse_string", "'héllo'", "olléh"), ("nth_word", "'a b c', 1", "b"),
    ("describe", "x''", "BLOB"), ("describe", "NULL", "NULL"), ("ratio", "1, 4", 0.25), ("ratio", "1, 0", None),
    ("slugify", "'Hello, Wörld 12'", "hello-wörld-12"), ("first_word", "' ab c'", "ab"), ("first_word", "' '", None),
    ("gcd", "462, 1071", 21),
    ("pad", "'é', 4, '*'", "***é"), ("extension", "'a.tar.gz'", "gz"), ("extension", "'gz'", None),
    ("celsius", "212", 100.0),
    ("order_total", "2.5, 4", 10.0), ("title", "'Ada'", "Dear Ada"), ("title", "NULL", "Dear customer"),
    ("parse_amount", "' 1,5'", 1.5), ("checksum", "x'01'", 1), ("kind", "NULL", "null"), ("kind", "7", "integer 7"),
    ("kind", "1.5", "real 1.5"), ("kind", "'é'", "text of 1"), ("kind", "x'00'", "blob of 1"),
]


@pytest.mark.parametrize("procedure, arguments, expected", LANGUAGES)
def test_languages(db, procedure, arguments, expected):
    add(db, procedure)
    assert one(db, f"SELECT {procedure}({arguments})") == expected
    assert one(db, f"SELECT proc_call('{procedure}', {arguments})") == expected


@pytest.mark.parametrize("procedure, arguments, sentence", [
    ("shout", "''", "there is nothing to shout"),
    ("nth_word", "'a b', 5", "the len is 2 but the index is 5"),
    ("slugify", "'!!'", "neither letters nor digits"),
    ("pad", "'x', 3, ''", "the filler is empty"),
    ("parse_amount", "'x'", "'x' is no amount"),
])
def test_each_languages_own_errors(db, procedure, arguments, sentence):
    add(db, procedure)
    text = refused(db, f"SELECT {procedure}({arguments})")
    assert f"'{procedure}'" in text and sentence in text
    assert sentence in refused(db, f"SELECT proc_call('{procedure}', {arguments})")


def test_the_c_shout(db):
    create(db, "shout", example("shout"), params=params("TEXT"), return_type="TEXT")
    assert one(db, "SELECT shout('abc')") == "ABC!"
    assert "nothing to shout" in refused(db, "SELECT shout('')")
    rows = db.execute("SELECT shout(substr('abcdefghij', 1, value)) FROM json_each('[1,9,3]')").fetchall()
    assert rows == [("A!",), ("ABCDEFGHI!",), ("ABC!",)]


def test_many_rows_in_each_language(db):
    """A block or a result that is used again must not be seen in another row."""
    add(db, "reverse_string", "slugify", "pad", "title")
    create(db, "c_shout", example("shout"), export="shout", params=params("TEXT"), return_type="TEXT")
    rows = db.execute(
        "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n WHERE x < 2000)"
        " SELECT x, reverse_string('r' || x), slugify('Go ' || x), pad('' || x, 6, '0'), title('' || x), c_shout('c' || x) FROM n"
    ).fetchall()
    assert rows == [(x, f"r{x}"[::-1], f"go-{x}", f"{x:06}", f"Dear {x}", f"C{x}!") for x in range(1, 2001)]


def test_a_component_has_its_types_from_wit(db):
    add(db, "title", "words", "geometric_mean", "order_total")
    assert db.execute("SELECT * FROM words('to be or')").fetchall() == [(1, "to"), (2, "be"), (3, "or")]
    assert [c[0] for c in db.execute("SELECT * FROM words('')").description] == ["position", "word"]
    assert one(db, "SELECT geometric_mean(value) FROM json_each('[1,10,100]')") == pytest.approx(10.0)
    assert one(db, "SELECT geometric_mean(1.0) FROM (SELECT 1 WHERE 0)") is None
    listed = dict((n, (k, json.loads(p))) for n, k, p in db.execute("SELECT name, kind, params FROM proc_list"))
    assert listed["title"] == ("scalar", [{"name": "name", "data_type": "TEXT", "nullable": True}])
    assert listed["order_total"][1] == [{"name": "price", "data_type": "DOUBLE"}, {"name": "quantity", "data_type": "BIGINT"}]
    assert listed["words"][0] == "table" and listed["geometric_mean"][0] == "aggregate"
    text = refused(db, "SELECT order_total(1, 'x')")
    assert "'order_total'" in text and "'quantity'" in text and "TEXT" in text
    assert "2147483648" in refused(db, "SELECT order_total(1, 2147483648)"), "s32 does not wrap"


# The module's memory -------------------------------------------------------------


def echo(allocator: str) -> bytes:
    """Gives its text back, from where the allocator said."""
    return wat(
        f'(module (memory (export "memory") 2) {allocator}'
        ' (func (export "echo") (param i32 i32) (result i64)'
        " local.get 0 i64.extend_i32_u i64.const 32 i64.shl local.get 1 i64.extend_i32_u i64.or))")


@pytest.mark.parametrize("allocator", [
    '(func (export "sqlbridge_alloc") (param i32) (result i32) i32.const 1024)',
    '(func (export "malloc") (param i32) (result i32) i32.const 2048)',
    '(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)'
    " local.get 0 local.get 1 i32.or local.get 2 i32.const 8 i32.ne i32.or if unreachable end i32.const 4096)",
    '(func (export "malloc") (param i32) (result i32) unreachable)'
    ' (func (export "sqlbridge_alloc") (param i32) (result i32) i32.const 1024)',
], ids=["sqlbridge_alloc", "malloc", "cabi_realloc", "sqlbridge_alloc before malloc"])
def test_allocators(db, allocator):
    create(db, "echo", echo(allocator), params=params("TEXT"), return_type="TEXT")
    assert one(db, "SELECT echo('some text')") == "some text"
    assert db.execute("SELECT echo(value) FROM json_each('[\"a\",\"\",\"ccc\"]')").fetchall() == [("a",), ("",), ("ccc",)]


def test_results_are_given_back(db):
    """sqlbridge_free gets each result, with its length, once."""
    module = wat(
        '(module (memory (export "memory") 1) (global $freed (mut i32) (i32.const 0)) (data (i32.const 64) "0123456789")'
        ' (func (export "sqlbridge_free") (param i32 i32) local.get 0 i32.const 64 i32.ne if unreachable end'
        " global.get $freed local.get 1 i32.add global.set $freed)"
        ' (func (export "take") (result i64)'
        " i64.const 64 i64.const 32 i64.shl global.get $freed i32.const 1 i32.add i64.extend_i32_u i64.or))")
    create(db, "take", module, return_type="TEXT")
    rows = db.execute("SELECT take() FROM json_each('[1,2,3]')").fetchall()
    assert rows == [("0",), ("01",), ("0123",)], "each result is one longer than what was given back before it"


def test_a_reactor_is_initialised_once(db):
    create(db, "ready", wat(
        '(module (global $n (mut i64) (i64.const 40)) (func (export "_initialize") global.get $n i64.const 1 i64.add global.set $n)'
        ' (func (export "_start") unreachable) (func (export "f") (result i64) global.get $n))'), export="f")
    assert db.execute("SELECT ready() FROM json_each('[1,2]')").fetchall() == [(41,), (41,)]


# Procedures that query ----------------------------------------------------------


def asking(db, **more):
    create(db, "ask", example("ask"), params=params("TEXT", "BIGINT"), return_type="JSON", **more)


def test_querying_needs_a_grant(db):
    text = refused(db, "SELECT proc_create('ask', ?, ?)", example("ask"), json.dumps(
        {"params": params("TEXT", "BIGINT"), "return_type": "JSON"}))
    assert "'ask'" in text and '"sql"' in text


def test_a_procedure_queries_in_the_callers_transaction(db):
    asking(db, sql="read")
    db.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, balance INT)")
    db.execute("BEGIN")
    db.execute("INSERT INTO account VALUES (1, 100), (2, 250)")
    answer = json.loads(one(db, "SELECT ask('SELECT balance FROM account WHERE id = ?', 2)"))
    assert answer["rows"] == [[250]], "it sees what is not committed"
    db.execute("ROLLBACK")
    assert json.loads(one(db, "SELECT ask('SELECT count(*) FROM account WHERE id > ?', 0)"))["rows"] == [[0]]


def test_reading_is_not_writing(db):
    db.execute("CREATE TABLE t(x)")
    asking(db, sql="read")
    answer = one(db, "SELECT ask('INSERT INTO t VALUES (?)', 1)")
    assert "error" in json.loads(answer)
    assert db.execute("SELECT * FROM t").fetchall() == []
    asking(db, sql="write", replace=True)
    one(db, "SELECT ask('INSERT INTO t VALUES (?)', 7)")
    assert db.execute("SELECT * FROM t").fetchall() == [(7,)]


def test_a_procedure_calls_procedures_but_not_itself(db):
    """Through SQL it may call those that do not query; what would come back to it is an error there."""
    asking(db, sql="read")
    add(db, "fib")
    assert json.loads(one(db, "SELECT ask('SELECT fib(?)', 10)"))["rows"] == [[55]]
    answer = json.loads(one(db, "SELECT ask('SELECT ask(''SELECT 1'', ?)', 1)"))
    assert "ask" in answer["error"]["message"]
    assert json.loads(one(db, "SELECT ask('SELECT ?', 5)"))["rows"] == [[5]], "and it goes on"


def test_a_procedure_cannot_create_or_drop(db):
    asking(db, sql="write")
    for sql in ("SELECT proc_drop(''ask'') + ?", "SELECT proc_create(''x'', zeroblob(?))", "DELETE FROM sqlbridge_procedures WHERE ?"):
        one(db, f"SELECT ask('{sql}', 1)")
        assert one(db, "SELECT count(*) FROM proc_list") == 1, sql


# What is refused at creation ------------------------------------------------------


GOOD = '(module (memory (export "memory") 1) (func (export "f") (param i64) (result i64) local.get 0))'


@pytest.mark.parametrize("module, json_text, words", [
    (b"", "{}", []), (b"\0asm", "{}", []), (b"hello", "{}", []), ("not base64!", "{}", ["base64"]),
    (GOOD, "{", ["JSON"]), (GOOD, "[]", ["object"]), (GOOD, '{"retrun_type": "INT"}', ["retrun_type"]),
    (GOOD, '{"return_type": "MONEY"}', ["MONEY", "BIGINT"]),
    (GOOD, '{"params": [{"name": "x", "data_type": "ENUM"}]}', ["'x'", "ENUM"]),
    (GOOD, '{"params": [{"name": "x", "data_type": "TEXT"}]}', ["'x'", "TEXT", "i64"]),
    (GOOD, '{"params": []}', ["'f'", "0 declared"]),
    (GOOD, '{"params": [{"name": "x", "data_type": "INT"}, {"name": "y", "data_type": "INT"}]}', ["'y'"]),
    (GOOD, '{"params": [{"name": "x", "data_type": "FLOAT"}]}', ["'x'", "FLOAT", "i64"]),
    (GOOD, '{"return_type": "DOUBLE"}', ["DOUBLE", "i64"]),
    (GOOD, '{"export": "g"}', ["g", "f"]),
    (GOOD, '{"kind": "procedure"}', ["procedure"]),
    (GOOD, '{"kind": "aggregate"}', ["init"]),
    (GOOD, '{"kind": "table", "columns": [{"name": "x", "data_type": "INT"}]}', ["open"]),
    (GOOD, '{"kind": "table"}', ["columns"]),
    (GOOD, '{"timeout": "soon"}', ["timeout", "soon"]), (GOOD, '{"memory": "-1"}', ["memory", "-1"]),
    (GOOD, '{"sql": "everything"}', ["everything"]), (GOOD, '{"isolation": "none"}', ["none"]),
    (GOOD, '{"replace": "yes"}', ["replace"]), (GOOD, '{"deterministic": 1}', []),
    ('(module (func (export "f")) (func (export "g")))', "{}", ["f", "g"]),
    ("(module)", "{}", ["export"]),
    ('(module (func (export "f") (param i32 i32) (result i64) i64.const 0))',
     '{"params": [{"name": "x", "data_type": "TEXT"}], "return_type": "TEXT"}', ["memory"]),
    ('(module (memory (export "memory") 1) (func (export "f") (param i32 i32) (result i64) i64.const 0))',
     '{"params": [{"name": "x", "data_type": "TEXT"}], "return_type": "TEXT"}', ["sqlbridge_alloc"]),
    ('(module (func (export "f") (param v128)))', "{}", ["v128"]),
    ('(module (func (export "f") (result i32 i32) i32.const 1 i32.const 2))', "{}", []),
    ('(module (import "env" "shell" (func)) (func (export "f")))', "{}", ["env", "shell"]),
    ('(module (import "sqlbridge" "open_file" (func)) (func (export "f")))', "{}", ["open_file"]),
    ('(module (import "sqlbridge" "null" (func (param i32))) (func (export "f")))', "{}", ["null"]),
    ('(module (import "env" "memory" (memory 1)) (func (export "f")))', "{}", ["memory"]),
])
def test_what_cannot_be_a_procedure(db, module, json_text, words):
    module = wat(module) if isinstance(module, str) and module.startswith("(") else module
    text = refused(db, "SELECT proc_create('thing', ?, ?)", module, json_text)
    assert "'thing'" in text, text
    for word in words:
        assert word in text, text
    assert one(db, "SELECT count(*) FROM proc_list") == 0


@pytest.mark.parametrize("sql, words", [
    ("SELECT proc_create()", ["proc_create"]), ("SELECT proc_create('x')", ["proc_create"]),
    ("SELECT proc_create('x', 5)", ["'x'"]), ("SELECT proc_create('x', NULL)", ["'x'"]),
    ("SELECT proc_call()", ["proc_call"]), ("SELECT proc_call(NULL)", ["name"]),
    ("SELECT proc_call('nothing_like_it', 1)", ["nothing_like_it", "proc_list"]),
    ("SELECT * FROM proc_rows('nothing_like_it')", ["nothing_like_it"]),
    ("SELECT * FROM proc_rows", ["proc_rows"]),
])
def test_wrong_calls(db, sql, words):
    text = refused(db, sql)
    for word in words:
        assert word in text, text


def test_kinds_are_not_mixed(db):
    add(db, "fib", "split")
    text = refused(db, "SELECT * FROM proc_rows('fib', 5)")
    assert "'fib'" in text and "scalar" in text
    text = refused(db, "SELECT proc_call('split', 'a', ',')")
    assert "'split'" in text and "table" in text


def test_only_deterministic_procedures_make_indexes(db):
    add(db, "calculate_discount", "fib")
    db.execute("CREATE TABLE t(x)")
    assert "deterministic" in refused(db, "CREATE INDEX i ON t(fib(x))")
    db.execute("CREATE INDEX j ON t(calculate_discount(x, 1))")
    assert "non-deterministic" in refused(db, "CREATE INDEX k ON t(proc_call('calculate_discount', x, 1))")


def test_procedures_travel_with_backups(connect, tmp_path):
    db = connect(f"file:{tmp_path}/a.db")
    add(db, "fib", "calculate_discount")
    copy = connect(f"file:{tmp_path}/b.db")
    db.backup(copy)
    db.execute(f"VACUUM INTO '{tmp_path}/c.db'")
    assert one(copy, "SELECT proc_call('fib', 10)") == 55
    assert one(connect(f"file:{tmp_path}/c.db"), "SELECT fib(10)") == 55


def test_procedures_travel_through_changesets(connect, tmp_path):
    a, b = connect(f"file:{tmp_path}/a.db"), connect(f"file:{tmp_path}/b.db")
    if not one(a, "SELECT count(*) FROM pragma_function_list WHERE name = 'session_create'"):
        pytest.skip("the library was built without sessions")
    add(a, "fib")
    a.backup(b)
    session = one(a, "SELECT session_create('main')")
    one(a, "SELECT session_attach(?, NULL)", session)
    add(a, "calculate_discount")
    one(a, "SELECT proc_drop('fib')")
    changes = one(a, "SELECT session_changeset(?)", session)
    one(b, "SELECT changeset_apply(?)", changes)
    assert b.execute("SELECT name FROM proc_list").fetchall() == [("calculate_discount",)]
    assert one(b, "SELECT calculate_discount(100, 2)") == 90.0


@pytest.mark.stores("file", "s3gate")
def test_procedures_travel_through_a_store(store, connect, host):
    writer = connect(store.uri("shop.db"))
    add(writer, "calculate_discount", "my_median", "split")
    reader = host(store.uri("shop.db"))
    assert reader.one("SELECT calculate_discount(100, 2)") == 90.0
    assert reader.one("SELECT my_median(value) FROM json_each('[1,2,9]')") == 2.0
    assert reader.one("SELECT count(*) FROM split('a b', ' ')") == 2
    before = one(writer, "SELECT max(txid) FROM blob_versions('main')")
    writer.execute("SELECT proc_drop('split')").fetchall()
    past = connect(f"{store.uri('shop.db')}&txid={before}")
    assert one(past, "SELECT count(*) FROM split('a b', ' ')") == 2, "the past has its procedures"


def test_a_component_records_what_its_sql_changes(db):
    """`sqlbridge:procedures/session` of WIT, on the calling connection."""
    db.execute("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)")
    create(db, "recorded", example("recorder"), sql="write")
    changeset = one(db, "SELECT recorded('INSERT INTO users VALUES (3, ''carol'')')")
    rows = db.execute('SELECT "table", op, new FROM changeset_each(?)', (changeset,)).fetchall()
    assert rows == [("users", "INSERT", '[3,"carol"]')]
    assert db.execute("SELECT * FROM session_list").fetchall() == []
    assert db.execute("SELECT * FROM users").fetchall() == [(3, "carol")]
    with pytest.raises(sqlite3.OperationalError, match='needs the grant "sql": "write"'):
        create(db, "reads_only", example("recorder"), export="recorded", sql="read")
