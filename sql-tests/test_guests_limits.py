"""What guests may take of their host: stack, memory, a moment after an interrupt, instances. The databases are a stranger's; what
could end a process runs in one of its own, on a thread as small as hosts have."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from support.guests import ask, keep, sql
from support.paths import EXTENSION
from test_guests_host import child

#: Deep enough for more than half a megabyte of stack.
DEEP = 190


@pytest.fixture(autouse=True)
def small_threads(monkeypatch):
    """The C library keeps stacks of threads that have ended."""
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.pthread.stack_cache_size=0")



SCHEMAS = {
    "views": (
        ["CREATE TABLE v0(a)", *(f"CREATE VIEW v{n} AS SELECT (SELECT a FROM v{n - 1}) a" for n in range(1, DEEP + 1))],
        f"SELECT count(*) FROM v{DEEP}"),
    "triggers": (
        [*(f"CREATE TABLE t{n}(a)" for n in range(DEEP + 1)),
         *(f"CREATE TRIGGER g{n} AFTER INSERT ON t{n} BEGIN INSERT INTO t{n + 1} VALUES (new.a); END" for n in range(DEEP))],
        "INSERT INTO t0 VALUES (1)"),
    "foreign keys": (
        ["CREATE TABLE t0(a PRIMARY KEY)",
         *(f"CREATE TABLE t{n}(a PRIMARY KEY REFERENCES t{n - 1} ON DELETE CASCADE)" for n in range(1, DEEP + 1))],
        "DELETE FROM t0"),
    "generated columns": (
        ["CREATE TABLE t(a0, " + ", ".join(f"a{n} AS (a{n - 1} + 1)" for n in range(1, 500)) + ")"],
        "SELECT a499 FROM t"),
    "constraints": (
        ["CREATE TABLE t(a, b CHECK (" + " + ".join(["a"] * 950) + "))"], "INSERT INTO t VALUES (1, 1)"),
    "all views at once": (
        ["CREATE TABLE v0(a)", *(f"CREATE VIEW v{n} AS SELECT (SELECT a FROM v{n - 1}) a" for n in range(1, DEEP + 1))],
        "PRAGMA table_list"),
}

#: Runs a statement of a guest on a thread of half a megabyte of stack, and on one of 16.
THREADS = """
import ctypes, json
def stack():
    c = ctypes.CDLL(None); c.pthread_self.restype = ctypes.c_void_p
    attributes, size = ctypes.create_string_buffer(64), ctypes.c_size_t()
    assert c.pthread_getattr_np(ctypes.c_void_p(c.pthread_self()), attributes) == 0
    c.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    return size.value
def on_thread(size, work):
    threading.stack_size(size); out = []
    # The C library may give a thread the stack of one that has ended, however large.
    def small(): out.append(work() if stack() < size + 65536 else None)
    while not any(out):
        out.clear()
        thread = threading.Thread(target=small); thread.start(); thread.join()
        assert out, "the thread failed"
        if out[0] == "": break
    return out[0]
def run(c, *commands):
    told = ["sql " + json.dumps(command) for command in commands]
    rows = c.execute("SELECT stream, line FROM sqlproxy_serve('player', ?)", (json.dumps({"args": told, "timeout": "60s"}),)).fetchall()
    return [json.loads(line) for stream, line in rows if stream == "stdout"]
def execute(sql, command="exec"): return {"command": command, "sql": sql}
def message(answer): return answer.get("error", {}).get("message", "")
SMALL, LARGE = 512 << 10, 16 << 20
c = connect(); keep(c); c.execute("PRAGMA foreign_keys = ON")
"""


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_deep_schema_needs_stack(name):
    entries, statement = SCHEMAS[name]
    assert child(THREADS + f"""
for entry in {entries!r}: c.execute(entry)
command = execute({statement!r}, "query" if {statement!r}[0] in "SP" else "exec")
small = on_thread(SMALL, lambda: run(c, command, execute("SELECT 1 + 1", "query")))
assert "KB of stack for this statement" in message(small[0]), small
assert small[1]["rows"] == [[2]], "others work"
if {name!r} != "all views at once": print(on_thread(LARGE, lambda: message(run(c, command)[0])), end="")
""") == ""


def test_a_guest_that_makes_its_schema_deep():
    """Also when it is compiled already, and when it is undone what made it shallow."""
    assert child(THREADS + f"""
c.execute("CREATE TABLE v0(a, b)")
chain = [execute(f"CREATE VIEW v{{n}} AS SELECT a, b FROM v{{n - 1}}") for n in range(2, 150)]
read = execute("SELECT count(*) FROM v149", "query")
link = execute("CREATE VIEW v1 AS SELECT * FROM v0")
answers = on_thread(SMALL, lambda: run(c, execute("CREATE VIEW v1 AS SELECT 1 a, 2 b"), *chain[:20],
    execute("SELECT count(*) FROM v15", "query"), execute("DROP VIEW v1"), *chain[20:], link, read))
assert answers[21]["rows"] == [[1]], answers[21]
assert "KB of stack" in message(answers[-1]), answers[-1]
assert not any(map(message, answers[:-1])), answers
answers = on_thread(SMALL, lambda: run(c, execute("BEGIN"), execute("DROP VIEW v1"), execute("CREATE VIEW w AS SELECT 1"),
    execute("SELECT * FROM w", "query"), execute("ROLLBACK"), read))
assert "KB of stack" in message(answers[-1]), answers
""") == ""


def test_views_that_are_too_deep_are_refused():
    """SQLite takes the square of their time, also where there is stack."""
    assert child(THREADS + """
c.execute("CREATE TABLE v0(a)")
for n in range(1, 502): c.execute(f"CREATE VIEW v{n} AS SELECT a FROM v{n - 1}")
answer, = on_thread(LARGE, lambda: run(c, execute("SELECT * FROM v501", "query")))
assert "more than 500 deep" in message(answer), answer
""") == ""


def test_views_that_double_are_refused():
    """SQLite would compile each as often as it is named, without a look at an interrupt: for hours."""
    assert child(THREADS + """
c.execute("CREATE TABLE v0(a)")
for n in range(1, 31): c.execute(f"CREATE VIEW v{n} AS SELECT x.a FROM v{n - 1} x, v{n - 1} y")
answers = on_thread(LARGE, lambda: run(c, execute("SELECT count(*) FROM v5", "query"), execute("SELECT count(*) FROM v30", "query"),
    execute("PRAGMA table_info(v30)", "query"), execute("ALTER TABLE v0 RENAME TO w"), execute("SELECT 1", "query")))
assert answers[0]["rows"] == [[0]] and answers[4]["rows"] == [[1]], answers
assert all("more than 4000 SELECTs" in message(answer) for answer in answers[1:4]), answers
""") == ""


def test_ordinary_schemas_are_for_small_threads():
    assert child(THREADS + """
c.execute("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200), initial AS (substr(name, 1, 1)))")
c.execute("CREATE TABLE item(id INTEGER PRIMARY KEY, person REFERENCES person ON DELETE CASCADE, price REAL NOT NULL DEFAULT (1 + 1))")
c.execute("CREATE TABLE note(item REFERENCES item ON DELETE CASCADE ON UPDATE CASCADE, text TEXT)")
c.execute("CREATE TABLE log(id INTEGER PRIMARY KEY, text TEXT)")
c.execute("CREATE TRIGGER logged AFTER INSERT ON item BEGIN INSERT INTO log(text) SELECT name || new.price FROM person WHERE id = new.person; END")
c.execute("CREATE VIEW spent AS SELECT person, sum(price) AS sum FROM item GROUP BY person")
for n in range(10): c.execute(f"CREATE VIEW report{n} AS WITH s AS (SELECT * FROM {'report%d' % (n - 1) if n else 'spent'}) SELECT s.person, s.sum, p.name FROM s JOIN person p ON p.id = s.person")
answers = on_thread(SMALL, lambda: run(c, execute("INSERT INTO person(name) VALUES ('Ann')"), execute("INSERT INTO item VALUES (1, 1, 2.5)"),
    execute("SELECT name, sum FROM report9", "query"), execute("ALTER TABLE note ADD COLUMN extra"), execute("DELETE FROM person"), execute("SELECT text FROM log", "query")))
assert answers[2]["rows"] == [["Ann", 2.5]] and answers[-1]["rows"] == [["Ann2.5"]], answers
assert not any(map(message, answers)), answers
""") == ""


def test_the_stack_of_programs():
    """A command has one of its own, a reactor what its thread has; instances go where they fit."""
    assert child(THREADS + """
def limits(size): return on_thread(size, lambda: [fails(c, "deep"), command()])
def command():
    try: c.execute("SELECT * FROM sqlproxy_serve('player', ?)", (json.dumps({"args": ["deep"]}),)).fetchall()
    except sqlite3.Error as error: return str(error)
for size, reactor in ((16 << 20, "stack limit of 4 MB; it recursed"), (1 << 20, "stack limit of 512 KB; it recursed"),
        (512 << 10, "stack limit of 512 KB: the calling thread has less than that left")):
    asked, run_once = limits(size)
    assert reactor in asked, (size, asked)
    assert "stack limit of 4 MB; it recursed" in run_once, (size, run_once)
c.execute("DROP TABLE app"); c.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player', instances=1)")
count = lambda size: on_thread(size, lambda: ask(c, "count"))
counted = [count(size) for size in (16 << 20, 16 << 20, 1 << 20, 1 << 20, 16 << 20)]
assert counted == ["1\\n", "2\\n", "1\\n", "2\\n", "3\\n"], counted
""") == ""


# Memory --------------------------------------------------------------------------

PEAK = """
import resource
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
"""


@pytest.mark.parametrize("statement", [
    "SELECT {columns}",
    "SELECT length(x0) FROM (SELECT {columns} LIMIT 1 OFFSET 0)",
    "INSERT INTO t(a) SELECT max({columns}) WHERE random() IS NOT NULL",
    "INSERT INTO t(a) VALUES {rows}",
    "SELECT * FROM v",
    "INSERT INTO t(a) SELECT x1 FROM v UNION SELECT 1",
    "INSERT INTO u VALUES (1)",
])
def test_a_row_of_large_values(statement):
    """SQLite makes all of it without a look at an interrupt, with memory of the host's."""
    large = "hex(randomblob(8000000))"
    columns = ", ".join(f"{large} AS x{n}" for n in range(200))
    arguments = ", ".join([large] * 100)
    filled = statement.format(columns=arguments if "max" in statement else columns, rows=", ".join([f"({large})"] * 200))
    command = "exec" if statement.startswith("INSERT") else "query"
    assert child(THREADS + PEAK + f"""
c.execute("CREATE TABLE t(a)"); c.execute("CREATE TABLE u(a)")
c.execute({f"CREATE VIEW v AS SELECT {columns}"!r})
c.execute({f"CREATE TRIGGER g AFTER INSERT ON u BEGIN SELECT max({arguments}); END"!r})
before = peak()
answer, after = run(c, execute({filled!r}, {command!r}), execute("SELECT 1", "query"))
assert answer["error"]["code"] == "SQLITE_TOOBIG", answer
assert after["rows"] == [[1]]
assert peak() - before < 1500, peak() - before
""") == ""


def test_wide_tables_are_for_guests():
    assert child(THREADS + """
names = ", ".join(f"c{n}" for n in range(1, 300))
c.execute(f"CREATE TABLE wide(id INTEGER PRIMARY KEY, {names})")
c.execute("INSERT INTO wide(id, c7) VALUES (1, ?)", ("x" * 3000000,))
rows = ", ".join(["(?, ?)"] * 500)
answers = run(c, execute("SELECT count(*) FROM (SELECT * FROM wide LIMIT 1)", "query"), execute("UPDATE wide SET c8 = c7 || 'y'"),
    {"command": "exec", "sql": f"INSERT INTO wide(c1, c2) VALUES {rows}", "args": ["z" * 100000] + [1] * 999},
    execute("SELECT length(c8) FROM wide WHERE id = 1", "query"))
assert not any(map(message, answers)), [message(answer) for answer in answers]
assert answers[0]["rows"] == [[1]] and answers[3]["rows"] == [[3000001]]
""") == ""


# Time ----------------------------------------------------------------------------


def test_a_guest_goes_on_for_a_moment_after_its_own_interrupt():
    """It cannot be told from the user's afterwards, and what it asks fails anyhow."""
    assert child("""
import json
c = connect(); keep(c)
c.execute("DROP TABLE app"); c.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player', timeout='60s')")
slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
told = "sql " + json.dumps({"command": "query", "sql": slow, "timeout_ms": 50})
def request(): ask(c, told + "\\nloop")
def command(): c.execute("SELECT * FROM sqlproxy_serve('player', ?)", (json.dumps({"timeout": "60s", "args": [told, "loop"]}),)).fetchall()
for work in (request, command):
    begun = time.monotonic()
    try: work()
    except sqlite3.Error as error: assert "interrupted" in str(error), error
    else: raise SystemExit("not interrupted")
    assert time.monotonic() - begun < 5, time.monotonic() - begun
assert ask(c, "count") == "1\\n"
""") == ""


# Instances -------------------------------------------------------------------------


def test_a_database_in_memory_after_another(connect):
    connection = connect(":memory:")
    for _ in range(3):
        connection.execute("ATTACH ':memory:' AS m")
        keep(connection, schema="m")
        assert [ask(connection, "count", table="m.app") for _ in range(2)] == ["1\n", "2\n"]
        connection.execute("DETACH m")


def test_one_instance_stays_one_among_many_tables(connect, tmp_path):
    """More tables than may keep instances: then it is a fresh one, but never two at a time."""
    path = f"file:{tmp_path}/a.db"
    first = connect(path)
    for number in range(70):
        keep(first, table=f"app{number}", instances=1)
    second = connect(path)
    assert [ask(connection, "count", table="app0") for connection in (first, second)] == ["1\n", "2\n"]
    for number in range(1, 70):
        assert ask(first, "count", table=f"app{number}") == "1\n"
    assert ask(first, "count", table="app0") == "1\n", "the one that was not used for longest made room"
    assert ask(second, "count", table="app0") == "2\n"
    assert ask(second, "count", table="app69") == "2\n"


def test_a_view_of_a_programs_table_lets_the_connection_close(tmp_path):
    """A compiled statement keeps the tables that it uses, and a table the statements of its program."""
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.enable_load_extension(True)
    connection.load_extension(EXTENSION)
    keep(connection)
    connection.execute("CREATE TEMP VIEW seen AS SELECT response FROM app WHERE request = 'say hi'")
    connection.execute("CREATE TEMP VIEW again AS SELECT * FROM seen")
    for view in ("again", "seen"):
        assert json.loads(ask(connection, sql("query", f"SELECT * FROM {view}")))["rows"] == [["hi\n"]]
    connection.close()
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert str(path) not in links
