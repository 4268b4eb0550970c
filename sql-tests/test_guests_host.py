"""Programs inside the database as a user meets them: commands and reactors, through the SQLite CLI, Python and other hosts."""

import json
import os
import re
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from support import database
from support.database import one
from support.guests import ask, keep, player, run, sql
from support.paths import EXTENSION, PYTHON
from support.procedures import wat
from test_hosts import MATRIX, need

COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
ROWS = COUNT.replace("count(*)", "x")


@pytest.fixture
def db(connect):
    connection = connect(":memory:")
    connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    return connection


def refused(connection, statement: str, *arguments) -> str:
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement, arguments).fetchall()
    return str(caught.value)


def fails(connection, *told, **options) -> str:
    with pytest.raises(sqlite3.Error) as caught:
        run(connection, *told, **options)
    return str(caught.value)


def answers(rows: list) -> list:
    """What the player was answered, as JSON."""
    return [json.loads(line) for stream, line in rows if stream == "stdout"]


def names(connection) -> list:
    return [name for (name,) in connection.execute("SELECT name FROM t ORDER BY id")]


def insert(name: str, **fields) -> str:
    return sql("exec", "INSERT INTO t(name) VALUES (?)", args=[name], **fields)


# As functions ------------------------------------------------------------------


def run_once(connection, *told, module=None, **options):
    return one(connection, "SELECT sqlproxy_run(?, ?)", module or player(), json.dumps({"args": list(told), **options}))


def request_once(connection, *told, table="app"):
    return one(connection, "SELECT sqlproxy_request(?, ?)", table, "\n".join(told))


def test_run_gives_what_is_written(db):
    assert run_once(db, "say one", "err not this", "say ", "out two") == "one\n\ntwo"
    assert run_once(db, "say only") == "only"
    assert run_once(db) == ""
    assert one(db, "SELECT sqlproxy_run(?)", player()) == ""
    assert run_once(db, "env", "input", env={"A": "1"}, stdin="in") == "A=1\nin"
    db.execute("SELECT proc_create('stored', ?, '{\"kind\": \"guest\"}')", (player(),)).fetchall()
    assert db.execute("SELECT id, sqlproxy_run('stored', json_object('args', json_array('say ' || id))) FROM (SELECT 1 AS id UNION SELECT 2)").fetchall() == [
        (1, "1"), (2, "2")]


def test_run_fails_as_the_program_does(db):
    refuse = lambda *told, **options: refused(db, "SELECT sqlproxy_run(?, ?)", player(), json.dumps({"args": told, **options}))
    error = refuse(insert("kept"), sql("begin_tx"), insert("lost"), "say out", "err the reason", "exit 3")
    assert error == "the program: the program ended itself with exit code 3; it wrote: the reason"
    assert names(db) == ["kept"] and not db.in_transaction
    error = refuse("err before", "trap")
    assert "the program trapped: " in error and error.endswith("; it wrote: before")
    assert "reached its time limit of 200 ms" in refuse("loop", timeout="200ms")
    assert "reached its output limit of 64 KB" in refuse("forever", output="64KB")
    assert "reached its output limit of 1 KB" in refuse(sql("begin_tx"), "forever", output="1KB")
    assert "the module is NULL" in refused(db, "SELECT sqlproxy_run(NULL)")
    assert "sqlproxy_run needs a module as its first argument" in refused(db, "SELECT sqlproxy_run(5)")
    assert "sqlproxy_handle" not in refuse("say still works", "exit 1")


def test_run_is_part_of_the_callers_transaction(db):
    db.execute("BEGIN")
    run_once(db, sql("begin_tx"), insert("a"), sql("commit", tx_id=1))
    assert names(db) == ["a"] and db.in_transaction
    db.execute("ROLLBACK")
    assert names(db) == []
    run_once(db, sql("begin_tx"), insert("b"), sql("commit", tx_id=1))
    assert names(db) == ["b"] and not db.in_transaction


DROPS = [sql("begin_tx"), sql("exec", "CREATE INDEX i ON t(name)"), sql("exec", "DROP INDEX i"), sql("exec", "CREATE TABLE u AS SELECT * FROM t"),
         sql("exec", "DROP TABLE t"), sql("exec", "ALTER TABLE u RENAME TO t"), sql("commit", tx_id=1)]


def test_tables_are_dropped_where_nothing_reads(db):
    db.execute("INSERT INTO t(name) VALUES ('a')")

    def clean():
        db.execute("DROP INDEX i")
        db.execute("DROP TABLE u")

    assert answers(run(db, *DROPS))[2]["error"]["code"] == "SQLITE_LOCKED"
    clean()
    assert "error" not in run_once(db, *DROPS)
    keep(db)
    assert "SQLITE_LOCKED" in ask(db, *DROPS)
    clean()
    db.execute("CREATE TABLE read AS SELECT 1 AS x")
    assert "SQLITE_LOCKED" in db.execute("SELECT sqlproxy_request('app', ?) FROM read", ("\n".join(DROPS[1:3]),)).fetchone()[0]
    db.execute("DROP INDEX i")
    # What was undone has let SQLite open the table anew, and a table in memory begins anew with that.
    answer = request_once(db, *DROPS)
    assert "error" not in answer, answer
    assert names(db) == ["a"] and not db.in_transaction
    db.execute("BEGIN")
    request_once(db, sql("exec", "DROP TABLE t"))
    db.execute("ROLLBACK")
    assert names(db) == ["a"]


def test_requests_by_function_and_by_query_are_to_one_program(db):
    keep(db, instances=1)
    assert [ask(db, "count"), request_once(db, "count"), ask(db, "count"), request_once(db, "count", table="main.APP")] == ["1\n", "2\n", "3\n", "4\n"]
    assert request_once(db, "null") is None
    assert "as told" in refused(db, "SELECT sqlproxy_request('app', 'fail as told')")
    assert refused(db, "SELECT sqlproxy_request('app', 'trap')").startswith("program 'player' trapped")
    assert request_once(db, "count") == "1\n"


def test_the_table_of_a_request(db, connect, tmp_path):
    keep(db)
    for name in ("t", "main.t"):
        assert f"{name} is no table of sqlproxy_serve" in refused(db, "SELECT sqlproxy_request(?, '')", name)
    for name in ("nowhere", "temp.app"):
        assert f"there is no table {name}" in refused(db, "SELECT sqlproxy_request(?, '')", name)
    for name in ("", "a b", "a.b.c", "app; SELECT 1", "'", "5"):
        assert "is not the name of a table" in refused(db, "SELECT sqlproxy_request(?, '')", name)
    assert "needs the name of a table" in refused(db, "SELECT sqlproxy_request(NULL, '')")
    # A temporary one hides it, as it does in SQL.
    keep(db, schema="temp", env='{"WHERE": "temp"}')
    assert request_once(db, "env") == "WHERE=temp\n"
    assert request_once(db, "env", table="main.app") == ""
    # Another connection opens the table by being asked.
    path = tmp_path / "a.db"
    first = connect(path)
    keep(first, table='"my app"')
    second = connect(path)
    assert request_once(second, "say hi", table='"my app"') == "hi\n"
    assert request_once(second, "say hi", table="main.[my app]") == "hi\n"


def test_a_program_may_drop_its_own_table(db):
    """And the request goes on to its end."""
    keep(db)
    answer = request_once(db, sql("exec", "DROP TABLE app"), sql("query", "SELECT 1"))
    assert "error" not in answer and "[[1]]" in answer
    assert "no such table" in refused(db, "SELECT * FROM app WHERE request = ''")
    keep(db)
    assert request_once(db, "count") == "1\n"


def test_functions_of_programs_are_for_direct_use(db):
    keep(db)
    for call in ("sqlproxy_run(x'00')", "sqlproxy_request('app', 'count')"):
        db.execute(f"CREATE VIEW v AS SELECT {call}")
        assert "unsafe use" in refused(db, "SELECT * FROM v")
        db.execute("DROP VIEW v")
        assert "is not for guests" in ask(db, sql("query", f"SELECT {call}"))


# Commands ----------------------------------------------------------------------


def test_lines_and_status(db):
    assert run(db, "say hello", "err oops", "say ", "out no end") == [
        ("stdout", "hello"), ("stderr", "oops"), ("stdout", ""), ("stdout", "no end"), ("exit", "0")]
    assert run(db, "say before", "exit 7", "say after") == [("stdout", "before"), ("exit", "7")]
    assert run(db) == [("exit", "0")]


def test_arguments_environment_input(db):
    assert run(db, "say ä ö", "env", "input", env={"B": "2", "A": "x=y"}, stdin="eight bytes, and more") == [
        ("stdout", "ä ö"), ("stdout", "A=x=y"), ("stdout", "B=2"), ("stdout", "eight bytes, and more"), ("exit", "0")]
    assert run(db, "env", "input") == [("stdout", ""), ("exit", "0")]


def test_lines_come_as_they_are_written(db):
    """The program has no end."""
    options = json.dumps({"args": ["forever"]})
    rows = db.execute("SELECT line FROM sqlproxy_serve(?, ?) LIMIT 5", (player(), options))
    assert [line for (line,) in rows] == ["1", "2", "3", "4", "5"]
    many = one(db, "SELECT sum(line) FROM (SELECT line FROM sqlproxy_serve(?, ?) LIMIT 20000)", player(), options)
    assert many == 20000 * 20001 / 2


def test_rows_are_read_while_the_program_runs(db):
    """What it does to the database is seen between its lines."""
    told = [step for n in range(3) for step in (insert(f"n{n}"), f"say {n}")]
    seen = db.execute("SELECT line, (SELECT count(*) FROM t WHERE line <> name) FROM sqlproxy_serve(?, ?) WHERE length(line) = 1",
                      (player(), json.dumps({"args": told})))
    assert seen.fetchall() == [("0", 1), ("1", 2), ("2", 3), ("0", 3)]


def test_a_line_that_is_no_text(db):
    module = wat(r"""(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 16) "\ff\00\0a") (data (i32.const 0) "\10\00\00\00\03\00\00\00")
      (func (export "_start") (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))""")
    assert run(db, module=module)[0] == ("stdout", b"\xff\x00")


def test_a_cursor_goes_on_between_lines(db):
    """A program may write a line for each row it reads."""
    db.executemany("INSERT INTO t(name) VALUES (?)", [(f"n{n}",) for n in range(5)])
    told = [sql("query", "SELECT name FROM t", fetch=2), sql("fetch", cursor_id=1), sql("fetch", cursor_id=1)]
    rows = [json.loads(line) for (stream, line) in run(db, *told) if stream == "stdout"]
    assert [row["rows"] for row in rows] == [[["n0"], ["n1"]], [["n2"], ["n3"]], [["n4"]]]


def test_output_is_kept_during_a_transaction(db):
    """The caller's statements never run in the middle of it."""
    told = [sql("begin_tx"), insert("a"), "say inside", insert("b"), sql("commit", tx_id=1), "say outside"]
    seen = []
    for (line,) in db.execute("SELECT line FROM sqlproxy_serve(?, ?)", (player(), json.dumps({"args": told}))):
        seen.append((line[:7], len(names(db)), db.in_transaction))
    assert {count for _, count, _ in seen} == {2}
    assert [line for line, _, _ in seen][-2:] == ["outside", "0"]
    assert not any(inside for _, _, inside in seen)
    error = fails(db, sql("begin_tx"), insert("c"), "forever", output="64KB")
    assert "reached its output limit of 64 KB while a transaction" in error
    assert names(db) == ["a", "b"] and not db.in_transaction


def test_output_without_an_end_of_line_is_bounded(db):
    error = fails(db, *["out 12345678901234567890"] * 60, output="1KB")
    assert "output limit of 1 KB without the end of a line" in error


@pytest.mark.parametrize("ending", ["trap", "exit 3", "loop", "deep", "say end"])
def test_what_is_left_open_is_undone(db, ending):
    told = [insert("kept"), sql("begin_tx"), insert("lost"), sql("begin_tx"), insert("lost too"), ending]
    try:
        run(db, *told, timeout="300ms")
    except sqlite3.Error as error:
        assert ending in ("trap", "loop", "deep"), error
    assert names(db) == ["kept"] and not db.in_transaction


@pytest.mark.parametrize("kind", ["command", "reactor"])
@pytest.mark.parametrize("mode", ["deferred", "immediate"])
@pytest.mark.parametrize("ending", ["loop", sql("query", COUNT)])
def test_what_is_left_open_is_undone_after_an_interrupt(connect, tmp_path, kind, mode, ending):
    """An interrupted connection runs nothing, no ROLLBACK either, until the caller's statement has ended."""
    db = connect(f"file:{tmp_path}/a.db")
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    keep(db, timeout="60s")
    told = [sql("begin_tx", mode=mode), insert("lost"), sql("begin_tx"), insert("lost too"), ending]
    done = threading.Event()

    def interrupt():
        while not done.wait(0.1):
            db.interrupt()

    def interrupted():
        done.clear()
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            run(db, *told, timeout="60s") if kind == "command" else ask(db, *told)
        done.set()
        thread.join()

    interrupted()
    assert not db.in_transaction and names(db) == []
    db.execute("BEGIN")
    db.execute("INSERT INTO t(name) VALUES ('mine')")
    interrupted()
    assert not db.in_transaction and names(db) == []
    connect(f"file:{tmp_path}/a.db").execute("INSERT INTO t(name) VALUES ('another')")
    assert names(db) == ["another"]


@pytest.mark.parametrize("ending", ["loop", sql("query", COUNT)])
def test_what_is_left_open_is_undone_after_a_time_limit(db, ending):
    keep(db, timeout="200ms")
    told = [sql("begin_tx"), insert("lost"), ending]
    with pytest.raises(sqlite3.Error):
        run(db, *told, timeout="200ms")
    assert not db.in_transaction and names(db) == []
    assert "time limit" in refused(db, "SELECT response FROM app WHERE request = ?", "\n".join(told))
    assert not db.in_transaction and names(db) == []
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        run(db, *told[:2], sql("query", COUNT, timeout_ms=20), sql("commit", tx_id=1), "exit 0")
    assert not db.in_transaction and names(db) == []


def test_a_reader_that_is_interrupted_harms_no_transaction(db):
    keep(db, sql="read", timeout="200ms")
    for told in ([sql("begin_tx"), sql("query", COUNT)], [sql("begin_tx"), sql("query", "SELECT 1", fetch=1), "loop"]):
        db.execute("BEGIN")
        db.execute("INSERT INTO t(name) VALUES ('mine')")
        assert "time limit" in refused(db, "SELECT response FROM app WHERE request = ?", "\n".join(told))
        assert db.in_transaction and names(db) == ["mine"]
        db.execute("ROLLBACK")
        assert "time limit" in refused(db, "SELECT response FROM app WHERE request = ?", "\n".join(told))
        assert not db.in_transaction


def test_in_the_callers_transaction(db):
    for end, expected in (("ROLLBACK", []), ("COMMIT", ["mine", "a"])):
        db.execute("BEGIN")
        db.execute("INSERT INTO t(name) VALUES ('mine')")
        rows = run(db, sql("begin_tx"), insert("a"), sql("commit", tx_id=1), sql("begin_tx"), insert("b"), "exit 1")
        assert rows[-1] == ("exit", "1") and db.in_transaction
        assert names(db) == ["mine", "a"]
        db.execute(end)
        assert names(db) == expected


def test_ended_early(db):
    """The statement does not read on: the program ends, and nothing of it is left."""
    told = [insert("kept"), "say one", sql("begin_tx"), insert("never"), "say two"]
    cursor = db.execute("SELECT line FROM sqlproxy_serve(?, ?) WHERE line = 'one'", (player(), json.dumps({"args": told})))
    assert cursor.fetchone() == ("one",)
    cursor.close()
    assert names(db) == ["kept"] and not db.in_transaction
    db.execute("DROP TABLE t")


def test_two_programs_at_once(db):
    """Their lines come in turn, on one connection."""
    options = json.dumps({"args": ["forever"]})
    rows = db.execute("SELECT a.line, b.line FROM sqlproxy_serve(?1, ?2) AS a, sqlproxy_serve(?1, ?2) AS b LIMIT 3", (player(), options))
    assert rows.fetchall() == [("1", "1"), ("1", "2"), ("1", "3")]


LIMITS = [
    (["loop"], {"timeout": "100ms"}, r'time limit of 100 ms; set "timeout"'),
    (["say x", sql("query", COUNT)], {"timeout": "100ms"}, r"time limit of 100 ms|interrupted"),
    (["deep"], {}, "stack limit of 4 MB"),
    (["grow 1000"], {"memory": "20MB"}, 'memory limit of 20 MB; set "memory"'),
    (["trap"], {}, "the program trapped: wasm `unreachable`"),
]


@pytest.mark.parametrize(("told", "options", "sentence"), LIMITS, ids=[told[-1][:8] for told, _, _ in LIMITS])
def test_limits_of_a_command(db, told, options, sentence):
    assert re.search(sentence, fails(db, *told, **options))
    assert run(db, "say alive")[0] == ("stdout", "alive")


def test_time_counts_inside_the_program_only(db):
    """A statement may read a program's lines as slowly as it likes."""
    options = json.dumps({"args": ["forever"], "timeout": "300ms"})
    cursor = db.execute("SELECT line FROM sqlproxy_serve(?, ?)", (player(), options))
    lines = 0
    threading.Event().wait(0.4)
    for _ in cursor:
        lines += 1
        if lines == 10:
            break
    cursor.close()
    with pytest.raises(sqlite3.Error, match="time limit of 300 ms"):
        one(db, "SELECT count(*) FROM sqlproxy_serve(?, ?)", player(), options)


def test_requests_do_not_hide_the_time(db):
    """A program that asks for something now and then has not more time than one that does not."""
    module = wat(r"""(module (import "sqlproxy" "host_db_query" (func $q (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "{\22command\22:\22ping\22}") (global $n (mut i32) (i32.const 0))
      (func (export "_start") (local $i i32) (loop $asks
        (drop (call $q (i32.const 0) (i32.const 18))) (local.set $i (i32.const 0))
        (loop $works (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $works (i32.lt_u (local.get $i) (i32.const 1000000))))
        (global.set $n (i32.add (global.get $n) (i32.const 1))) (br_if $asks (i32.lt_u (global.get $n) (i32.const 100000))))))""")
    assert "time limit of 200 ms" in fails(db, module=module, timeout="200ms")


def bomb(times: int, held: bool = False) -> bytes:
    """Writes 4 MB of empty lines a number of times with one call; with `held`, in a transaction."""
    begin = "(drop (call $q (i32.const 32) (i32.const 22)))" if held else ""
    parts = "".join(r"\00\00\01\00\00\00\40\00" for _ in range(times))
    return wat(rf"""(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
      (import "sqlproxy" "host_db_query" (func $q (param i32 i32) (result i32)))
      (memory (export "memory") 80) (data (i32.const 32) "{{\22command\22:\22begin_tx\22}}") (data (i32.const 64) "{parts}")
      (func (export "_start") {begin} (memory.fill (i32.const 65536) (i32.const 10) (i32.const 0x400000))
        (drop (call $w (i32.const 1) (i32.const 64) (i32.const {times}) (i32.const 0)))))""")


def test_lines_without_content_are_bounded(db):
    """A line takes room for itself, and is given away before there are many."""
    error = fails(db, module=bomb(1, held=True), output="16MB")
    assert "output limit of 16 MB while a transaction" in error
    rows = db.execute("SELECT count(*) FROM (SELECT 1 FROM sqlproxy_serve(?) LIMIT 200000)", (bomb(8),))
    before = resident()
    assert rows.fetchone() == (200000,) and resident() - before < 64


def resident() -> int:
    """Megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def test_limits_of_the_host_interface(db):
    prepare = sql("prepare", "SELECT 1")
    assert "limit statements" in run(db, prepare, prepare, prepare, statements=2)[2][1]
    query = sql("query", "VALUES (1), (2)", fetch=1)
    assert "limit cursors" in run(db, query, query, cursors=1)[1][1]
    assert "limit result_bytes" in run(db, sql("query", "SELECT zeroblob(2000)"), result_bytes="1KB")[0][1]


def test_a_text_of_many_selects_is_refused(db):
    """Each stands inside of the one before: stack, and time that no interrupt ends."""
    def chain(count):
        tables = ["c0 AS (SELECT 1 x)", *(f"c{n} AS (SELECT * FROM c{n - 1})" for n in range(1, count - 1))]
        return sql("query", f"WITH {', '.join(tables)} SELECT * FROM c{count - 2}")
    answer, refusal = answers(run(db, chain(500), chain(501)))
    assert answer["rows"] == [[1]] and refusal["error"]["code"] == "SQLITE_TOOBIG"


def test_grants(db):
    assert "needs the grant" in fails(db, "say x", sql="none")
    told = [insert("a"), sql("query", "SELECT count(*) FROM t")]
    first, second = answers(run(db, *told, sql="read"))
    assert first["error"]["code"] == "SQLITE_AUTH" and second["rows"] == [[0]]
    seconds = int(run(db, "time")[0][1])
    assert seconds > 1_700_000_000
    assert run(db, "time", clock=False)[0] == ("stdout", "0")
    assert run(db, "random")[0] != run(db, "random")[0]
    assert run(db, "random", random=False)[0] == run(db, "random", random=False)[0]


def test_the_interface_through_a_real_program(db):
    """What the interface promises of values, errors and names, in a guest."""
    big = 9007199254740993
    rows = answers(run(
        db,
        sql("query", "SELECT ?, ?, ?, ?", args=[{"$int": str(big)}, {"$float": "-Infinity"}, {"$bytes": "AP8="}, {"$float": "NaN"}]),
        sql("query", "SELECT :a + :b AS sum", args={"a": 1, ":b": 2}),
        insert("x"), insert("x"),
        '{"not": "a request"'.join(["sql ", "}"]),
        sql("frobnicate"), sql("fetch", cursor_id=77), sql("close_stmt", stmt_id=9), sql("exec", stmt_id=9),
        sql("query", "SELECT 1; SELECT 2"),
        sql("commit", tx_id=5),
    ))
    assert rows[0]["rows"] == [[{"$int": str(big)}, {"$float": "-Infinity"}, {"$bytes": "AP8="}, None]]
    assert rows[1]["rows"] == [[3]] and rows[1]["columns"] == ["sum"]
    codes = [row["error"]["code"] for row in rows[3:]]
    assert codes == ["SQLITE_CONSTRAINT_UNIQUE"] + ["SQLITE_MISUSE"] * 7


def test_messagepack(db):
    """As the kits send it: values bound many times, rows in batches."""
    assert run(db, "exec 10 INSERT INTO t(name) VALUES (? || (SELECT count(*) FROM t))")[-1] == ("exit", "0")
    assert names(db) == [f"a name{n}" for n in range(10)]
    assert run(db, "rows 3 SELECT id, name FROM t")[0] == ("stdout", "4")
    assert run(db, "rows 100 SELECT id, name FROM t")[0] == ("stdout", "1")


def test_two_connections_of_one_program(db):
    """The second one never joins the first one's transaction."""
    rows = answers(run(
        db, sql("begin_tx", conn_id=1), insert("one", conn_id=1), insert("two", conn_id=2),
        sql("query", "SELECT count(*) FROM t", conn_id=2), sql("commit", tx_id=1, conn_id=1), insert("three", conn_id=2)))
    assert [row["error"]["code"] for row in rows[2:4]] == ["SQLITE_BUSY"] * 2
    assert "transaction 1 open" in rows[2]["error"]["message"]
    assert names(db) == ["one", "three"]


def test_commit_names_the_statements_in_the_way(db):
    returning = sql("query", "INSERT INTO t(name) VALUES ('a'), ('b') RETURNING id", fetch=1)
    rows = answers(run(db, sql("begin_tx"), returning, sql("commit", tx_id=1), sql("close_rows", cursor_id=1), sql("commit", tx_id=1)))
    assert "cursor 1 (INSERT INTO t(name)" in rows[2]["error"]["message"]
    assert rows[4] == {} and names(db) == ["a", "b"]


def test_describing_pragmas(db):
    rows = answers(run(
        db, sql("query", "PRAGMA table_info(t)"), sql("query", "PRAGMA main.index_list = 't'"), sql("query", "PRAGMA user_version"),
        sql("exec", "PRAGMA user_version = 7"), sql("exec", "PRAGMA journal_mode = DELETE"), sql("exec", "PRAGMA foreign_keys(1)")))
    assert [row[1] for row in rows[0]["rows"]] == ["id", "name"]
    assert rows[1]["rows"][0][1] == "sqlite_autoindex_t_1" and rows[2]["rows"] == [[0]]
    assert {row["error"]["code"] for row in rows[3:]} == {"SQLITE_AUTH"}
    assert one(db, "PRAGMA user_version") == 0


def test_a_requests_own_time_limit(db):
    """Between rows nothing else is harmed; within one step of SQLite's, the statement that runs the program ends with it."""
    rows = answers(run(db, sql("query", ROWS, timeout_ms=50), insert("after"), sql("query", "SELECT name FROM t", timeout_ms=60000)))
    assert rows[0]["error"] == {
        "code": "SQLITE_INTERRUPT", "extended": 9, "message": "the request was not answered within its timeout_ms"}
    assert rows[2]["rows"] == [["after"]]
    keep(db)
    assert "interrupted" in refused(db, "SELECT response FROM app WHERE request = ?", sql("query", COUNT, timeout_ms=50) + "\ncount")
    assert ask(db, "count") == "2\n", "the program had its answer and went on"
    assert names(db) == ["after"]


# Where modules come from --------------------------------------------------------


def test_stored_guests(db):
    create = "SELECT proc_create('report', ?, ?)"
    assert one(db, create, player(), '{"kind": "guest", "description": "monthly"}') == "report"
    assert db.execute("SELECT name, kind, description FROM proc_list").fetchall() == [("report", "guest", "monthly")]
    assert run(db, "say hi", module="report") == [("stdout", "hi"), ("exit", "0")]
    for call in ("SELECT report()", "SELECT proc_call('report')", "SELECT * FROM proc_rows('report')"):
        assert "sqlproxy_serve" in refused(db, call), call
    assert "nothing else" in refused(db, create, player(), '{"kind": "guest", "memory": "1MB", "replace": true}')
    nothing = wat("(module (memory (export \"memory\") 1))")
    assert "does not export _start()" in refused(db, "SELECT proc_create('no', ?, '{\"kind\": \"guest\"}')", nothing)
    foreign = wat('(module (import "env" "f" (func)) (memory (export "memory") 1) (func (export "_start")))')
    assert "imports env.f" in refused(db, "SELECT proc_create('no', ?, '{\"kind\": \"guest\"}')", foreign)
    assert one(db, "SELECT proc_drop('report')") == 1
    assert "no stored guest 'report'" in refused(db, "SELECT * FROM sqlproxy_serve('report')")


def test_a_stored_guest_never_takes_the_place_of_a_file(tmp_path):
    """proc_create allows no name like that of a file, but a stranger may write into the table himself."""
    (tmp_path / "player.wasm").write_bytes(player())
    assert child("""
c = connect(); keep(c)
c.execute("SELECT sqlbridge_modules(?)", (sys.argv[1],)).fetchall()
for name in ("player.wasm", sys.argv[1] + "/player.wasm"):
    c.execute("UPDATE sqlbridge_procedures SET name = ?, module = x'00', hash = zeroblob(32)", (name,))
    print(c.execute("SELECT line FROM sqlproxy_serve(?, '{\\"args\\": [\\"say file\\"]}')", (name,)).fetchone())
""", str(tmp_path)) == "('file',)\n('file',)"


def test_a_procedure_is_no_guest(db):
    one(db, "SELECT proc_create('twice', ?)", wat('(module (func (export "f") (param i32) (result i32) local.get 0))'))
    assert "is no guest" in refused(db, "SELECT * FROM sqlproxy_serve('twice')")


def test_a_replaced_guest_is_used_at_once(db):
    keep(db)
    assert ask(db, "count") == "1\n"
    other = wat("""(module (import "sqlproxy" "host_respond" (func $r (param i32 i32 i32))) (memory (export "memory") 1)
      (data (i32.const 0) "new") (func (export "sqlproxy_handle") (param i32) (call $r (i32.const 0) (i32.const 0) (i32.const 3))))""")
    one(db, "SELECT proc_create('player', ?, '{\"kind\": \"guest\", \"replace\": true}')", other)
    assert ask(db, "count") == "new"


def test_a_guest_whose_replacement_is_undone(db):
    keep(db)
    replace = "SELECT proc_create('player', ?, '{\"kind\": \"guest\", \"replace\": true}')"
    other = wat("""(module (memory (export "memory") 1) (func (export "sqlproxy_handle") (param i32)))""")
    assert ask(db, "say a") == "a\n"
    db.execute("BEGIN")
    db.execute(replace, (other,)).fetchall()
    assert ask(db, "say a") is None
    db.execute("ROLLBACK")
    assert ask(db, "say a") == "a\n"


def test_paths(tmp_path):
    """Off by default; the host allows directories."""
    inside, outside = tmp_path / "modules", tmp_path / "other"
    for directory in (inside, outside):
        directory.mkdir()
        (directory / "app.wasm").write_bytes(player())
    (inside / "link.wasm").symlink_to(outside / "app.wasm")
    code = f"""
import sqlite3, sys
c = sqlite3.connect(":memory:"); c.enable_load_extension(True); c.load_extension({EXTENSION!r})
def run(name):
    try: return c.execute("SELECT line FROM sqlproxy_serve(?, '{{\\"args\\": [\\"say hi\\"]}}')", (name,)).fetchone()[0]
    except sqlite3.Error as error: return str(error)
print(run("app.wasm"))
if len(sys.argv) > 3: c.execute("SELECT sqlbridge_modules(?)", (sys.argv[1],)).fetchall()
for name in ("app.wasm", sys.argv[1] + "/app.wasm", "link.wasm", "../other/app.wasm", sys.argv[2] + "/app.wasm"): print(run(name))
try: c.execute("CREATE VIEW v AS SELECT sqlbridge_modules('/')"); print(c.execute("SELECT * FROM v").fetchall())
except sqlite3.Error as error: print(error)
"""

    def lines(*arguments, **environment):
        done = subprocess.run([PYTHON, "-c", code, inside, outside, *arguments], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **environment})
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    closed = lines()
    assert all("modules in files are not allowed here" in line and "SQLBRIDGE_MODULES" in line for line in closed[:6])
    for opened in (lines("allow")[1:], lines(SQLBRIDGE_MODULES=str(inside))[1:]):
        assert opened[:2] == ["hi", "hi"]
        assert all("in the allowed directories" in line and "sqlbridge_modules" in line for line in opened[2:5])
        assert "unsafe use of sqlbridge_modules()" in opened[5]


WRONG = [
    ("SELECT * FROM sqlproxy_serve(NULL)", "the module is NULL"),
    ("SELECT * FROM sqlproxy_serve", "needs a module"),
    ("SELECT * FROM sqlproxy_serve(x'00')", "cannot be compiled"),
    ("SELECT * FROM sqlproxy_serve(x'00', '{\"arg\": 1}')", "unknown field `arg`"),
    ("SELECT * FROM sqlproxy_serve(x'00', 1)", "JSON"),
    ("INSERT INTO sqlproxy_serve(line) VALUES (1)", "takes no rows"),
    ("CREATE VIRTUAL TABLE a USING sqlproxy_serve()", "module='…' is missing"),
    ("CREATE VIRTUAL TABLE a USING sqlproxy_serve", "module='…' is missing"),
    ("CREATE VIRTUAL TABLE a USING sqlproxy_serve(module='nothing')", "no stored guest 'nothing'"),
    ("CREATE VIRTUAL TABLE a USING sqlproxy_serve(module=x'00')", "cannot be compiled"),
    ("CREATE VIRTUAL TABLE a USING sqlproxy_serve(module='x', wait=1)", "unknown field `wait`"),
]


@pytest.mark.parametrize(("statement", "sentence"), WRONG, ids=[s[:60] for s, _ in WRONG])
def test_what_is_wrong_is_said(db, statement, sentence):
    assert sentence in refused(db, statement)
    assert one(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'a'") == 0


def test_the_schema_cannot_run_programs(db):
    """Neither views nor triggers, of whatever database."""
    keep(db)
    db.execute("CREATE VIEW v AS SELECT response FROM app WHERE request = 'count'")
    db.execute("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO app(request) VALUES ('count'); END")
    db.execute("CREATE VIEW w AS SELECT * FROM sqlproxy_serve(x'00')")
    for statement in ("SELECT * FROM v", "INSERT INTO t(name) VALUES ('a')", "SELECT * FROM w"):
        assert "unsafe use of virtual table" in refused(db, statement), statement
    assert ask(db, "count") == "1\n"


# Reactors -----------------------------------------------------------------------


def test_state_is_kept_until_a_trap(db):
    keep(db)
    assert [ask(db, "count") for _ in range(3)] == ["1\n", "2\n", "3\n"]
    error = refused(db, "SELECT response FROM app WHERE request = ?", "err panic: boom\ntrap")
    assert "trapped: wasm `unreachable`" in error and "it wrote: panic: boom" in error
    assert ask(db, "count") == "1\n"
    assert "exit code 3" in refused(db, "SELECT response FROM app WHERE request = 'exit 3'")
    assert ask(db, "count") == "1\n"


def test_answers(db):
    keep(db)
    assert ask(db, "say hi") == "hi\n"
    assert ask(db, "blob \u00e4") == "\u00e4".encode()
    assert ask(db, "null") is None and ask(db, "nothing") is None
    assert refused(db, "SELECT response FROM app WHERE request = 'fail not today'") == "not today"
    assert "unknown kind 9" in refused(db, "SELECT response FROM app WHERE request = 'kind 9 x'")
    assert "outside of the module's memory" in refused(db, "SELECT response FROM app WHERE request = 'beyond'")
    assert one(db, "SELECT response FROM app WHERE request = x'" + b"say bytes".hex() + "'") == "bytes\n"
    assert one(db, "SELECT response FROM app WHERE request = NULL") is None


def test_a_request_for_each_row(db):
    keep(db)
    db.executemany("INSERT INTO t(name) VALUES (?)", [("say a",), ("count",)])
    rows = db.execute("SELECT name, response FROM t, app WHERE request = name ORDER BY id").fetchall()
    assert rows == [("say a", "a\n"), ("count", "1\n")]
    assert sorted(r for (r,) in db.execute("SELECT response FROM app WHERE request IN ('say x', 'say y')")) == ["x\n", "y\n"]
    assert "answers requests" in refused(db, "SELECT * FROM app")


def test_insert(db):
    """A request without an answer."""
    keep(db)
    db.execute("INSERT INTO app(request) VALUES ('count'), ('count')")
    db.execute("INSERT INTO app(request) VALUES (?)", (insert("a"),))
    assert ask(db, "count") == "3\n" and names(db) == ["a"]
    assert refused(db, "INSERT INTO app(request) VALUES ('fail no')") == "no"
    for statement in ("INSERT INTO app(response) VALUES (1)", "DELETE FROM app WHERE request = 'count'",
                      "UPDATE app SET request = 'x' WHERE request = 'count'"):
        assert "takes" in refused(db, statement), statement
    db.execute("INSERT INTO t(name) VALUES ('b')")
    with pytest.raises(sqlite3.Error, match="no"):
        db.execute("INSERT INTO app(request) VALUES (?)", (insert("lost") + "\nfail no",))
    assert names(db) == ["a", "b"], "what a request did that failed is undone with the INSERT"


def test_a_table_is_not_dropped_by_its_own_request(db):
    """An INSERT opens no cursor, which SQLite looks for before a table is dropped."""
    keep(db)
    db.execute("INSERT INTO app(request) VALUES (?)", (insert("a"),))
    db.execute("INSERT INTO app(request) VALUES (?)", (sql("exec", "DROP TABLE app"),))
    assert "locked" in ask(db, sql("exec", "DROP TABLE app"))
    assert ask(db, "count") == "1\n" and names(db) == ["a"]
    db.execute("DROP TABLE app")


def test_transactions_end_with_the_request(db):
    keep(db)
    assert ask(db, sql("begin_tx"), insert("lost")).count("\n") == 2
    assert names(db) == [] and not db.in_transaction
    db.execute("BEGIN")
    ask(db, sql("begin_tx"), insert("kept"), sql("commit", tx_id=2), sql("begin_tx"), insert("lost"))
    refused(db, "SELECT response FROM app WHERE request = ?", "\n".join([sql("begin_tx"), insert("lost"), "trap"]))
    db.execute("COMMIT")
    assert names(db) == ["kept"]


def test_prepared_statements_outlive_a_request(db):
    """Their numbers; cursors do not."""
    keep(db)
    prepared = json.loads(ask(db, sql("prepare", "SELECT ? + 1")))
    assert json.loads(ask(db, sql("query", stmt_id=prepared["stmt_id"], args=[41])))["rows"] == [[42]]
    cursor = json.loads(ask(db, sql("query", "VALUES (1), (2)", fetch=1)))["cursor_id"]
    assert json.loads(ask(db, sql("fetch", cursor_id=cursor)))["error"]["code"] == "SQLITE_MISUSE"


def test_a_new_function_is_judged_in_the_next_request(db):
    """What the connection has is asked for anew: a program that is kept must not call what came later."""
    keep(db)
    assert json.loads(ask(db, sql("query", "SELECT lower('A')")))["rows"] == [["a"]]
    db.create_function("lower", 1, lambda text: "theirs")
    assert json.loads(ask(db, sql("query", "SELECT lower('A')")))["error"]["code"] == "SQLITE_AUTH"
    db.create_function("reach_out", 0, lambda: 1)
    assert json.loads(ask(db, sql("query", "SELECT reach_out()")))["error"]["code"] == "SQLITE_AUTH"


def test_nested(db):
    """A program may ask others, itself included, to a limit."""
    keep(db, instances=20, timeout="20s")
    def nest(depth, request="count"):
        for _ in range(depth):
            request = sql("query", "SELECT response FROM app WHERE request = ?", args=[request])
        return request
    assert json.loads(ask(db, nest(1)))["rows"] == [["1\n"]]
    db.execute("INSERT INTO t VALUES (1, ?)", (sql("query", "SELECT response FROM app WHERE request = (SELECT name FROM t)"),))
    endless = one(db, "SELECT response FROM app WHERE request = (SELECT name FROM t)")
    assert "nesting limit" in endless or "stack limit" in endless
    keep(db, table="few", instances=2)
    request = sql("query", "SELECT response FROM few WHERE request = ?", args=[
        sql("query", "SELECT response FROM few WHERE request = ?", args=["count"])])
    assert "all 2 instances are in use, and one of them led to this request" in ask(db, request, table="few")
    reader = sql("query", "SELECT response FROM app WHERE request = 'count'")
    assert "SQLITE_AUTH" in run(db, reader, sql="read")[0][1], "who may only read gets nobody else to write"
    assert "SQLITE_AUTH" in run(db, sql("query", "SELECT * FROM sqlproxy_serve('player')"))[0][1]


def test_programs_that_ask_each_other_let_the_connection_close(connect, tmp_path):
    """A compiled statement keeps the tables that it uses, and a table the statements of its program."""
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.enable_load_extension(True)
    connection.load_extension(EXTENSION)
    keep(connection)
    keep(connection, table="other")
    for table, asked in (("app", "app"), ("app", "other"), ("other", "app")):
        assert "rows" in ask(connection, sql("query", f"SELECT response FROM {asked} WHERE request = 'count'"), table=table)
    connection.close()
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert str(path) not in links


def test_instances_are_shared_by_connections(connect, tmp_path):
    """One request at a time for each; the next waits, then gets a clear error."""
    path = f"file:{tmp_path}/a.db"
    first = connect(path)
    keep(first, instances=1, timeout="400ms")
    second = connect(path)
    assert [ask(first, "count"), ask(second, "count")] == ["1\n", "2\n"]
    started, errors = threading.Event(), []

    def busy():
        connection = database.connect(path, check_same_thread=False)
        started.set()
        for _ in range(4):
            errors.append(refused(connection, "SELECT response FROM app WHERE request = 'loop'"))
        connection.close()

    thread = threading.Thread(target=busy)
    thread.start()
    started.wait()
    seen = set()
    while thread.is_alive():
        try:
            seen.add(ask(second, "say hi"))
        except sqlite3.Error as error:
            assert database.primary(error) == database.BUSY, error
            seen.add(re.sub(r"'player'.*", "busy", str(error)))
    thread.join()
    assert all("time limit of 400 ms for a request" in error for error in errors)
    assert seen <= {"hi\n", "program busy"}
    assert ask(second, "say hi") == "hi\n"


def test_memory_databases_share_nothing(connect):
    first, second = connect(":memory:"), connect(":memory:")
    for connection in (first, second):
        keep(connection)
    assert [ask(first, "count"), ask(second, "count"), ask(first, "count")] == ["1\n", "1\n", "2\n"]
    first.close()
    third = connect(":memory:")
    keep(third)
    assert ask(third, "count") == "1\n"


def test_databases_in_memory_that_have_names_share_nothing(connect):
    image = connect(":memory:")
    keep(image)
    for name in ("file:same?vfs=memdb", None):
        both = [connect(name or ":memory:") for _ in range(2)]
        for connection in both:
            if name:
                keep(connection)
            else:
                connection.deserialize(image.serialize())
        assert [ask(connection, "count") for connection in both] == ["1\n", "1\n"], name


def test_a_file_in_the_place_of_another_is_another_database(connect, tmp_path):
    for _ in range(2):
        connection = connect(f"file:{tmp_path}/a.db")
        keep(connection)
        assert ask(connection, "count") == "1\n"
        connection.close()
        (tmp_path / "a.db").unlink()


def test_dropped_and_made_again(db):
    keep(db)
    assert ask(db, "count") == "1\n"
    db.execute("DROP TABLE app")
    keep(db)
    assert ask(db, "count") == "1\n"
    db.execute("SELECT proc_drop('player')").fetchall()
    assert "no stored guest" in refused(db, "SELECT response FROM app WHERE request = 'count'")
    db.execute("DROP TABLE app")


def test_a_renamed_column_like_request_is_no_request(db):
    keep(db, schema="temp")
    assert ask(db, "say x", table="temp.app") == "x\n"
    assert db.execute("SELECT request, response FROM app('say y')").fetchall() == [("say y", "y\n")]


# Processes ----------------------------------------------------------------------


def test_a_database_with_such_a_table_opens_everywhere(connect, tmp_path):
    """Nothing runs or is compiled by opening; without the library everything else works."""
    path = tmp_path / "a.db"
    connection = connect(f"file:{path}")
    connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
    keep(connection)
    connection.execute("INSERT INTO t(name) VALUES ('x')")
    connection.execute("SELECT proc_drop('player')").fetchall()
    connection.close()
    script = "SELECT name FROM t; SELECT count(*) FROM sqlite_schema; PRAGMA integrity_check; SELECT count(*) FROM pragma_table_list;\n"
    for load in ("", f".load {EXTENSION}\n"):
        done = subprocess.run(["sqlite3", "-batch", path], input=load + script, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout.split()[:3] == ["x", "4", "ok"], done.stderr
    done = subprocess.run(["sqlite3", "-batch", path], input=f".load {EXTENSION}\nSELECT response FROM app WHERE request = '';\nDROP TABLE app;\n",
                          capture_output=True, text=True, timeout=60)
    assert "no stored guest 'player'" in done.stderr
    assert one(connect(f"file:{path}"), "SELECT count(*) FROM sqlite_schema WHERE name = 'app'") == 0


@pytest.mark.parametrize("host", list(MATRIX))
def test_in_every_host(host, tmp_path):
    need(host)
    module = f"x'{player().hex()}'"
    statements = [
        f"SELECT proc_create('player', {module}, '{{\"kind\": \"guest\"}}')",
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player')",
        f"SELECT group_concat(line, ' ') FROM sqlproxy_serve('player', '{json.dumps({'args': ['say a', 'say b']})}')",
        f"SELECT line FROM sqlproxy_serve('player', '{json.dumps({'args': ['forever']})}') LIMIT 2",
        f"INSERT INTO app(request) VALUES ('{insert('x')}')",
        "SELECT name FROM t",
        "SELECT trim(response, char(10)) FROM app WHERE request = 'count'",
        "SELECT trim(response, char(10)) FROM app WHERE request = 'count'",
    ]
    path = f"{tmp_path}/a.db" if host == "node" else f"file:{tmp_path}/a.db"
    if host == "cli":
        done = database.cli(f".open '{path}'\n" + "".join(s + ";\n" for s in statements))
    else:
        environment = {**os.environ, "SQLBRIDGE_NODE_MODULES": os.environ.get("SQLBRIDGE_NODE_MODULES", "")}
        command = [*map(str, MATRIX[host][0]), EXTENSION, path, *statements]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0 and done.stderr == "", f"{host}: {done.stderr}{done.stdout}"
    assert done.stdout.splitlines() == ["player", "a b 0", "1", "2", "x", "1", "2"]


def child(code: str, *arguments: str) -> str:
    done = subprocess.run([PYTHON, "-c", f"""
import faulthandler, os, sqlite3, sys, threading, time, warnings
warnings.simplefilter("ignore")
def connect(path=":memory:"):
    c = sqlite3.connect(path, isolation_level=None, check_same_thread=False); c.enable_load_extension(True); c.load_extension({EXTENSION!r})
    return c
def keep(c):
    c.execute("SELECT proc_create('player', ?, '{{\\"kind\\": \\"guest\\"}}')", (bytes.fromhex(sys.stdin.read()),)).fetchall()
    c.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player', timeout='300ms')")
def ask(c, told): return c.execute("SELECT response FROM app WHERE request = ?", (told,)).fetchone()[0]
def fails(c, told):
    try: ask(c, told)
    except sqlite3.Error as error: return str(error)
""" + code, *arguments], capture_output=True, text=True, timeout=60, input=player().hex())
    assert done.returncode == 0 and done.stderr == "", f"{done.returncode}: {done.stderr[-2000:]}"
    return done.stdout.strip()


def test_fork(tmp_path):
    """The child has instances of its own, and time limits; the parent's go on."""
    assert child("""
c = connect(sys.argv[1]); keep(c)
assert ask(c, "count") == "1\\n"
pid = os.fork()
if pid == 0:
    d = sqlite3.connect(sys.argv[1], isolation_level=None)
    good = ask(d, "count") == "1\\n" and "time limit" in fails(d, "loop")
    os._exit(0 if good else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert ask(c, "count") == "2\\n" and "time limit" in fails(c, "loop")
print("alive")
""", str(tmp_path / "a.db")) == "alive"


@pytest.mark.parametrize("when", ["before", "after"])
def test_faulthandler(when):
    assert child(f"""
if {when == "before"}: faulthandler.enable()
c = connect(); keep(c)
assert ask(c, "count") == "1\\n"
if {when == "after"}: faulthandler.enable()
for told in ("trap", "deep", "beyond", "loop"):
    assert fails(c, told), told
    try: c.execute("SELECT * FROM sqlproxy_serve('player', ?)", ('{{"timeout": "200ms", "args": ["say x", "' + told + '"]}}',)).fetchall()
    except sqlite3.Error as error: assert "player" in str(error), error
assert ask(c, "count") == "1\\n"
print("alive")
""") == "alive"


def test_interrupt():
    assert child("""
c = connect(); keep(c)
c.execute("DROP TABLE app"); c.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='player', timeout='60s')")
slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
def command(told): c.execute("SELECT count(*) FROM sqlproxy_serve('player', ?)", ('{"timeout": "60s", "args": ["' + told + '"]}',)).fetchall()
works = [lambda: ask(c, "loop"), lambda: ask(c, 'sql {"command":"query","sql":"%s"}' % slow), lambda: command("loop"), lambda: command("forever")]
for work in works:
    done = threading.Event()
    def interrupt():
        while not done.wait(0.05): c.interrupt()
    thread = threading.Thread(target=interrupt); thread.start()
    try: work()
    except sqlite3.OperationalError as error: assert "interrupted" in str(error), error
    else: raise SystemExit("not interrupted")
    finally: done.set(); thread.join()
assert ask(c, "count") == "1\\n"
print("alive")
""") == "alive"


def test_another_thread_reads_on():
    """A statement may be stepped on any thread, in the middle of a program."""
    assert child("""
c = connect(); keep(c)
for n in range(50): c.execute("CREATE TABLE IF NOT EXISTS t(x)"); c.execute("INSERT INTO t VALUES (?)", (n,))
told = '["sql {\\\\"command\\\\":\\\\"query\\\\",\\\\"sql\\\\":\\\\"SELECT x FROM t\\\\",\\\\"fetch\\\\":1}", ' + ", ".join(
    '"sql {\\\\"command\\\\":\\\\"fetch\\\\",\\\\"cursor_id\\\\":1}"' for _ in range(20)) + ']'
cursor = c.execute("SELECT line FROM sqlproxy_serve('player', ?)", ('{"args": ' + told + '}',))
lines = []
for n in range(10):
    thread = threading.Thread(target=lambda: lines.append(cursor.fetchone()[0])); thread.start(); thread.join()
assert [line.count('"rows"') for line in lines] == [1] * 10, lines
assert lines[9].startswith('{"rows":[[9]]'), lines[9]
thread = threading.Thread(target=cursor.close); thread.start(); thread.join()
c.execute("DROP TABLE t")
c.close()
print("alive")
""") == "alive"


def test_closing_with_everything_open():
    """A connection that is closed in the middle of a program leaves nothing behind."""
    assert child("""
c = connect(); keep(c); d = connect()
ask(c, "count")
cursor = c.execute("SELECT line FROM sqlproxy_serve('player', '{\\"args\\": [\\"forever\\"]}')")
cursor.fetchone()
c.close()
del cursor
print("alive")
""") == "alive"


# SQL of programs ---------------------------------------------------------------


def test_a_program_may_have_the_name_of_a_table(db):
    """`users(` is no call where SQL names a table with its columns."""
    db.execute("SELECT proc_create('users', ?, '{\"kind\": \"guest\"}')", (player(),)).fetchall()
    statements = ["CREATE TABLE users(id INTEGER PRIMARY KEY, boss REFERENCES users(id))", "CREATE INDEX by_boss ON users(boss)",
                  "INSERT INTO users(id) VALUES (1)", "WITH users(a) AS (SELECT 5) SELECT a FROM users"]
    rows = db.execute("SELECT line FROM sqlproxy_serve('users', ?) WHERE stream = 'stdout'", (json.dumps({"args": [sql("query", s) for s in statements]}),))
    answered = [json.loads(line) for (line,) in rows]
    assert [answer.get("rows") for answer in answered] == [[], [], [], [[5]]], answered
    refused_calls = run(db, sql("query", "SELECT users(1)"))
    assert "the function users() is not for guests" in refused_calls[0][1]


def test_foreign_keys_are_deferred_until_the_transaction_ends(db):
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("CREATE TABLE parent(id INTEGER PRIMARY KEY)")
    db.execute("CREATE TABLE child(p REFERENCES parent(id))")
    defer, child, parent = (sql("exec", text) for text in ("PRAGMA defer_foreign_keys = ON", "INSERT INTO child VALUES (1)", "INSERT OR IGNORE INTO parent VALUES (1)"))
    first = answers(run(db, sql("begin_tx"), defer, child, parent, sql("commit", tx_id=1)))
    assert not [answer for answer in first if "error" in answer], first
    # It lasts no longer: neither the program's next transaction has it, nor the caller's statements.
    db.execute("DELETE FROM child")
    db.execute("DELETE FROM parent")
    again = answers(run(db, sql("begin_tx"), defer, child, parent, sql("commit", tx_id=1), sql("exec", "INSERT INTO child VALUES (7)")))
    assert [answer.get("error", {}).get("code") for answer in again] == [None, None, None, None, None, "SQLITE_CONSTRAINT_FOREIGNKEY"]
    assert "FOREIGN KEY" in refused(db, "INSERT INTO child VALUES (9)")
    # What is wrong at the end is still wrong.
    wrong = answers(run(db, sql("begin_tx"), defer, sql("exec", "INSERT INTO child VALUES (5)"), sql("commit", tx_id=1)))
    assert wrong[3]["error"]["code"] == "SQLITE_CONSTRAINT_FOREIGNKEY"
    assert one(db, "SELECT count(*) FROM child WHERE p = 5") == 0 and not db.in_transaction
    # In a kept program, too, which has the statement compiled.
    keep(db)
    for number in (1, 2, 3):
        request_once(db, sql("exec", "DELETE FROM child"), sql("exec", "DELETE FROM parent"))
        answer = request_once(db, sql("begin_tx"), defer, child, parent, sql("commit", tx_id=number))
        assert "error" not in answer, answer
