"""The wire protocol, message by message. Where PostgreSQL 15 does the same it is the oracle: the tests with
`server` run against both."""

import contextlib
import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
import time

import pytest

from support.postgres import PgFrontend, Postgres, Reference, available
from support.wire import (
    COPY_DONE,
    FLUSH,
    GSS_REQUEST,
    SSL_REQUEST,
    SYNC,
    TERMINATE,
    Closed,
    Wire,
    bind,
    close,
    copy_data,
    copy_fail,
    describe,
    execute,
    message,
    parse,
    query,
    show,
    text,
)

INT4, TEXT = 23, 25


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    server = PgFrontend(tmp_path_factory.mktemp("pg-frontend"), CONNECTION_POOL_SIZE="50")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if not available():
        pytest.skip("PostgreSQL 15 is not installed: apt-get install postgresql-15")
    server = Reference(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(params=["ours", "reference"])
def server(request) -> Postgres:
    return request.getfixturevalue(request.param)


@pytest.fixture
def wire(server):
    """A connection, and the empty table `t(a, b)`."""
    with Wire(server.port) as connection:
        assert connection.run("DROP TABLE IF EXISTS t").endswith("C[DROP TABLE] Z[I]")
        assert connection.run("CREATE TABLE t(a int PRIMARY KEY, b text)") == "C[CREATE TABLE] Z[I]"
        yield connection


@pytest.fixture
def own(ours):
    """A connection to ours, for what PostgreSQL does not have."""
    with Wire(ours.port) as connection:
        connection.run("DROP TABLE IF EXISTS t")
        connection.run("CREATE TABLE t(a int PRIMARY KEY, b text)")
        yield connection


def count(wire) -> int:
    answer = wire.run("SELECT count(*) FROM t")
    return int(answer.split("D[")[1].split("]")[0])


# Beginning ---------------------------------------------------------------------


def test_greeting(server):
    with Wire(server.port, options={"application_name": "tests"}) as wire:
        settings = dict(message.strings()[:2] for message in wire.startup if message.kind == "S")
        assert [message.kind for message in wire.startup if message.kind != "S"] == ["R", "K", "Z"]
    expected = {
        "application_name": "tests",
        "client_encoding": "UTF8",
        "DateStyle": "ISO, MDY",
        "integer_datetimes": "on",
        "IntervalStyle": "postgres",
        "is_superuser": "on",
        "server_encoding": "UTF8",
        "session_authorization": "postgres",
        "standard_conforming_strings": "on",
        "TimeZone": "UTC",
    }
    assert {name: settings[name] for name in expected} == expected


def test_version(own):
    assert "S[server_version=13.0]" in show(own.startup)
    assert "D[13.0]" in own.run("SHOW server_version")
    assert "D[130000]" in own.run("SHOW server_version_num")


def test_unknown_database(server):
    with pytest.raises(Closed):
        Wire(server.port, database="nowhere")
    wire = Wire(server.port, options=None)
    wire.start("postgres", "nowhere")
    (*_, error) = wire.until_closed()
    assert (error.kind, error.fields["C"], error.fields["S"]) == ("E", "3D000", "FATAL")


def test_encryption_is_declined(ours):
    with socket.create_connection(("127.0.0.1", ours.port)) as plain:
        for request in (GSS_REQUEST, SSL_REQUEST):
            plain.sendall(request)
            assert plain.recv(10) == b"N"


def test_newer_minor_version(server):
    """The server names the version it speaks, and what it does not know; the session goes on."""
    wire = Wire(server.port, options=None)
    wire.start("postgres", "postgres", version=(3 << 16) | 9999, **{"_pq_.thing": "1"})
    (negotiation,) = [answer for answer in wire.read_until("Z") if answer.kind == "v"]
    assert negotiation.body[4:] == struct.pack("!I", 1) + b"_pq_.thing\0"
    assert wire.run("SELECT 1").endswith("Z[I]")


def test_options_of_startup(server):
    with Wire(server.port, options={"options": r"-c statement_timeout=5s --TimeZone=Asia/Tokyo"}) as wire:
        assert "S[TimeZone=Asia/Tokyo]" in show(wire.startup)
        assert "D[5s]" in wire.run("SHOW statement_timeout")


@pytest.mark.parametrize(
    "packet",
    [
        struct.pack("!I", 3),
        struct.pack("!I", 1 << 30),
        struct.pack("!II", 8, 2 << 16),
        struct.pack("!II", 8, 3 << 16),
        struct.pack("!II", 12, 3 << 16) + b"user",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_startup(server, packet):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        plain.sendall(packet)
        plain.shutdown(socket.SHUT_WR)
        answer = b""
        while more := plain.recv(1000):
            answer += more
        assert answer == b"" or answer.startswith(b"E")
    with Wire(server.port) as wire:
        assert wire.run("SELECT 1").endswith("Z[I]")


# Simple queries ----------------------------------------------------------------


def test_simple_query(wire):
    assert wire.run("SELECT 1 AS one, 'x' AS x") == "T[one,x] D[1,x] C[SELECT 1] Z[I]"
    assert wire.run("INSERT INTO t VALUES (1, 'x'), (2, NULL)") == "C[INSERT 0 2] Z[I]"
    assert wire.run("SELECT a, b FROM t ORDER BY a") == "T[a,b] D[1,x] D[2,NULL] C[SELECT 2] Z[I]"
    assert wire.run("UPDATE t SET b = 'y'") == "C[UPDATE 2] Z[I]"
    assert wire.run("DELETE FROM t WHERE a = 1") == "C[DELETE 1] Z[I]"


def test_empty_query(wire):
    for sql in ("", "  ", ";", ";;"):
        assert wire.run(sql) == "I Z[I]"


def test_several_statements_are_one_transaction(wire):
    answer = wire.run("INSERT INTO t VALUES (1, 'x'); INSERT INTO t VALUES (1, 'y'); INSERT INTO t VALUES (2, 'z')")
    assert answer == "C[INSERT 0 1] E[23505] Z[I]"
    assert count(wire) == 0
    assert wire.run("INSERT INTO t VALUES (1, 'x'); SELECT 7") == "C[INSERT 0 1] T[?column?] D[7] C[SELECT 1] Z[I]".replace(
        "?column?", wire.run("SELECT 7").split("T[")[1].split("]")[0]
    )
    assert count(wire) == 1


def test_begin_and_commit_within_a_text(wire):
    assert wire.run("BEGIN; INSERT INTO t VALUES (1, 'x'); COMMIT; INSERT INTO t VALUES (1, 'y')").endswith("E[23505] Z[I]")
    assert count(wire) == 1
    assert wire.run("INSERT INTO t VALUES (2, 'x'); BEGIN; INSERT INTO t VALUES (3, 'y')").endswith("Z[T]")
    assert wire.run("ROLLBACK") == "C[ROLLBACK] Z[I]"
    assert count(wire) == 1


def test_commit_within_an_implicit_transaction(wire):
    assert wire.run("INSERT INTO t VALUES (1, 'x'); COMMIT; SELECT missing") == "C[INSERT 0 1] N[25P01] C[COMMIT] E[42703] Z[I]"
    assert count(wire) == 1


def test_an_error_has_fields(wire):
    wire.send(query("SELECT * FROM nowhere"))
    error = wire.read_until("E")[-1].fields
    assert (error["S"], error["V"], error["C"]) == ("ERROR", "ERROR", "42P01")
    assert error["M"] == 'relation "nowhere" does not exist'
    wire.until_ready()
    wire.run("INSERT INTO t VALUES (1, 'x')")
    wire.send(query("INSERT INTO t VALUES (1, 'x')"))
    error = wire.read_until("E")[-1].fields
    assert (error["C"], error["n"], error["t"], error["s"]) == ("23505", "t_pkey", "t", "public")
    assert error["M"] == 'duplicate key value violates unique constraint "t_pkey"'


# Transactions ------------------------------------------------------------------


def test_failed_transaction(wire):
    assert wire.run("BEGIN") == "C[BEGIN] Z[T]"
    assert wire.run("INSERT INTO t VALUES (1, 'x')") == "C[INSERT 0 1] Z[T]"
    assert wire.run("SELECT missing") == "E[42703] Z[E]"
    for _ in range(2):
        assert wire.run("SELECT 1") == "E[25P02] Z[E]"
    assert wire.ask(parse("", "SELECT 1"), SYNC) == "E[25P02] Z[E]"
    assert wire.run("") == "I Z[E]"
    assert wire.run("COMMIT") == "C[ROLLBACK] Z[I]"
    assert count(wire) == 0


def test_warnings_about_blocks(wire):
    for sql in ("COMMIT", "ROLLBACK"):
        assert wire.run(sql) == f"N[25P01] C[{sql}] Z[I]"
    wire.run("BEGIN")
    assert wire.run("BEGIN") == "N[25001] C[BEGIN] Z[T]"
    assert wire.run("ROLLBACK") == "C[ROLLBACK] Z[I]"
    assert wire.run("SAVEPOINT s") == "E[25P01] Z[I]"
    assert wire.run("COMMIT AND CHAIN") == "E[25P01] Z[I]"


def test_savepoints(wire):
    wire.run("BEGIN")
    wire.run("INSERT INTO t VALUES (1, 'x')")
    assert wire.run("SAVEPOINT s") == "C[SAVEPOINT] Z[T]"
    assert wire.run("INSERT INTO t VALUES (1, 'y')") == "E[23505] Z[E]"
    assert wire.run("SAVEPOINT u") == "E[25P02] Z[E]"
    assert wire.run("ROLLBACK TO SAVEPOINT s") == "C[ROLLBACK] Z[T]"
    wire.run("INSERT INTO t VALUES (2, 'z')")
    assert wire.run("ROLLBACK TO nowhere") == "E[3B001] Z[E]"
    assert wire.run("ROLLBACK TO s") == "C[ROLLBACK] Z[T]"
    wire.run("INSERT INTO t VALUES (3, 'z')")
    assert wire.run("RELEASE SAVEPOINT s") == "C[RELEASE] Z[T]"
    assert wire.run("COMMIT") == "C[COMMIT] Z[I]"
    assert wire.run("SELECT a FROM t ORDER BY a") == "T[a] D[1] D[3] C[SELECT 2] Z[I]"


def test_read_only(wire):
    for begin in ("BEGIN READ ONLY", "START TRANSACTION READ ONLY"):
        wire.run(begin)
        assert wire.run("INSERT INTO t VALUES (1, 'x')") == "E[25006] Z[E]"
        wire.run("ROLLBACK")
    wire.run("SET default_transaction_read_only = on")
    assert wire.run("INSERT INTO t VALUES (1, 'x')") == "E[25006] Z[I]"
    wire.run("BEGIN READ WRITE")
    assert wire.run("INSERT INTO t VALUES (1, 'x')") == "C[INSERT 0 1] Z[T]"
    wire.run("COMMIT")


def test_chain(wire):
    wire.run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    assert wire.run("COMMIT AND CHAIN") == "C[COMMIT] Z[T]"
    assert "D[repeatable read]" in wire.run("SHOW transaction_isolation")
    assert "D[on]" in wire.run("SHOW transaction_read_only")
    assert wire.run("ROLLBACK AND CHAIN") == "C[ROLLBACK] Z[T]"
    assert wire.run("ROLLBACK") == "C[ROLLBACK] Z[I]"
    assert "D[read committed]" in wire.run("SHOW transaction_isolation")


def test_isolation_is_settled_by_the_first_query(wire):
    wire.run("BEGIN")
    assert wire.run("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE") == "C[SET] Z[T]"
    assert "D[serializable]" in wire.run("SHOW transaction_isolation")
    wire.run("SELECT count(*) FROM t")
    assert wire.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED") == "E[25001] Z[E]"


def test_read_committed_sees_what_others_commit(wire, server):
    with Wire(server.port) as other:
        wire.run("BEGIN")
        assert count(wire) == 0
        other.run("INSERT INTO t VALUES (1, 'x')")
        assert count(wire) == 1
        # And it never loses a race that it has only watched.
        assert wire.run("INSERT INTO t VALUES (2, 'y')") == "C[INSERT 0 1] Z[T]"
        assert wire.run("COMMIT") == "C[COMMIT] Z[I]"
        assert count(other) == 2


def test_repeatable_read_keeps_its_snapshot(wire, server):
    with Wire(server.port) as other:
        wire.run("INSERT INTO t VALUES (1, 'x')")
        wire.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert count(wire) == 1
        other.run("UPDATE t SET b = 'other'")
        assert "D[1,x]" in wire.run("SELECT a, b FROM t")
        assert wire.run("UPDATE t SET b = 'mine'") == "E[40001] Z[E]"
        wire.run("ROLLBACK")


def test_for_update_holds_others_off(wire, server):
    wire.run("INSERT INTO t VALUES (1, 'x')")
    wire.run("BEGIN")
    assert wire.run("SELECT b FROM t WHERE a = 1 FOR UPDATE") == "T[b] D[x] C[SELECT 1] Z[T]"
    with Wire(server.port) as other:
        other.run("SET lock_timeout = 100")
        assert other.run("UPDATE t SET b = 'other'") == "E[55P03] Z[I]"
        assert wire.run("UPDATE t SET b = b || '!'") == "C[UPDATE 1] Z[T]"
        wire.run("COMMIT")
        assert "D[x!]" in other.run("SELECT b FROM t")
    wire.run("BEGIN READ ONLY")
    assert wire.run("SELECT b FROM t FOR UPDATE") == "E[25006] Z[E]"


def test_sqlites_ways_to_begin(own, ours):
    for mode in ("DEFERRED", "IMMEDIATE", "EXCLUSIVE"):
        assert own.run(f"BEGIN {mode}") == "C[BEGIN] Z[T]"
        assert own.run("INSERT INTO t VALUES (1, 'x')") == "C[INSERT 0 1] Z[T]"
        assert own.run("ROLLBACK") == "C[ROLLBACK] Z[I]"
    with Wire(ours.port) as other:
        own.run("BEGIN IMMEDIATE")
        other.run("SET lock_timeout = 50")
        assert other.run("INSERT INTO t VALUES (1, 'x')") == "E[55P03] Z[I]"
        own.run("COMMIT")
        assert other.run("INSERT INTO t VALUES (1, 'x')") == "C[INSERT 0 1] Z[I]"


def test_writers_wait_for_each_other(server):
    """Everybody's increments are there, and nobody is told to try again."""
    with Wire(server.port) as wire:
        wire.run("DROP TABLE IF EXISTS counter")
        wire.run("CREATE TABLE counter(n int)")
        wire.run("INSERT INTO counter VALUES (0)")
    failures = []

    def work():
        with Wire(server.port) as own:
            for _ in range(25):
                for sql in ("BEGIN", "SELECT n FROM counter", "UPDATE counter SET n = n + 1", "COMMIT"):
                    if "E[" in (answer := own.run(sql)):
                        failures.append(answer)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Wire(server.port) as wire:
        assert "D[150]" in wire.run("SELECT n FROM counter")


# Extended queries --------------------------------------------------------------


def test_extended_query(wire):
    answer = wire.ask(parse("", "INSERT INTO t VALUES ($1, $2)", [INT4, TEXT]), bind("", "", [b"1", None]), describe("P"), execute(), SYNC)
    assert answer == "1 2 n C[INSERT 0 1] Z[I]"
    answer = wire.ask(parse("s", "SELECT a, b FROM t WHERE a = $1", [INT4]), describe("S", "s"), SYNC)
    assert answer == "1 t[23] T[a,b] Z[I]"
    for _ in range(2):
        assert wire.ask(bind("", "s", [b"1"]), describe("P"), execute(), SYNC) == "2 T[a,b] D[1,NULL] C[SELECT 1] Z[I]"
    assert wire.ask(close("S", "s"), close("S", "s"), close("P", "nothing"), SYNC) == "3 3 3 Z[I]"
    assert wire.ask(bind("", "s", [b"1"]), SYNC) == "E[26000] Z[I]"


def test_binary_both_ways(wire):
    one = struct.pack("!i", 1)
    wire.run("INSERT INTO t VALUES (1, 'x')")
    wire.send(parse("", "SELECT a, b FROM t WHERE a = $1", [INT4]), bind("", "", [one], [1], [1, 0]), describe("P"), execute(), SYNC)
    (columns, row) = [answer for answer in wire.read_until("Z") if answer.kind in "TD"]
    assert [column["format"] for column in columns.columns] == [1, 0]
    assert row.values == [one, b"x"]


def test_empty_statement(wire):
    assert wire.ask(parse("", ""), bind("", ""), describe("P"), execute(), SYNC) == "1 2 n I Z[I]"


def test_formats_are_counted(wire):
    prepared = parse("", "SELECT a, b FROM t WHERE a = $1 AND b = $2", [INT4, TEXT])
    assert wire.ask(prepared, bind("", "", [b"1", b"x"], [0, 0, 0]), SYNC) == "1 E[08P01] Z[I]"
    assert wire.ask(prepared, bind("", "", [b"1", b"x"], [], [0, 0, 0]), SYNC) == "1 E[08P01] Z[I]"
    assert wire.ask(prepared, bind("", "", [b"1"]), SYNC) == "1 E[08P01] Z[I]"
    assert wire.ask(prepared, bind("", "", [b"1", b"x"], [7]), SYNC) in ("1 E[22023] Z[I]", "1 E[0A000] Z[I]")
    assert wire.ask(prepared, bind("", "", [b"1", b"x"]), execute(), SYNC) == "1 2 C[SELECT 0] Z[I]"


def test_a_value_that_is_none(wire):
    answer = wire.ask(parse("", "SELECT a FROM t WHERE a = $1", [INT4]), bind("", "", [b"x"]), execute(), SYNC)
    assert answer == "1 E[22P02] Z[I]"


def test_skip_until_sync(wire):
    answer = wire.ask(
        parse("", "INSERT INTO t VALUES (1, 'x')"),
        bind("", ""),
        execute(),
        parse("", "SELECT missing FROM nowhere"),
        bind("", ""),
        execute(),
        query("SELECT 1"),
        parse("", "INSERT INTO t VALUES (2, 'x')"),
        bind("", ""),
        execute(),
        SYNC,
    )
    assert answer == "1 2 C[INSERT 0 1] E[42P01] Z[I]"
    # What came before the error in the batch is undone with it.
    assert count(wire) == 0


def test_a_batch_is_one_transaction(wire, server):
    insert = [parse("", "INSERT INTO t VALUES ($1, 'x')", [INT4])]
    for number in range(3):
        insert += [bind("", "", [str(number).encode()]), execute()]
    with Wire(server.port) as other:
        wire.send(*insert, FLUSH)
        wire.read_until("C"), wire.read_until("C"), wire.read_until("C")
        assert count(other) == 0
        assert wire.ask(SYNC) == "Z[I]"
        assert count(other) == 3
        insert = insert[:-2] + [bind("", "", [b"1"]), execute()]
        assert wire.ask(*insert, SYNC).endswith("E[23505] Z[I]")
        assert count(other) == 3


def test_an_explicit_transaction_in_batches(wire):
    begin = [parse("", "BEGIN"), bind("", ""), execute(), SYNC]
    assert wire.ask(*begin) == "1 2 C[BEGIN] Z[T]"
    wire.run("INSERT INTO t VALUES (1, 'x')")
    assert wire.ask(parse("", "SELECT missing FROM nowhere"), SYNC) == "E[42P01] Z[E]"
    assert wire.ask(parse("", "ROLLBACK"), bind("", ""), execute(), SYNC) == "1 2 C[ROLLBACK] Z[I]"
    assert count(wire) == 0


def test_an_error_is_seen_without_sync(wire):
    wire.send(parse("", "SELECT missing FROM nowhere"), FLUSH)
    assert wire.read().kind == "E"
    assert wire.ask(SYNC) == "Z[I]"


def test_several_statements_cannot_be_prepared(wire):
    assert wire.ask(parse("", "SELECT 1; SELECT 2"), SYNC) == "E[42601] Z[I]"


def test_names_are_taken(wire):
    assert wire.ask(parse("s", "SELECT 1"), parse("s", "SELECT 1"), SYNC) == "1 E[42P05] Z[I]"
    assert wire.ask(bind("p", "s"), bind("p", "s"), SYNC) == "2 E[42P03] Z[I]"
    assert wire.ask(parse("", "SELECT 1"), parse("", "SELECT 2"), bind("", ""), bind("", ""), SYNC) == "1 1 2 2 Z[I]"


def test_simple_query_ends_the_unnamed_statement(wire):
    wire.ask(parse("", "SELECT 1"), SYNC)
    wire.run("SELECT 1")
    assert wire.ask(bind("", ""), SYNC) == "E[26000] Z[I]"


def test_malformed_messages(server):
    for bad in (message(b"P", b"no end"), message(b"B", b"\0x"), message(b"E", b"\0\0"), message(b"D", b"S")):
        with Wire(server.port) as wire:
            assert wire.ask(bad, SYNC) == "E[08P01] Z[I]"
            assert wire.run("SELECT 1").endswith("Z[I]")


def test_unknown_message(server):
    with Wire(server.port) as wire:
        wire.send(message(b"!", b""))
        (*_, error) = wire.until_closed()
        assert (error.fields["C"], error.fields["S"]) == ("08P01", "FATAL")


def test_message_that_is_too_long(ours):
    with Wire(ours.port) as wire:
        wire.send(b"Q" + struct.pack("!I", 0x7FFFFFFF))
        (*_, error) = wire.until_closed()
        assert (error.fields["C"], error.fields["S"]) == ("08P01", "FATAL")


def test_terminate(wire):
    wire.send(TERMINATE)
    assert wire.until_closed() == []


def test_statements_are_planned_again(wire):
    wire.run("INSERT INTO t VALUES (1, 'x')")
    assert wire.ask(parse("s", "SELECT b FROM t"), parse("all", "SELECT * FROM t"), SYNC) == "1 1 Z[I]"
    assert wire.ask(bind("", "s"), execute(), SYNC) == "2 D[x] C[SELECT 1] Z[I]"
    wire.run("DROP TABLE t")
    assert wire.ask(bind("", "s"), execute(), SYNC) == "E[42P01] Z[I]"
    wire.run("CREATE TABLE t(c int, b text)")
    wire.run("INSERT INTO t VALUES (1, 'y')")
    assert wire.ask(bind("", "s"), execute(), SYNC) == "2 D[y] C[SELECT 1] Z[I]"
    wire.run("ALTER TABLE t ADD COLUMN d int")
    assert wire.ask(bind("", "all"), execute(), SYNC) == "E[0A000] Z[I]"


# Portals -----------------------------------------------------------------------

ROWS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}) SELECT n FROM r"


def test_another_program_changes_the_schema(own, ours):
    own.run("INSERT INTO t VALUES (1, 'x')")
    assert own.run("SELECT b FROM t") == "T[b] D[x] C[SELECT 1] Z[I]"
    with contextlib.closing(sqlite3.connect(ours.directory / "data" / "postgres.sqlite")) as other:
        other.execute("ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new'")
        assert own.run("SELECT b, c FROM t") == "T[b,c] D[x,new] C[SELECT 1] Z[I]"
    own.run("BEGIN; ALTER TABLE t ADD COLUMN d int; SAVEPOINT s; ALTER TABLE t ADD COLUMN e int")
    assert own.run("SELECT d, e FROM t") == "T[d,e] D[NULL,NULL] C[SELECT 1] Z[T]"
    own.run("ROLLBACK TO s")
    assert own.run("SELECT e, d FROM t") == "E[42703] Z[E]"
    own.run("ROLLBACK")
    assert own.run("SELECT d, b FROM t") == "E[42703] Z[I]"


def test_portal_in_parts(wire):
    wire.run("BEGIN")
    assert wire.ask(parse("", ROWS.format(5)), bind("p", ""), execute("p", 2), SYNC) == "1 2 D[1] D[2] s Z[T]"
    assert wire.ask(execute("p", 2), execute("p", 2), SYNC) == "D[3] D[4] s D[5] C[SELECT 1] Z[T]"
    assert wire.ask(execute("p", 2), SYNC) == "C[SELECT 0] Z[T]"


def test_as_many_rows_as_asked_for_suspend(wire):
    wire.run("BEGIN")
    assert wire.ask(parse("", ROWS.format(2)), bind("p", ""), execute("p", 2), SYNC) == "1 2 D[1] D[2] s Z[T]"
    assert wire.ask(execute("p", 2), SYNC) == "C[SELECT 0] Z[T]"
    assert wire.ask(execute("p"), SYNC) == "C[SELECT 0] Z[T]"


def test_portals_end_with_the_transaction(wire):
    assert wire.ask(parse("", ROWS.format(5)), bind("p", ""), execute("p", 2), SYNC) == "1 2 D[1] D[2] s Z[I]"
    assert wire.ask(execute("p", 2), SYNC) == "E[34000] Z[I]"
    wire.run("BEGIN")
    wire.ask(parse("", ROWS.format(5)), bind("p", ""), execute("p", 2), SYNC)
    wire.run("COMMIT")
    assert wire.ask(execute("p", 2), SYNC) == "E[34000] Z[I]"


def test_a_portal_that_changes_cannot_run_twice(wire):
    answer = wire.ask(parse("", "INSERT INTO t VALUES (1, 'x')"), bind("p", ""), execute("p"), execute("p"), SYNC)
    assert answer == "1 2 C[INSERT 0 1] E[55000] Z[I]"
    assert count(wire) == 0


def test_a_change_is_counted_whole_under_a_limit(wire):
    insert = parse("", "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
    assert wire.ask(insert, bind("", ""), describe("P"), execute("", 1), SYNC) == "1 2 n C[INSERT 0 3] Z[I]"


def test_what_is_skipped_is_a_notice(wire):
    wire.send(query("DROP TABLE IF EXISTS nothing"))
    notice, *_ = wire.read_until("Z")
    assert (notice.kind, notice.fields["S"], notice.fields["C"]) == ("N", "NOTICE", "00000")


def test_returning_in_parts(wire):
    insert = parse("", "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z') RETURNING a")
    assert wire.ask(insert, bind("", ""), execute("", 2), SYNC) == "1 2 D[1] D[2] s Z[I]"
    # All of it happened, whatever was fetched.
    assert count(wire) == 3


def test_cursors_of_sql(wire):
    wire.run("BEGIN")
    assert wire.run(f"DECLARE c CURSOR FOR {ROWS.format(5)}") == "C[DECLARE CURSOR] Z[T]"
    assert wire.run("FETCH 2 FROM c") == "T[n] D[1] D[2] C[FETCH 2] Z[T]"
    assert wire.run("MOVE 1 FROM c") == "C[MOVE 1] Z[T]"
    assert wire.ask(describe("P", "c"), execute("c", 1), SYNC) == "T[n] D[4] s Z[T]"
    assert wire.run("FETCH ALL FROM c") == "T[n] D[5] C[FETCH 1] Z[T]"
    assert wire.run("FETCH ALL FROM c") == "T[n] C[FETCH 0] Z[T]"
    assert wire.run("CLOSE c") == "C[CLOSE CURSOR] Z[T]"
    assert wire.run("FETCH 1 FROM c") == "E[34000] Z[E]"
    wire.run("ROLLBACK")
    assert wire.run("DECLARE c CURSOR FOR SELECT 1") == "E[25P01] Z[I]"


def test_a_cursor_with_parameters(wire):
    wire.run("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
    declare = parse("", "DECLARE c CURSOR FOR SELECT a, b FROM t WHERE a >= $1 ORDER BY a")
    wire.run("BEGIN")
    assert wire.ask(declare, describe("S"), bind("", "", [b"2"]), execute(), SYNC) == f"1 t[{INT4}] n 2 C[DECLARE CURSOR] Z[T]"
    assert wire.run("FETCH 5 FROM c") == "T[a,b] D[2,y] D[3,z] C[FETCH 2] Z[T]"


def rows_of(answer: str) -> str:
    """An answer in short: the values of its rows, and how it ended."""
    values = [part[2:-1] for part in answer.split() if part.startswith("D[")]
    (end,) = [part for part in re.findall(r"[CE]\[[^]]*\]", answer)]
    return " ".join([*values, end[2:-1]])


def test_cursors_that_scroll(wire):
    wire.run("BEGIN")
    assert wire.run(f"DECLARE c SCROLL CURSOR FOR {ROWS.format(5)}") == "C[DECLARE CURSOR] Z[T]"
    for command, told in [
        ("FETCH PRIOR FROM c", "FETCH 0"),
        ("FETCH NEXT FROM c", "1 FETCH 1"),
        ("FETCH 2 FROM c", "2 3 FETCH 2"),
        ("FETCH BACKWARD 1 FROM c", "2 FETCH 1"),
        ("FETCH FORWARD 0 FROM c", "2 FETCH 1"),
        ("FETCH BACKWARD 0 FROM c", "2 FETCH 1"),
        ("FETCH RELATIVE 0 FROM c", "2 FETCH 1"),
        ("FETCH LAST FROM c", "5 FETCH 1"),
        ("FETCH c", "FETCH 0"),
        ("FETCH RELATIVE 0 c", "FETCH 0"),
        ("FETCH BACKWARD ALL IN c", "5 4 3 2 1 FETCH 5"),
        ("FETCH PRIOR c", "FETCH 0"),
        ("FETCH FIRST FROM c", "1 FETCH 1"),
        ("FETCH ABSOLUTE 4 FROM c", "4 FETCH 1"),
        ("FETCH ABSOLUTE -4 FROM c", "2 FETCH 1"),
        ("FETCH RELATIVE 2 FROM c", "4 FETCH 1"),
        ("FETCH RELATIVE -3 FROM c", "1 FETCH 1"),
        ("FETCH RELATIVE -1 FROM c", "FETCH 0"),
        ("FETCH -1 FROM c", "FETCH 0"),
        ("FETCH FORWARD 9 FROM c", "1 2 3 4 5 FETCH 5"),
        ("FETCH -2 FROM c", "5 4 FETCH 2"),
        ("FETCH BACKWARD -1 FROM c", "5 FETCH 1"),
        ("FETCH ABSOLUTE 9 FROM c", "FETCH 0"),
        ("FETCH PRIOR FROM c", "5 FETCH 1"),
        ("FETCH ABSOLUTE 0 FROM c", "FETCH 0"),
        ("FETCH ALL FROM c", "1 2 3 4 5 FETCH 5"),
        ("MOVE BACKWARD 2 IN c", "MOVE 2"),
        ("FETCH RELATIVE 0 FROM c", "4 FETCH 1"),
        ("MOVE ABSOLUTE 2 IN c", "MOVE 1"),
        ("MOVE RELATIVE 0 IN c", "MOVE 1"),
        ("MOVE RELATIVE -9 IN c", "MOVE 0"),
        ("MOVE FORWARD ALL IN c", "MOVE 5"),
        ("MOVE PRIOR IN c", "MOVE 1"),
        ("MOVE FIRST IN c", "MOVE 1"),
        ("FETCH NEXT FROM c", "2 FETCH 1"),
    ]:
        assert rows_of(wire.run(command)) == told, command
    assert wire.ask(execute("c", 2), SYNC) == "D[3] D[4] s Z[T]"
    assert rows_of(wire.run("FETCH PRIOR FROM c")) == "3 FETCH 1"
    assert wire.run("FETCH FORWARD -") == "E[42601] Z[E]"


def test_scrolling_keeps_values(wire):
    wire.run("CREATE TABLE IF NOT EXISTS kinds (a int, b text, c numeric(6,3), d bytea, e float8, f bool, g timestamp)")
    wire.run("TRUNCATE kinds")
    wire.run("INSERT INTO kinds VALUES (1, '1', 1.5, '\\x0100', 0.1, true, '2020-02-29 12:00'), (2, NULL, NULL, NULL, NULL, NULL, NULL)")
    wire.run("BEGIN")
    wire.run("DECLARE c SCROLL CURSOR FOR SELECT * FROM kinds ORDER BY a")
    forward = wire.run("FETCH ALL FROM c")
    back = wire.run("FETCH BACKWARD ALL FROM c")
    assert sorted(forward.split("] ")) == sorted(back.split("] "))
    assert "D[1,1,1.500,\\x0100,0.1,t,2020-02-29 12:00:00] D[2,NULL" in forward
    wire.run("ROLLBACK")
    wire.run("DROP TABLE kinds")


def test_cursors_that_do_not_scroll(wire):
    for command, told in [
        ("FETCH PRIOR FROM c", "E[55000]"),
        ("FETCH BACKWARD ALL FROM c", "E[55000]"),
        ("FETCH ABSOLUTE 1 FROM c", "E[55000]"),
        ("FETCH ABSOLUTE 5 FROM c", "D[5] C[FETCH 1]"),
        ("FETCH RELATIVE 2 FROM c", "D[4] C[FETCH 1]"),
        ("FETCH RELATIVE -1 FROM c", "E[55000]"),
        ("FETCH LAST FROM c", "E[55000]"),
        ("MOVE FORWARD 2 FROM c", "C[MOVE 2]"),
    ]:
        wire.run("BEGIN")
        # Sorted in a way that PostgreSQL's executor cannot go back in.
        wire.run(f"DECLARE c NO SCROLL CURSOR FOR {ROWS.format(9)}")
        assert wire.run("FETCH 2 FROM c") == "T[n] D[1] D[2] C[FETCH 2] Z[T]"
        assert f"{told} " in wire.run(command), command
        wire.run("ROLLBACK")
    wire.run("BEGIN")
    wire.run(f"DECLARE c NO SCROLL CURSOR FOR {ROWS.format(9)}")
    assert wire.run("FETCH FIRST FROM c") == "T[n] D[1] C[FETCH 1] Z[T]"
    wire.send(query("FETCH PRIOR FROM c"))
    error = wire.read_until("Z")[-2].fields
    assert (error["M"], error["H"]) == ("cursor can only scan forward", "Declare it with SCROLL option to enable backward scan.")


def test_a_cursor_sees_what_was_there_when_it_was_declared(wire):
    wire.run("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
    wire.run("BEGIN")
    wire.run("DECLARE begun CURSOR FOR SELECT a FROM t ORDER BY a")
    wire.run("DECLARE fresh CURSOR FOR SELECT a FROM t ORDER BY a")
    wire.run("DECLARE scrolls SCROLL CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a")
    assert rows_of(wire.run("FETCH 1 FROM begun")) == "1 FETCH 1"
    assert wire.ask(parse("", "SELECT a FROM t ORDER BY a"), bind("p", ""), execute("p", 1), SYNC) == "1 2 D[1] s Z[T]"
    wire.run("DELETE FROM t WHERE a < 3")
    wire.run("INSERT INTO t VALUES (4, 'new')")
    assert rows_of(wire.run("FETCH ALL FROM begun")) == "2 3 FETCH 2"
    assert rows_of(wire.run("FETCH ALL FROM fresh")) == "1 2 3 FETCH 3"
    assert wire.ask(execute("p"), SYNC) == "D[2] D[3] C[SELECT 2] Z[T]"
    assert rows_of(wire.run("FETCH LAST FROM scrolls")) == "3 FETCH 1"
    assert wire.run("COMMIT") == "C[COMMIT] Z[I]"
    assert rows_of(wire.run("FETCH BACKWARD ALL FROM scrolls")) == "2 1 FETCH 2"
    wire.run("DELETE FROM t")
    assert rows_of(wire.run("FETCH ABSOLUTE 2 FROM scrolls")) == "2 FETCH 1"
    assert wire.run("CLOSE scrolls") == "C[CLOSE CURSOR] Z[I]"


def test_a_scrolled_result_takes_little_memory(tmp_path):
    server = PgFrontend(tmp_path)
    try:
        with Wire(server.port, timeout=60) as wire:
            wire.run("BEGIN")
            wire.run("SELECT 1")
            before = server.memory()
            wire.run(f"DECLARE c SCROLL CURSOR FOR SELECT n, '{'x' * 1000}' FROM ({ROWS.format(100_000)}) AS r")
            assert "D[100000," in wire.run("FETCH LAST FROM c")
            assert "D[1," in wire.run("FETCH FIRST FROM c")
            assert server.memory() - before < 20 << 20
    finally:
        server.stop()


def test_constraints_made_immediate_are_checked(wire):
    wire.run("CREATE TABLE child (a int REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED)")
    try:
        wire.run("BEGIN")
        wire.run("INSERT INTO child VALUES (7)")
        assert wire.run("SET CONSTRAINTS ALL IMMEDIATE") == "E[23503] Z[E]"
        wire.run("ROLLBACK")
        wire.run("BEGIN")
        wire.run("SET CONSTRAINTS ALL IMMEDIATE")
        wire.run("SET CONSTRAINTS ALL DEFERRED")
        assert wire.run("INSERT INTO child VALUES (7)") == "C[INSERT 0 1] Z[T]"
        assert wire.run("COMMIT") == "E[23503] Z[I]"
    finally:
        wire.run("DROP TABLE child")


def test_cursors_with_hold(wire, server):
    wire.run("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
    wire.run("BEGIN")
    wire.run("DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a")
    assert wire.run("FETCH 1 FROM c") == "T[a] D[1] C[FETCH 1] Z[T]"
    wire.run("COMMIT")
    with Wire(server.port) as other:
        other.run("DELETE FROM t")
    # It neither sees what came later nor stands in the way of a write.
    assert wire.run("INSERT INTO t VALUES (9, 'n')") == "C[INSERT 0 1] Z[I]"
    assert wire.run("FETCH ALL FROM c") == "T[a] D[2] D[3] C[FETCH 2] Z[I]"
    assert wire.run("CLOSE c") == "C[CLOSE CURSOR] Z[I]"


def test_rows_stream(tmp_path):
    """A result far larger than the memory it takes, with max_rows = 0."""
    server = PgFrontend(tmp_path)
    try:
        with Wire(server.port) as wire:
            wire.run("SELECT 1")
            before = server.memory()
            wire.send(parse("", f"SELECT n, '{'x' * 1000}' FROM ({ROWS.format(300_000)}) AS r"), bind("", ""), execute(), SYNC)
            kinds = dict.fromkeys("D", 0)
            while (answer := wire.read()).kind != "Z":
                kinds[answer.kind] = kinds.get(answer.kind, 0) + 1
            assert kinds["D"] == 300_000
            assert server.memory() - before < 10 << 20
    finally:
        server.stop()


# Prepared statements -----------------------------------------------------------


def test_prepared_statements_are_listed(wire):
    listed = "SELECT name, statement, parameter_types::oid[], from_sql, prepare_time <= now() + interval '1 min' FROM pg_prepared_statements ORDER BY 1"
    wire.ask(parse("of the protocol", "SELECT $1::int, $2", (0, TEXT)), parse("", "SELECT 1"), SYNC)
    assert wire.run("PREPARE sql (int, text) AS SELECT a, b FROM t WHERE a = $1 AND b = $2") == "C[PREPARE] Z[I]"
    answer = wire.run(listed)
    assert "D[of the protocol,SELECT $1::int, $2,{23,25},f,t]" in answer
    assert "D[sql,PREPARE sql (int, text) AS SELECT a, b FROM t WHERE a = $1 AND b = $2,{23,25},t,t]" in answer
    assert wire.ask(close("S", "of the protocol"), SYNC) == "3 Z[I]"
    assert "C[SELECT 1]" in wire.run(listed)
    wire.run("DEALLOCATE ALL")
    assert "C[SELECT 0]" in wire.run(listed)
    wire.ask(parse("x", "SELECT 1"), SYNC)
    wire.run("DISCARD ALL")
    assert "C[SELECT 0]" in wire.run(listed)


# Settings ----------------------------------------------------------------------


def test_settings_are_reported(wire):
    assert wire.run("SET TimeZone = 'Asia/Tokyo'") in (
        "C[SET] S[TimeZone=Asia/Tokyo] Z[I]",
        "S[TimeZone=Asia/Tokyo] C[SET] Z[I]",
    )
    assert "S[application_name=me]" in wire.run("SET application_name = 'me'")
    wire.run("BEGIN")
    wire.run("SET TimeZone = 'Europe/Berlin'")
    assert "S[TimeZone=Asia/Tokyo]" in wire.run("ROLLBACK")
    wire.run("BEGIN")
    wire.run("SET LOCAL TimeZone = 'Europe/Berlin'")
    assert "S[TimeZone=Asia/Tokyo]" in wire.run("COMMIT")
    assert wire.run("SET LOCAL TimeZone = 'UTC'") == "N[25P01] C[SET] Z[I]"


def test_settings_are_checked(wire):
    assert wire.run("SET no_such_thing = 1") == "E[42704] Z[I]"
    assert wire.run("SET statement_timeout = 'long'") == "E[22023] Z[I]"
    assert wire.run("SET server_version = '99'") == "E[55P02] Z[I]"
    assert wire.run("SET my.own = 'x'") == "C[SET] Z[I]"
    assert "D[x]" in wire.run("SHOW my.own")
    assert wire.run("SHOW no_such_thing") == "E[42704] Z[I]"


# Interrupts --------------------------------------------------------------------

LONG = ROWS.format(2_000_000_000).replace("SELECT n FROM r", "SELECT count(*) FROM r")


def test_cancel(wire):
    wire.send(query(LONG))
    time.sleep(0.2)
    wire.cancel(secret=wire.key[1] ^ 1)
    wire.cancel(pid=wire.key[0] + 1000)
    time.sleep(0.2)
    wire.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        wire.socket.recv(1)
    wire.socket.settimeout(20)
    wire.cancel()
    assert wire.until_ready().endswith("E[57014] Z[I]")
    # One that comes too late does nothing.
    wire.cancel()
    assert wire.run("SELECT count(*) FROM t").endswith("C[SELECT 1] Z[I]")


def test_cancel_of_a_writer_rolls_back(wire):
    wire.run("BEGIN")
    wire.run("INSERT INTO t VALUES (1, 'x')")
    wire.send(query(f"INSERT INTO t SELECT 2, ({LONG})"))
    time.sleep(0.3)
    wire.cancel()
    assert wire.until_ready() == "E[57014] Z[E]"
    assert wire.run("ROLLBACK") == "C[ROLLBACK] Z[I]"
    assert count(wire) == 0


def test_cancel_of_one_who_waits(wire, server):
    wire.run("BEGIN")
    wire.run("INSERT INTO t VALUES (1, 'x')")
    with Wire(server.port) as other:
        other.send(query("INSERT INTO t VALUES (1, 'y')"))
        time.sleep(0.3)
        other.cancel()
        assert other.until_ready() == "E[57014] Z[I]"
    wire.run("COMMIT")


def test_statement_timeout(wire):
    wire.run("SET statement_timeout = 100")
    assert wire.run(LONG).endswith("E[57014] Z[I]")
    assert wire.run("SELECT count(*) FROM t").endswith("Z[I]")


def test_a_client_that_vanishes_is_rolled_back(wire, server):
    other = Wire(server.port)
    other.run("BEGIN")
    other.run("INSERT INTO t VALUES (1, 'x')")
    other.socket.close()
    assert wire.run("INSERT INTO t VALUES (1, 'y')") == "C[INSERT 0 1] Z[I]"


def test_a_client_that_vanishes_while_its_query_runs(own, ours):
    other = Wire(ours.port)
    other.run("BEGIN")
    other.run("INSERT INTO t VALUES (1, 'x')")
    other.send(query(LONG))
    time.sleep(0.1)
    other.socket.close()
    assert own.run("INSERT INTO t VALUES (1, 'y')") == "C[INSERT 0 1] Z[I]"


def test_a_silent_client_in_a_transaction(wire, server):
    with Wire(server.port) as other:
        other.run("SET idle_in_transaction_session_timeout = 300")
        time.sleep(0.6)
        other.run("BEGIN")
        other.run("INSERT INTO t VALUES (1, 'x')")
        (*_, error) = other.until_closed()
        assert (error.fields["C"], error.fields["S"]) == ("25P03", "FATAL")
    assert wire.run("INSERT INTO t VALUES (1, 'y')") == "C[INSERT 0 1] Z[I]"


def test_a_silent_client_outside_of_a_transaction(server):
    with Wire(server.port) as other:
        other.run("SET idle_session_timeout = 300")
        other.run("BEGIN")
        time.sleep(0.6)
        other.run("COMMIT")
        (*_, error) = other.until_closed()
        assert (error.fields["C"], error.fields["S"]) == ("57P05", "FATAL")


def test_a_batch_whose_sync_does_not_come(own, ours):
    """It has written: others wait. PostgreSQL waits for ever, its writers do not wait for each other."""
    with Wire(ours.port) as other:
        other.run("SET idle_in_transaction_session_timeout = 500")
        other.send(parse("", "INSERT INTO t VALUES (1, 'x')"), bind("", ""), execute(), FLUSH)
        assert show(other.until_closed()) == "1 2 C[INSERT 0 1] E[25P03]"
    assert own.run("INSERT INTO t VALUES (1, 'y')") == "C[INSERT 0 1] Z[I]"


def test_idle_in_transaction_has_a_default(own):
    assert "D[30s]" in own.run("SHOW idle_in_transaction_session_timeout")


# COPY --------------------------------------------------------------------------


def test_copy_in_and_out(wire):
    wire.send(query("COPY t FROM STDIN"))
    assert wire.read().kind == "G"
    # Chunks end anywhere.
    assert wire.ask(copy_data(b"1\tx\n2\t"), copy_data(b"\\"), copy_data(b"N\n3\ta\\tb\n"), COPY_DONE) == "C[COPY 3] Z[I]"
    assert wire.run("COPY t TO STDOUT") == "H d[1\tx] d[2\t\\N] d[3\ta\\tb] c C[COPY 3] Z[I]"
    assert wire.run("COPY t TO STDOUT WITH (FORMAT csv)") == "H d[1,x] d[2,] d[3,a\tb] c C[COPY 3] Z[I]"


def test_copy_header_does_not_count(wire):
    wire.run("INSERT INTO t VALUES (1, 'x,y')")
    assert wire.run("COPY t TO STDOUT WITH (FORMAT csv, HEADER)") == 'H d[a,b] d[1,"x,y"] c C[COPY 1] Z[I]'
    wire.send(query("COPY t FROM STDIN WITH (FORMAT csv, HEADER)"))
    wire.read()
    assert wire.ask(copy_data(b'a,b\n2,"two\nlines"\n3,'), COPY_DONE) == "C[COPY 2] Z[I]"
    assert "D[2,two\nlines] D[3,NULL]" in wire.run("SELECT a, b FROM t WHERE a > 1 ORDER BY a")


def test_copy_binary(wire):
    wire.run("INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    wire.send(query("COPY t TO STDOUT WITH (FORMAT binary)"))
    chunks = [answer.body for answer in wire.read_until("Z") if answer.kind == "d"]
    # One for each row, the first with the signature, and the end's.
    assert len(chunks) == 3
    data = b"".join(chunks)
    row = b"\0\2\0\0\0\4\0\0\0\1\0\0\0\1x" + b"\0\2\0\0\0\4\0\0\0\2\xff\xff\xff\xff"
    assert data == b"PGCOPY\n\xff\r\n\0" + bytes(8) + row + b"\xff\xff"
    wire.run("DELETE FROM t")
    wire.send(query("COPY t FROM STDIN WITH (FORMAT binary)"))
    wire.read()
    assert wire.ask(*(copy_data(data[at : at + 3]) for at in range(0, len(data), 3)), COPY_DONE) == "C[COPY 2] Z[I]"
    assert count(wire) == 2


def test_copy_is_all_or_nothing(wire):
    for data, code, line in ((b"1\tx\n2\n", "22P04", 2), (b"1\tx\n2\ty\nz\tz\n", "22P02", 3), (b"1\tx\n1\ty\n", "23505", 2)):
        wire.send(query("COPY t FROM STDIN"), copy_data(data), copy_data(b"5\tx\n"), COPY_DONE)
        (*_, error, _) = wire.read_until("Z")
        assert error.fields["C"] == code
        assert f"line {line}" in error.fields["W"]
        assert count(wire) == 0


@pytest.mark.parametrize(
    "options, data, where",
    [
        ("", b"1\tx\nz\ty\n", 'COPY t, line 2, column a: "z"'),
        ("", b"1\tx\n2\n", 'COPY t, line 2: "2"'),
        ("", b"1\tx\n2\ty\tz\n", 'COPY t, line 2: "2\ty\tz"'),
        ("", b"1\tx\n1\ty\n", "COPY t, line 2"),
        ("", b"x" * 150 + b"\ty\n", f'COPY t, line 1, column a: "{"x" * 100}..."'),
        ("(FORMAT csv, HEADER)", b'a,b\n1,"two\nlines"\nz,y\n', 'COPY t, line 4, column a: "z"'),
        ("(FORMAT csv)", b'1,x\n2,"open', 'COPY t, line 2: "2,"open"'),
        ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2\0\0\0\1x\0\0\0\1y\xff\xff", "COPY t, line 1, column a"),
    ],
)
def test_copy_says_where_an_error_is(wire, options, data, where):
    wire.send(query(f"COPY t FROM STDIN {options}"), copy_data(data), COPY_DONE)
    (*_, error, _) = wire.read_until("Z")
    assert error.fields["W"] == where


def test_copy_makes_up_no_keys(wire):
    """SQLite makes up an integer primary key where it is given NULL or nothing."""
    for columns, data in (("(a, b)", b"\\N\tx\n"), ("(b)", b"x\n")):
        wire.send(query(f"COPY t {columns} FROM STDIN"), copy_data(data), COPY_DONE)
        (*_, error, _) = wire.read_until("Z")
        fields = {name: error.fields[name] for name in "CMW"}
        assert fields == {
            "C": "23502", "M": 'null value in column "a" of relation "t" violates not-null constraint',
            "W": f'COPY t, line 1: "{data[:-1].decode()}"',
        }


def test_copy_says_which_line_has_no_value(wire):
    wire.run("ALTER TABLE t ALTER COLUMN b SET NOT NULL")
    wire.send(query("COPY t FROM STDIN"), copy_data(b"1\t\\N\n"), COPY_DONE)
    (*_, error, _) = wire.read_until("Z")
    assert (error.fields["C"], error.fields["W"]) == ("23502", 'COPY t, line 1: "1\t\\N"')


def test_copy_says_which_column_is_missing(wire):
    wire.send(query("COPY t (b, a) FROM STDIN"), copy_data(b"x\n"), COPY_DONE)
    (*_, error, _) = wire.read_until("Z")
    assert error.fields["M"] == 'missing data for column "a"'


def test_copy_that_the_client_gives_up(wire):
    wire.send(query("COPY t FROM STDIN"), copy_data(b"1\tx\n"))
    assert wire.ask(copy_fail("no more")) == "G E[57014] Z[I]"
    assert count(wire) == 0


def test_copy_in_the_extended_protocol(wire):
    answer = wire.ask(
        parse("", "COPY t FROM STDIN"), bind("", ""), describe("P"), execute(), SYNC, copy_data(b"1\tx\n"), COPY_DONE, SYNC
    )
    assert answer == "1 2 n G C[COPY 1] Z[I]"
    answer = wire.ask(parse("", "COPY t FROM STDIN"), bind("", ""), execute(), copy_data(b"1\n"), COPY_DONE, SYNC)
    assert answer == "1 2 G E[22P04] Z[I]"
    assert wire.ask(parse("", "COPY t TO STDOUT"), bind("", ""), execute(), SYNC) == "1 2 H d[1\tx] c C[COPY 1] Z[I]"


def test_copy_in_a_transaction(wire):
    wire.run("BEGIN")
    wire.send(query("COPY t FROM STDIN"))
    wire.read()
    assert wire.ask(copy_data(b"1\tx\n\\.\n"), COPY_DONE) == "C[COPY 1] Z[T]"
    wire.run("ROLLBACK")
    assert count(wire) == 0


def test_an_unexpected_message_during_copy(own):
    own.send(query("COPY t FROM STDIN"), query("SELECT 1"))
    assert own.until_ready() == "G E[08P01] Z[I]"


def test_copy_takes_constant_memory(tmp_path):
    server = PgFrontend(tmp_path)
    try:
        with Wire(server.port) as wire:
            wire.run("CREATE TABLE big(a int, b text)")
            before = server.memory()
            wire.send(query("COPY big FROM STDIN"))
            wire.read()
            chunk = b"".join(b"%d\t%s\n" % (number, b"x" * 100) for number in range(1000))
            for _ in range(500):
                wire.send(copy_data(chunk))
            assert wire.ask(COPY_DONE) == "C[COPY 500000] Z[I]"
            wire.send(query("COPY big TO STDOUT"))
            assert sum(answer.kind == "d" for answer in wire.read_until("Z")) == 500_000
            assert server.memory() - before < 20 << 20
    finally:
        server.stop()


# Limits, authentication, encryption --------------------------------------------


def test_too_many_clients(tmp_path):
    server = PgFrontend(tmp_path, CONNECTION_POOL_SIZE="2", CONNECTION_WAIT="300ms")
    try:
        first, second = Wire(server.port), Wire(server.port)
        third = Wire(server.port, options=None)
        third.start("postgres", "postgres")
        (*_, error) = third.until_closed()
        assert (error.fields["C"], error.fields["S"]) == ("53300", "FATAL")
        # One who waits gets the place of one who goes.
        waiting = Wire(server.port, options=None)
        waiting.start("postgres", "postgres")
        first.send(TERMINATE)
        assert waiting.read_until("Z")[-1].kind == "Z"
        second.socket.close()
    finally:
        server.stop()


def sign_in(server, **more) -> subprocess.CompletedProcess:
    """psql's own idea of all this."""
    command = ["psql", server.dsn(connect_timeout=10, **more), "-XAtc", "SELECT 1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("method", ["password", "md5", "scram-sha-256"])
def test_authentication(tmp_path, method):
    server = PgFrontend(tmp_path, PG_PASSWORD="s3cret!", PG_AUTH_METHOD=method)
    try:
        answer = sign_in(server)
        assert (answer.returncode, answer.stdout) == (0, "1\n"), answer.stderr
        for wrong in ({"password": "S3cret!"}, {"user": "nobody"}, {"password": "''"}):
            answer = sign_in(server, **wrong)
            assert answer.returncode == 2
            assert "password authentication failed" in answer.stderr or "no password supplied" in answer.stderr
        assert "s3cret!" not in server.log.read_text()
    finally:
        server.stop()


def test_a_password_is_prepared(tmp_path):
    """SASLprep: what looks alike is one password, whoever writes it."""
    server = PgFrontend(tmp_path, PG_PASSWORD="I\u00adX\u00a0\u2168")
    try:
        for written in ("IX IX", "I\u00adX\u00a0\u2168"):
            assert sign_in(server, password=f"'{written}'").stdout == "1\n", written
        assert sign_in(server, password="'IX ix'").returncode == 2
    finally:
        server.stop()


def test_guessing_is_slow(tmp_path):
    server = PgFrontend(tmp_path, PG_PASSWORD="s3cret!", PG_AUTH_METHOD="password")
    try:
        for _ in range(10):
            wire = Wire(server.port, options=None)
            wire.start("postgres", "postgres")
            assert wire.read().kind == "R"
            wire.send(message(b"p", text("guess")))
            assert wire.until_closed()[-1].fields["C"] == "28P01"
        assert "too many failed attempts" in sign_in(server).stderr
    finally:
        server.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return {"PG_TLS_CERT_FILE": str(directory / "cert.pem"), "PG_TLS_KEY_FILE": str(directory / "key.pem")}


def test_encryption(tmp_path, certificate):
    server = PgFrontend(tmp_path, **certificate, PG_TLS_REQUIRED="true", PG_PASSWORD="s3cret!")
    try:
        assert sign_in(server, sslmode="require").stdout == "1\n"
        assert "encrypted" in sign_in(server, sslmode="disable").stderr
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            # Bytes before the handshake were put there by somebody else.
            plain.sendall(SSL_REQUEST + struct.pack("!II", 8, 3 << 16))
            answer = plain.recv(1000)
            assert answer[:1] in (b"S", b"E") and b"1 row" not in answer
    finally:
        server.stop()


def test_queries_inside_of_tls(tmp_path, certificate):
    server = PgFrontend(tmp_path, **certificate)
    try:
        with Wire(server.port, tls=True) as wire:
            wire.send(query(ROWS.format(20_000)))
            assert sum(answer.kind == "D" for answer in wire.read_until("Z")) == 20_000
            wire.send(query(LONG))
            time.sleep(0.1)
            wire.cancel()
            assert wire.until_ready().endswith("E[57014] Z[I]")
    finally:
        server.stop()


def test_unix_socket(tmp_path_factory):
    # The path of a Unix socket is short.
    directory = tmp_path_factory.mktemp("u")
    server = PgFrontend(directory, PG_SOCKET_DIRECTORY=str(directory))
    path = directory / f".s.PGSQL.{server.port}"
    try:
        answer = subprocess.run(
            ["psql", f"host={directory} port={server.port} user=postgres dbname=postgres", "-XAtc", "SELECT 1"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert answer.stdout == "1\n", answer.stderr
    finally:
        server.stop()
    assert not path.exists()


def test_shutdown(tmp_path):
    """Who is idle is told at once; who is in a transaction may finish it."""
    server = PgFrontend(tmp_path)
    try:
        idle, busy = Wire(server.port), Wire(server.port)
        busy.run("CREATE TABLE t(a int)")
        busy.run("BEGIN")
        busy.run("INSERT INTO t VALUES (1)")
        server.process.terminate()
        (*_, error) = idle.until_closed()
        assert (error.fields["C"], error.fields["S"]) == ("57P01", "FATAL")
        assert busy.run("INSERT INTO t VALUES (2)") == "C[INSERT 0 1] Z[T]"
        busy.send(query("COMMIT"))
        assert "C[COMMIT]" in show(busy.until_closed())
        assert server.process.wait(20) == 0
    finally:
        server.stop()


def test_shutdown_does_not_wait_for_ever(tmp_path):
    server = PgFrontend(tmp_path, PG_SHUTDOWN_TIMEOUT="300ms")
    try:
        busy, running = Wire(server.port), Wire(server.port)
        busy.run("BEGIN")
        busy.run("CREATE TABLE t(a int)")
        running.send(query(LONG))
        server.process.terminate()
        for wire in (busy, running):
            assert wire.until_closed()[-1].fields["C"] == "57P01"
        assert server.process.wait(20) == 0
    finally:
        server.stop()


def test_committed_is_committed(tmp_path):
    """Killed right after COMMIT was answered."""
    server = PgFrontend(tmp_path)
    with Wire(server.port) as wire:
        wire.run("CREATE TABLE t(a int)")
        wire.run("INSERT INTO t VALUES (1)")
        server.kill()
    server = PgFrontend(tmp_path)
    try:
        with Wire(server.port) as wire:
            assert count(wire) == 1
    finally:
        server.stop()


@pytest.mark.skipif(not shutil.which("pgbench"), reason="pgbench is not installed")
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench(ours, mode):
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(ours.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
    for command in (["-i", "-q"], ["-n", "-M", mode, "-c", "4", "-t", "50"]):
        answer = subprocess.run(["pgbench", *command], env=environment, capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
    assert "number of transactions actually processed: 200/200" in answer.stdout
    assert "number of failed transactions: 0" in answer.stdout
