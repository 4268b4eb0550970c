"""TypeScript programs inside the database: SchemaScript's runtime, with the real Drizzle, through Python and the SQLite CLI."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support.database import one
from support.paths import EXTENSION, ROOT, tool

MODULES = Path(os.environ.get("SQLBRIDGE_GUESTS", ROOT / "build/guests"))
PACKAGE = ROOT / "guests/schemascript"


def module(name: str) -> bytes:
    path = MODULES / f"ts-{name}.wasm"
    if not path.exists():
        pytest.skip(f"{path.name} is not built: make -C guests/schemascript says what is missing")
    return path.read_bytes()


@pytest.fixture
def db(connect):
    return connect(":memory:")


def run(connection, name: str, **options) -> list:
    """Rows of a command."""
    return connection.execute("SELECT stream, line FROM sqlproxy_serve(?, ?)", (module(name), json.dumps(options))).fetchall()


def keep(connection, name: str, **options) -> None:
    """Makes a virtual table of a reactor."""
    connection.execute("SELECT proc_create('stored', ?, '{\"kind\": \"guest\"}')", (module(name),)).fetchall()
    arguments = "".join(f", {key}='{value}'" for key, value in options.items())
    connection.execute(f"CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='stored'{arguments})")


def ask(connection, request):
    return one(connection, "SELECT response FROM app WHERE request = ?", request if isinstance(request, (str, bytes)) else json.dumps(request))


def do(connection, name: str, value=None):
    """What the reactor of the tests answers, from JSON if it is some."""
    return json.loads(ask(connection, {"do": name, "with": value}))


def fails(connection, name: str, value=None) -> str:
    with pytest.raises(sqlite3.Error) as caught:
        ask(connection, {"do": name, "with": value})
    return str(caught.value)


@pytest.fixture
def values(db):
    keep(db, "test-values")
    return db


# The examples ------------------------------------------------------------------


def test_users(db):
    rows = run(db, "users")
    assert rows[-1] == ("exit", "0") and {stream for stream, _ in rows[:-1]} == {"stdout"}
    shown = " ".join(line for _, line in rows)
    assert "{ id: 1, name: 'ann', email: 'ann@example.org' }" in shown and "email: null" in shown
    assert db.execute("SELECT id, name, email FROM users").fetchall() == [(1, "ann", "ann@example.org"), (2, "bob", None)]


def test_app(db):
    keep(db, "app")
    assert json.loads(ask(db, {"path": "/notes"})) == []
    assert json.loads(ask(db, {"path": "/notes", "add": {"title": "milk"}})) == {"id": 1, "title": "milk", "done": False}
    assert json.loads(ask(db, {"path": "/notes/1"})) == {"id": 1, "title": "milk", "done": False}
    with pytest.raises(sqlite3.Error, match="there is nothing at /notes/2"):
        ask(db, {"path": "/notes/2"})
    assert one(db, "SELECT response ->> 'title' FROM app WHERE request = '{\"path\":\"/notes/1\"}'") == "milk"
    assert db.execute("SELECT * FROM notes").fetchall() == [(1, "milk", 0)]


def test_bench_runs(db):
    rows = run(db, "bench", timeout="120s")
    assert [re.sub(r": \d+ ns/call", "", line) for stream, line in rows if stream == "stdout"] == ["query()", "drizzle, prepared", "drizzle, built anew"]


def test_the_command_line(tmp_path):
    if tool("sqlite3") is None:
        pytest.skip("the sqlite3 CLI is not installed")
    module("users")
    script = f""".load {EXTENSION}
SELECT proc_create('report', readfile('{MODULES}/ts-users.wasm'), '{{"kind": "guest"}}');
SELECT stream, line FROM sqlproxy_serve('report') WHERE stream = 'exit';
SELECT group_concat(name) FROM users;
"""
    done = subprocess.run(["sqlite3", tmp_path / "a.db"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["exit|0", "ann,bob"], done.stderr


# Drizzle -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def oracle(tmp_path_factory) -> dict:
    """What the same steps give in Node on better-sqlite3."""
    module("test-drizzle")
    bundle = PACKAGE / "node_modules/.cache" / f"drizzle-{os.getpid()}.mjs"
    esbuild = ["node_modules/.bin/esbuild", "test/runtime/drizzle.node.ts", "--bundle", "--platform=node", "--format=esm",
               "--external:better-sqlite3", "--log-level=error", f"--outfile={bundle}"]
    try:
        subprocess.run(esbuild, cwd=PACKAGE, check=True)
        printed = subprocess.run(["node", bundle], cwd=PACKAGE, check=True, capture_output=True, text=True).stdout
    finally:
        bundle.unlink(missing_ok=True)
    return dict(json.loads(line) for line in printed.splitlines())


def test_drizzle_does_what_it_does_in_node(db, oracle):
    rows = run(db, "test-drizzle", timeout="60s")
    assert [line for stream, line in rows if stream == "stderr"] == []
    here = dict(json.loads(line) for stream, line in rows if stream == "stdout")
    assert len(oracle) > 45 and list(here) == list(oracle)
    for step, outcome in oracle.items():
        assert "thrown" not in json.dumps(outcome), step
        assert here[step] == outcome, step


def test_shapes_of_the_proxy(values):
    """Drizzle's contract: `get` is one flat row, and nothing where there is none."""
    assert do(values, "get") == [[1, "x"], False, []]
    assert do(values, "run") == [2, 2] and do(values, "run") == [2, 4]
    for method in ("all", "values"):
        assert do(values, "query", {"sql": "SELECT 1 UNION ALL SELECT 2", "method": method}) == {"rows": [[1], [2]]}


def test_batches_are_transactions(values):
    assert do(values, "batch")[2] == [[1]]
    message, count = do(values, "broken batch")
    assert "Failed query" in message or "UNIQUE" in message
    assert count == [1] and not values.in_transaction


def test_migrations(values):
    import hashlib

    columns, applied = do(values, "migrate")
    folder = PACKAGE / "test/runtime/drizzle"
    hashes = [hashlib.sha256((folder / f"{tag}.sql").read_bytes()).hexdigest() for tag in ("0000_first", "0001_second")]
    assert columns == [["id"], ["name"], ["age"]]
    assert applied == [[hashes[0], 1764000000000], [hashes[1], 1764000100000]]


def test_a_transaction_of_the_callers(values):
    values.execute("BEGIN")
    do(values, "run")
    values.execute("ROLLBACK")
    assert one(values, "SELECT count(*) FROM sqlite_schema WHERE name = 'counted'") == 0


FIRST = """
import { Table } from "schemascript";
export const Users = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text().optional().unique(), old: prop.text().optional() }));
export const Posts = Table("posts", (prop) => ({ id: prop.integer().identifier(), author: prop.integer().references(() => Users.id, { onDelete: "cascade" }) }));
"""
#: A required column and no unique one: the table is made anew, and an index dropped. Then tables that refer to each other.
SECOND = FIRST.replace("prop.text().optional().unique()", "prop.text()").replace(", old: prop.text().optional()", "")
THIRD = """
import { type AnySQLiteColumn, Table } from "schemascript";
export const Users = Table("users", (prop) => ({ id: prop.integer().identifier(), name: prop.text(), best: prop.integer().optional().references((): AnySQLiteColumn => Posts.id) }));
export const Posts = Table("posts", (prop) => ({ id: prop.integer().identifier(), author: prop.integer().references((): AnySQLiteColumn => Users.id, { onDelete: "cascade" }) }));
"""
FOURTH = THIRD.replace("name: prop.text()", "name: prop.integer()")
APPLY = """
import { database, migrate } from "schemascript/runtime";
import migrations from "./drizzle/migrations.js";
await migrate(database(), migrations);
console.log("migrated");
"""


@pytest.fixture(scope="module")
def migrating(tmp_path_factory) -> list:
    """Programs that bring a database to the first, second, ... version of a schema."""
    module("users")
    folder = PACKAGE / "node_modules/.cache" / f"migrating-{os.getpid()}"  # so that it finds the package's dependencies
    folder.mkdir(parents=True, exist_ok=True)
    steps = [(FIRST, []), (SECOND, ["--set", "users.name=coalesce(name, 'nobody')", "--drop", "users.old"]), (THIRD, []), (FOURTH, ["--set", "users.name=length(name)"])]
    try:
        (folder / "apply.ts").write_text(APPLY)
        programs = []
        for number, (schema, decisions) in enumerate(steps):
            (folder / "schema.ts").write_text(schema)
            command = ["node", PACKAGE / "dist/cli.js"]
            subprocess.run([*command, "migrate", "schema.ts", "--name", f"step{number}", *decisions], cwd=folder, check=True, capture_output=True)
            out = tmp_path_factory.getbasetemp() / f"migrate{number}.wasm"
            subprocess.run([*command, "build", "apply.ts", "-o", out], cwd=folder, check=True, capture_output=True)
            programs.append(out)
        assert "DROP TABLE `users`" in "".join(path.read_text() for path in (folder / "drizzle").glob("0001*.sql")).replace('"', "`")
        return programs
    finally:
        shutil.rmtree(folder)


def test_migrations_that_make_tables_anew(connect, migrating):
    db = connect(":memory:")
    db.execute("PRAGMA foreign_keys = ON")
    migrated = lambda step: one(db, "SELECT sqlproxy_run(?, '{\"timeout\": \"60s\"}')", migrating[step].read_bytes())
    assert migrated(0) == "migrated"
    db.execute("INSERT INTO users(name) VALUES ('ann'), (NULL)")
    db.execute("INSERT INTO posts(author) VALUES (1), (2), (1)")
    # Read from a table of its lines, it cannot drop.
    rows = db.execute("SELECT stream, line FROM sqlproxy_serve(?, '{\"timeout\": \"60s\"}')", (migrating[1].read_bytes(),)).fetchall()
    assert rows[-1] == ("exit", "1") and "locked" in str(rows)
    assert migrated(1) == "migrated" and migrated(1) == "migrated"
    assert db.execute("SELECT * FROM users").fetchall() == [(1, "ann"), (2, "nobody")]
    assert db.execute("SELECT * FROM posts").fetchall() == [(1, 1), (2, 2), (3, 1)]
    assert migrated(2) == "migrated"
    db.execute("UPDATE users SET best = 3 WHERE id = 1")
    assert migrated(3) == "migrated"
    assert db.execute("SELECT id, name, best FROM users").fetchall() == [(1, 3, 3), (2, 6, None)]
    assert db.execute("SELECT * FROM posts").fetchall() == [(1, 1), (2, 2), (3, 1)]
    assert one(db, "SELECT count(*) FROM __drizzle_migrations") == 4
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO posts(author) VALUES (9)")


def test_migrations_from_the_command_line(migrating, tmp_path):
    if tool("sqlite3") is None:
        pytest.skip("the sqlite3 CLI is not installed")
    runs = "".join(f"SELECT sqlproxy_run(readfile('{path}'), '{{\"timeout\": \"60s\"}}');\n" for path in migrating)
    done = subprocess.run(["sqlite3", tmp_path / "a.db"], input=f".load {EXTENSION}\nPRAGMA foreign_keys = ON;\n{runs}SELECT sql FROM sqlite_schema WHERE name = 'users';\n",
                          capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:4] == ["migrated"] * 4 and "`best` integer" in done.stdout.replace('"', "`"), done.stdout + done.stderr


# Values ------------------------------------------------------------------------


def test_parameters_are_exact(values):
    assert do(values, "parameters") | {"2^53": ["real", "", 2**53]} == {  # each SQLite writes it as it likes
        "null": ["null", "NULL", None],
        "true": ["integer", "1", 1],
        "false": ["integer", "0", 0],
        "int": ["integer", "5", 5],
        "negative": ["integer", "-5", -5],
        "2^31": ["integer", "2147483648", 2**31],
        "2^53-1": ["integer", "9007199254740991", 2**53 - 1],
        "-(2^53-1)": ["integer", "-9007199254740991", 1 - 2**53],
        "2^53": ["real", "", 2**53],
        "2^60": ["integer", "1152921504606846976", "bigint 1152921504606846976"],
        "-2^63": ["integer", "-9223372036854775808", "bigint -9223372036854775808"],
        "2^63-1": ["integer", "9223372036854775807", "bigint 9223372036854775807"],
        "small": ["integer", "7", 7],
        "half": ["real", "0.5", 0.5],
        "nan": ["null", "NULL", None],
        "infinity": ["real", "Inf", None],
        "-infinity": ["real", "-Inf", None],
        "text": ["text", "'it''s ''ü😀'''", "it's 'ü😀'"],
        "empty": ["text", "''", ""],
        "surrogate": ["text", "'a\ufffdb'", "a\ufffdb"],
        "zero": ["text", "'a'", "a\u0000b"],
        "bytes": ["blob", "X'0001FF'", "bytes 0,1,255"],
        "buffer": ["blob", "X'6869'", "bytes 104,105"],
        "none": ["blob", "X''", "bytes "],
        "part": ["blob", "X'0203'", "bytes 2,3"],
        "arraybuffer": ["blob", "X'09'", "bytes 9"],
        "words": ["blob", "X'01000001'", "bytes 1,0,0,1"],
        "date": ["text", "'2026-11-29T20:00:00.500Z'", "2026-11-29T20:00:00.500Z"],
    }


def test_what_is_no_parameter_is_said(values):
    refused = do(values, "refused")
    has = "SQLite has null, numbers, bigints, booleans, texts, Uint8Arrays and Dates"
    assert refused == {
        "array": f"parameter 1 is an array; {has} (JSON.stringify makes a text of it)",
        "object": f"parameter 1 is an object; {has} (JSON.stringify makes a text of it)",
        "undefined": f"parameter 1 is undefined; {has}",
        "function": f"parameter 1 is a function; {has} (JSON.stringify makes a text of it)",
        "symbol": f"parameter 1 is a symbol; {has}",
        "2^63": "a bigint does not fit into the 64 bits of SQLite's integers",
        "map": f"parameter 1 is an object; {has} (JSON.stringify makes a text of it)",
        "no date": "Date value is NaN",
    }


def test_blob_and_text_are_two_things(values):
    values.execute("CREATE TABLE t AS SELECT CAST('AP8=' AS TEXT) AS a, x'00ff' AS b, CAST(x'61ff62' AS TEXT) AS c")
    query = {"sql": "SELECT a, b, c FROM t", "method": "get"}
    assert do(values, "query", query) == {"rows": ["AP8=", "AP8=", "a\ufffdb"]}  # the second is bytes, base64 in an answer's JSON
    assert do(values, "query", {**query, "sql": "SELECT typeof(a), typeof(b) FROM t"}) == {"rows": ["text", "blob"]}


def test_bigints_in_json(values):
    text = ask(values, {"do": "bigints"})
    assert text == '["{\\"big\\":1152921504606846976}",{"id":9007199254740993,"list":[1]}]'


def test_both_ways_to_the_host_are_one(values):
    assert do(values, "same") is True
    assert do(values, "json", '{"sql": "SELECT ?, ?", "params": [{"$int": "9007199254740993"}, {"$bytes": "AA=="}], "method": "get"}') == {
        "rows": [{"$int": "9007199254740993"}, {"$bytes": "AA=="}]}
    assert do(values, "request", {"command": "exec", "sql": "CREATE TABLE IF NOT EXISTS q(x)"}).keys() == {"last_insert_id", "rows_affected"}
    answer = do(values, "request", {"command": "query", "sql": "SELECT :a", "args": {"a": 5}})
    assert answer["rows"] == [[5]] and answer["columns"] == [":a"]


def test_errors_have_sqlites_code(values):
    assert do(values, "error") == [True, "SqliteError", "SQLITE_ERROR", 1, "no such table: nowhere"]


# Requests and answers ----------------------------------------------------------


@pytest.mark.parametrize("kind, expected", [
    ("text", "plain"), ("bytes", b"\x01\x00\x02"), ("null", None), ("nothing", None), ("number", "4"), ("list", '[1,"x"]'),
    ("boolean", "false"), ("bigint", "5"), ("surrogate", "\ufffd"), ("bytesInside", '{"b":"AQI=","c":"AQI="}'),
])
def test_answers(values, kind, expected):
    assert ask(values, {"do": "answer", "with": kind}) == expected


def test_what_is_no_answer_is_said(values):
    assert "the handler gave a function, which is no answer" in fails(values, "answer", "function")


def test_errors_are_sentences_with_a_place(values):
    error = fails(values, "throw")
    assert "as asked (at throw (" in error and re.search(r"test/runtime/values\.guest\.ts:\d+\)", error), error
    source = (PACKAGE / "test/runtime/values.guest.ts").read_text().splitlines()
    line = int(re.search(r"values\.guest\.ts:(\d+)", error)[1])
    assert 'new Error("as asked")' in source[line - 1]
    assert "a text" in fails(values, "throw", "text")
    assert "outer: RangeError: inner" in fails(values, "throw", "cause")
    assert "TypeError: cannot read property 'x' of undefined" in fails(values, "throw", "type")
    assert "there is no such" not in fails(values, "unknown")


def test_state_is_kept_between_requests(values):
    assert [do(values, "requests") for _ in range(3)] == [1, 2, 3]
    fails(values, "throw")
    assert do(values, "requests") == 5


def test_requests_that_are_no_text(values):
    with pytest.raises(sqlite3.Error, match="the request is not UTF-8"):
        ask(values, b"\xff\xfe")
    assert do(values, "requests") == 1


def test_promises(values):
    assert do(values, "timers") == ["micro", "tick", "a", "b", "c"]
    assert ask(values, {"do": "handled"}) == "late"
    assert "the handler waits for a promise that nothing will settle" in fails(values, "never")
    assert "nobody waits" in fails(values, "reject")
    assert do(values, "requests") == 5


def test_a_late_answer_answers_no_other_request(values):
    assert "early" in fails(values, "late")
    assert do(values, "timers") == ["micro", "tick", "a", "b", "c"]


def test_thousands_of_requests_leave_nothing_behind(db):
    """In little more memory than the program begins with, and in one instance."""
    keep(db, "test-values", memory="10MB")
    for name, value, times in [("answer", "text", 4000), ("answer", "bytes", 2000), ("error", None, 1000), ("query", {"sql": "SELECT 1, 'x', x'00'", "method": "all"}, 2000),
                               ("parameters", None, 100), ("same", None, 500), ("text", None, 200)]:
        for _ in range(times):
            ask(db, {"do": name, "with": value})
    for name in ["throw", "reject", "refused"]:
        for _ in range(1000):
            try:
                ask(db, {"do": name})
            except sqlite3.Error as error:
                assert "memory" not in str(error)
    assert do(db, "requests") == 4000 + 2000 + 1000 + 2000 + 100 + 500 + 200 + 3000 + 1


# Limits ------------------------------------------------------------------------


def test_an_endless_loop_ends(db):
    keep(db, "test-values", timeout="300ms")
    assert "reached its time limit of 300 ms" in fails(db, "loop")
    assert do(db, "requests") == 1


def test_a_memory_bomb_ends(db):
    keep(db, "test-values", memory="32MB", timeout="60s")
    for bomb in ("memory", "objects"):
        error = fails(db, bomb)
        assert "out of memory" in error or "reached its memory limit of 32 MB" in error
        assert do(db, "requests") > 0


def test_recursion_is_an_error_of_javascripts(values):
    assert "RangeError: Maximum call stack size exceeded" in fails(values, "recursion")
    assert do(values, "requests") == 2


CASES = re.findall(r"^  (\w+): ", (PACKAGE / "test/runtime/deep.guest.ts").read_text(), re.M)
#: The parser of eval() takes more of the sandbox's stack than QuickJS can know.
PARSED = [case for case in CASES if case.startswith("eval")]


def test_deep_recursion(db):
    """Whatever recurses, the program can catch it; nothing reaches the end of the sandbox's stack."""
    caught = [case for case in CASES if case not in PARSED]
    assert len(caught) > 25
    rows = run(db, "test-deep", args=caught, timeout="120s")
    assert rows[-1] == ("exit", "0")
    lines = {line.split()[0]: line for _, line in rows}
    ended = {"regexpGroups", "equalsProto", "inspect"}
    for case in caught:
        expected = "ended" if case in ended else "SyntaxError: too many captures" if case == "regexpSource" else "RangeError: Maximum call stack size exceeded"
        assert expected in lines[case], case


@pytest.mark.parametrize("case", PARSED)
def test_deep_source(db, case):
    try:
        assert "Error" in run(db, "test-deep", args=[case])[0][1]
    except sqlite3.Error as error:
        assert "reached its stack limit" in str(error)


# The environment ---------------------------------------------------------------


def test_text_encoding(values):
    assert do(values, "text") == [
        "a\ufffdb", "\ufffd", "\ufffd", "\ufffd\ufffd\ufffd", "\ufffd\ufffd", "\ufffd\ufffd\ufffd\ufffd", "x",
        "ä€😀", [0xEF, 0xBF, 0xBD], {"read": 2, "written": 3}, "TypeError",
    ]


def test_web_platform(values):
    assert do(values, "web") == [True, True, True, 1, "c3a462", "hi", "aGk=", "hi", True, "undefined", True]


def test_nothing_random_is_in_the_snapshot(connect):
    seen = []
    for _ in range(3):
        connection = connect(":memory:")
        keep(connection, "test-values")
        seen += do(connection, "random")
    assert len(set(map(str, seen))) == 9


def build(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess:
    """`schemascript build` of a program."""
    module("users")
    program = PACKAGE / "node_modules/.cache" / f"{folder.name}.ts"  # so that it finds the package's dependencies
    program.parent.mkdir(exist_ok=True)
    program.write_text(source)
    try:
        command = ["node", PACKAGE / "dist/cli.js", "build", program, "-o", folder / "program.wasm", *options]
        return subprocess.run(command, capture_output=True, text=True)
    finally:
        program.unlink()


def program(connection, folder: Path, source: str, **options) -> list:
    done = build(folder, source)
    assert done.returncode == 0, done.stderr
    return connection.execute("SELECT stream, line FROM sqlproxy_serve(?, ?)", ((folder / "program.wasm").read_bytes(), json.dumps(options))).fetchall()


def test_process_and_console(db, tmp_path):
    rows = program(db, tmp_path, """
        console.log(process.argv.slice(2), process.env.HOME_TOWN, new TextDecoder().decode(process.stdin.read()));
        console.error("%s is %d", "x", 5, { deep: [1, { list: [new Uint8Array(2), 1n] }] });
        console.warn(new RangeError("shown", { cause: "why" }));
        process.stdout.write("no newline");
        setTimeout(() => console.log("last"), 1);
        process.exitCode = 3;
    """, args=["a", "ü"], env={"HOME_TOWN": "Köln"}, stdin="in")
    assert rows[0] == ("stdout", "[ 'a', 'ü' ] Köln in")
    errors = [line for stream, line in rows if stream == "stderr"]
    shown = errors.index("RangeError: shown")
    assert " ".join(line.strip() for line in errors[:shown]) == "x is 5 { deep: [ 1, { list: [ Uint8Array(2) [ 0, 0 ], 1n ] } ] }"
    assert errors[-1].strip() == "caused by 'why'"
    assert [line for stream, line in rows if stream == "stdout"][1:] == ["no newlinelast"]
    assert rows[-1] == ("exit", "3")


@pytest.mark.parametrize("source, said, status", [
    ('throw new Error("at the top")', "Error: at the top", "1"),
    ('Promise.reject(new TypeError("nobody waits")); setTimeout(() => console.log("not reached"), 50)', "TypeError: nobody waits", "1"),
    ('setTimeout(() => { throw new Error("in a timer") }, 1)', "Error: in a timer", "1"),
    ('queueMicrotask(() => { throw new Error("in a job") })', "Error: in a job", "1"),
    ("throw 5", "Uncaught 5", "1"),
    ("await new Promise(() => {})", "waits for a promise that nothing will settle", "13"),
    ("process.exit(4)", "", "4"),
])
def test_how_a_command_ends(db, tmp_path, source, said, status):
    rows = program(db, tmp_path, source)
    errors = [line for stream, line in rows if stream == "stderr"]
    assert rows[-1] == ("exit", status)
    assert said in "\n".join(errors) and "not reached" not in str(rows)
    if "Error(" in source:
        assert re.search(rf"\({tmp_path.name}\.ts:1\)|at .*{tmp_path.name}\.ts:1|<anonymous>", "\n".join(errors))


@pytest.mark.parametrize("source, said", [
    ('import fs from "node:fs"; fs.readFileSync("x")', "imports node:fs, which is not there in a guest: it has no files, no network and no processes"),
    ('import "nothing-of-this-name"', 'Could not resolve "nothing-of-this-name"'),
    ("const = 5", ":1:"),
    ("/(/.test('x')", "SyntaxError: expecting ')'"),
])
def test_what_cannot_be_built_is_said(tmp_path, source, said):
    done = build(tmp_path, source)
    assert done.returncode == 1 and done.stderr.startswith("schemascript: ")
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_kinds(db, tmp_path):
    source = 'import { serve } from "schemascript/runtime"; if (process.argv[2] === "serve") serve(() => 1); console.log("ran");'
    assert ": reactor, " in build(tmp_path, source).stdout
    assert ": command, " in build(tmp_path, source, "--command").stdout
    assert one(db, "SELECT sqlproxy_run(?)", (tmp_path / "program.wasm").read_bytes()) == "ran"
    assert ": reactor, " in build(tmp_path, 'console.log("no handler")', "--reactor").stdout
    done = build(tmp_path, source, "--command", "--reactor")
    assert done.returncode == 2 and "a program is a --command or a --reactor, not both" in done.stderr


def test_a_reactor_without_handler(db, tmp_path):
    done = build(tmp_path, 'import { serve } from "schemascript/runtime"; if (process.argv.length > 99) serve(() => 1);')
    assert done.returncode == 0, done.stderr
    db.execute("SELECT proc_create('none', ?, '{\"kind\": \"guest\"}')", ((tmp_path / "program.wasm").read_bytes(),)).fetchall()
    db.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='none')")
    with pytest.raises(sqlite3.Error, match="it has to call serve"):
        ask(db, "x")


def test_a_reactor_that_does_not_start(db, tmp_path):
    done = build(tmp_path, 'import { query, serve } from "schemascript/runtime"; serve(() => 1); query("SELECT * FROM nowhere", [], "all");')
    assert done.returncode == 0, done.stderr
    db.execute("SELECT proc_create('bad', ?, '{\"kind\": \"guest\"}')", ((tmp_path / "program.wasm").read_bytes(),)).fetchall()
    db.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='bad')")
    for _ in range(2):
        with pytest.raises(sqlite3.Error, match="no such table: nowhere"):
            ask(db, "x")
