"""Clients that mean no good: what they send, what they hold, what they do not read. Whatever they do, others are
served, memory stays where it was, and no thread of the server panics."""

import concurrent.futures
import contextlib
import random
import signal
import socket
import struct
import subprocess
import time

import pytest

from support.postgres import PROGRAM, PgFrontend
from support.servers import LOOPBACK, free_port
from support.wire import (
    COPY_DONE,
    FLUSH,
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

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")

MANY_ROWS = "SELECT repeat('x', 1000) AS x FROM generate_series(1, 50000)"


@pytest.fixture
def serve(tmp_path):
    """Starts a server with ten places; at the end it must still serve, and must not have panicked."""
    servers = []

    def start(**settings):
        settings.setdefault("CONNECTION_POOL_SIZE", "10")
        server = PgFrontend(tmp_path / str(len(servers)), **settings)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.kill()
        assert "panicked" not in server.log.read_text(errors="replace")


def serves(server, **more):
    with Wire(server.port, **more) as wire:
        assert wire.run("SELECT 1").endswith("D[1] C[SELECT 1] Z[I]")


def resident(server) -> int:
    with open(f"/proc/{server.process.pid}/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def threads(server) -> int:
    with open(f"/proc/{server.process.pid}/status") as status:
        (line,) = [line for line in status if line.startswith("Threads")]
    return int(line.split()[1])


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# Before anybody has said who it is.


def test_half_open_connections_keep_nobody_out(serve):
    server = serve()
    before = threads(server)
    held = [socket.create_connection((LOOPBACK, server.port)) for _ in range(1500)]
    # Each kind of waiting: nothing sent, a part of a length, of a startup message.
    for index, connection in enumerate(held[-150:]):
        with contextlib.suppress(OSError):
            connection.sendall([b"", b"\0\0", b"\0\0\0\x50\0\3\0\0us"][index % 3])
    serves(server)
    assert threads(server) < 250
    for connection in held:
        connection.close()
    until(lambda: threads(server) <= before)


def test_who_is_waiting_for_a_place_is_not_turned_out(serve):
    server = serve(CONNECTION_POOL_SIZE="1")
    first = Wire(server.port)
    second = Wire(server.port, options=None)
    second.start("postgres", "postgres")
    time.sleep(0.2)
    held = [socket.create_connection((LOOPBACK, server.port)) for _ in range(50)]
    time.sleep(0.2)
    first.send(TERMINATE)
    first.until_closed()
    assert show(second.read_until("Z")).endswith("Z[I]")
    for connection in held:
        connection.close()


def test_who_comes_in_slowly_is_not_waited_for_alone(serve):
    """A byte at a time: it comes to its end, and others are served meanwhile."""
    server = serve()
    body = struct.pack("!I", 196608) + text("user", "postgres", "database", "postgres") + b"\0"
    with Wire(server.port, options=None) as slow:
        for byte in struct.pack("!I", len(body) + 4) + body:
            slow.socket.sendall(bytes([byte]))
            serves(server)
        assert show(slow.read_until("Z")).endswith("Z[I]")


def test_half_handshakes(serve, certificate):
    server = serve(**certificate)
    held = []
    for index in range(300):
        connection = socket.create_connection((LOOPBACK, server.port))
        held.append(connection)
        with contextlib.suppress(OSError):
            connection.sendall(SSL_REQUEST)
            connection.recv(1)
            # A record that is announced and does not come; none; one that is none.
            connection.sendall([b"\x16\x03\x01\x02\x00\x01", b"", b"GET / HTTP/1.1\r\n\r\n"][index % 3])
    serves(server, tls=True)
    serves(server)
    for connection in held:
        connection.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return {"PG_TLS_CERT_FILE": str(directory / "cert.pem"), "PG_TLS_KEY_FILE": str(directory / "key.pem")}


def test_encryption_is_asked_for_once(serve, certificate):
    server = serve()
    with Wire(server.port, options=None) as wire:
        wire.send(SSL_REQUEST)
        assert wire.socket.recv(1) == b"N"
        wire.send(SSL_REQUEST)
        assert show(wire.until_closed()) == "E[08P01]"
    # Inside of TLS: it must not be taken for the beginning of another one.
    server = serve(**certificate)
    with Wire(server.port, options=None, tls=True) as wire:
        wire.send(SSL_REQUEST)
        assert show(wire.until_closed()) == "E[08P01]"
    serves(server, tls=True)


@pytest.mark.parametrize("method", ["password", "md5", "scram-sha-256"])
def test_a_password_takes_little_memory(serve, method):
    server = serve(PG_PASSWORD="s3cret!", PG_AUTH_METHOD=method)
    before = resident(server)
    for announced in (1 << 30, 200 << 20, 66_000):
        with Wire(server.port, options=None) as wire:
            wire.start("postgres", "postgres")
            assert wire.read().kind == "R"
            with contextlib.suppress(OSError):
                wire.send(b"p" + struct.pack("!I", announced))
                for _ in range(50):
                    wire.socket.sendall(bytes(1 << 20))
            with contextlib.suppress(OSError):
                assert all(answer.fields["C"] == "08P01" for answer in wire.until_closed())
    assert resident(server) - before < 10 << 20


def test_cancel_requests_of_strangers(serve):
    server = serve()
    with Wire(server.port) as wire:
        (pid, secret) = wire.key
        for guess in range(2000):
            with socket.create_connection((LOOPBACK, server.port)) as other:
                other.sendall(struct.pack("!IIiI", 16, 80877102, pid, secret ^ (guess + 1)))
        assert wire.run("SELECT count(*) FROM generate_series(1, 300000)") == "T[count] D[300000] C[SELECT 1] Z[I]"


def test_anything_may_come(serve):
    """Bytes of chance, in frames and without, before the session and in it."""
    server = serve()
    before = threads(server)
    chance = random.Random(20)
    for attempt in range(600):
        with contextlib.suppress(OSError, Closed), Wire(server.port, options=None if attempt % 3 == 0 else {}, timeout=5) as wire:
            body = chance.randbytes(chance.randrange(60))
            if attempt % 3 == 0:
                wire.socket.sendall(body)
            else:
                kind = chance.choice(b"QPBDECSHXdcfpF?z\0").to_bytes(1, "big")
                # Mostly its length; else too little, too much, nothing, less than nothing.
                length = chance.choice([len(body) + 4] * 5 + [0, 3, len(body) + 99, 1 << 31])
                wire.socket.sendall(kind + struct.pack("!I", length) + body + SYNC)
            if attempt % 7 == 0:
                wire.socket.settimeout(0.05)
                wire.socket.recv(1000)
    until(lambda: threads(server) <= before)
    serves(server)


# In a session.


@pytest.fixture
def wire(serve):
    with Wire(serve().port) as connection:
        connection.run("CREATE TABLE t(a int PRIMARY KEY, b text)")
        yield connection


def test_messages_out_of_order(wire):
    assert wire.ask(execute("none"), SYNC) == "E[34000] Z[I]"
    assert wire.ask(bind("", "none"), execute(), SYNC) == "E[26000] Z[I]"
    assert wire.ask(describe("P", "none"), describe("S", "none"), SYNC) == "E[34000] Z[I]"
    assert wire.ask(close("P", "none"), close("S", "none"), FLUSH, SYNC) == "3 3 Z[I]"
    assert wire.ask(parse("", "SELECT $1::int, $2::int"), bind("", "", [b"1"]), SYNC) == "1 E[08P01] Z[I]"
    assert wire.ask(bind("", "", [b"1", b"2"], (0, 1, 0)), SYNC) == "E[08P01] Z[I]"
    assert wire.ask(bind("", "", [b"1", b"2"], (), (0, 0, 0)), SYNC) == "E[08P01] Z[I]"
    assert wire.ask(bind("", "", [b"1", b"2"], (7,)), SYNC) == "E[22023] Z[I]"
    # Of a COPY that nobody has begun.
    assert wire.ask(copy_data(b"x"), COPY_DONE, copy_fail("x"), SYNC) == "Z[I]"
    assert wire.ask(*[SYNC] * 3) == "Z[I]" and wire.until_ready() == "Z[I]" and wire.until_ready() == "Z[I]"
    # The fast path's function call: a cycle of its own, as a query.
    assert wire.ask(message(b"F", struct.pack("!IHHH", 1, 0, 0, 0))) == "E[0A000] Z[I]"
    assert wire.run("SELECT 1") == "T[?column?] D[1] C[SELECT 1] Z[I]"


def test_portals_of_a_transaction_that_was_rolled_back(wire):
    wire.run("BEGIN")
    wire.ask(parse("s", "SELECT n FROM generate_series(1, 9) AS n"), bind("p", "s"), execute("p", 1), SYNC)
    wire.run("SAVEPOINT a")
    wire.ask(bind("q", "s"), execute("q", 1), SYNC)
    wire.run("ROLLBACK TO a")
    assert wire.ask(execute("q", 1), SYNC) == "E[34000] Z[E]"
    wire.run("ROLLBACK TO a")
    assert wire.ask(execute("p", 1), SYNC) == "D[2] s Z[T]"
    wire.run("ROLLBACK")
    assert wire.ask(execute("p", 1), SYNC) == "E[34000] Z[I]"
    wire.run("BEGIN")
    assert wire.ask(bind("p", "s"), execute("p", 1), SYNC) == "2 D[1] s Z[T]"
    assert wire.run("SELECT wrong") == "E[42703] Z[E]"
    assert wire.ask(execute("p", 1), SYNC).endswith("Z[E]")


def test_a_copy_that_ends_with_the_client(wire):
    with Wire(wire.port) as other:
        other.send(query("COPY t FROM STDIN"), copy_data(b"1\tx\n2"), TERMINATE)
        assert show(other.until_closed()) == "G"
    with Wire(wire.port) as other:
        other.send(query("COPY t FROM STDIN"), copy_data(b"1\tx\n"), b"d\0\0")
    assert wire.run("SELECT count(*) FROM t") == "T[count] D[0] C[SELECT 1] Z[I]"
    assert wire.run("INSERT INTO t VALUES (1, 'y')") == "C[INSERT 0 1] Z[I]"


def test_a_gigabyte_that_is_announced(serve):
    server = serve()
    before = resident(server)
    wires = [Wire(server.port) for _ in range(8)]
    for wire in wires:
        wire.send(b"Q" + struct.pack("!I", 1 << 30))
        assert show(wire.until_closed()) == "E[08P01]"
    for wire in (Wire(server.port) for _ in range(8)):
        # Within the limit: memory follows what comes, not what is announced.
        wire.send(b"Q" + struct.pack("!I", 250 << 20) + b"SELECT 1")
    assert resident(server) - before < 20 << 20


def test_a_large_message_is_given_back(serve):
    server = serve()
    with Wire(server.port, timeout=60) as wire:
        wire.run("CREATE TABLE t(a bytea)")
        before = resident(server)
        value = bytes(100 << 20)
        answer = wire.ask(parse("", "SELECT length($1::bytea)"), bind("", "", [value], (1,)), execute(), SYNC)
        assert answer == f"1 2 D[{len(value)}] C[SELECT 1] Z[I]"
        wire.run("SELECT 1")
        assert resident(server) - before < 50 << 20


def test_more_portals_than_anybody_needs(wire):
    wire.run("BEGIN")
    wire.ask(parse("s", "SELECT n FROM generate_series(1, 9) AS n"), SYNC)
    for number in range(0, 1000, 100):
        wire.ask(*[part for n in range(number, number + 100) for part in (bind(f"p{n}", "s"), execute(f"p{n}", 1))], SYNC)
    assert wire.run("DECLARE c CURSOR FOR SELECT 1") == "E[54000] Z[E]"
    wire.run("ROLLBACK")
    wire.run("BEGIN")
    assert wire.run("DECLARE c CURSOR FOR SELECT 1") == "C[DECLARE CURSOR] Z[T]"


def test_many_prepared_statements(serve):
    server = serve()
    with Wire(server.port, timeout=60) as wire:
        before = resident(server)
        for number in range(0, 10_000, 500):
            wire.ask(*[parse(f"s{n}", f"SELECT {n} + $1::int") for n in range(number, number + 500)], SYNC)
        assert wire.ask(bind("", "s9999", [b"1"]), execute(), SYNC) == "2 D[10000] C[SELECT 1] Z[I]"
        assert resident(server) - before < 50 << 20


def test_expressions_as_deep_as_they_are_long(serve):
    """`a OR b OR c …` is a deep tree: it is refused before it has used up the stack, and with it the server."""
    server = serve()
    with Wire(server.port, timeout=60) as wire:
        for item, between in (("1=1", " OR "), ("1", "+"), ("'a'", "||"), ("1", " + (1) * "), ("SELECT 1", " UNION ALL ")):
            begin = "" if item.startswith("SELECT") else "SELECT "
            for count in (3000, 50_000):
                assert "E[54001] Z[I]" in wire.run(begin + between.join([item] * count)), (between, count)
        assert "E[54001] Z[I]" in wire.run("SELECT 1" + "::int" * 20_000)
        deep = "1"
        for _ in range(50):
            deep = f"({'+'.join(['1'] * 100)}+{deep})"
        # Too deep for the reader of Postgres' SQL; SQLite, which is asked then, finds it flat.
        assert wire.run(f"SELECT {deep}").endswith("D[5001] C[SELECT 1] Z[I]")
        # Long and not deep.
        assert wire.run(f"SELECT 1 IN ({','.join(['1 + 1'] * 20_000)})").endswith("D[f] C[SELECT 1] Z[I]")
        assert wire.run(f"SELECT {' OR '.join(['1=0'] * 400)}").endswith("D[f] C[SELECT 1] Z[I]")


# Clients that do not read.


def test_a_change_whose_rows_do_not_go_out_is_undone(serve):
    """To reset the statement of an INSERT … RETURNING would commit it: the client has seen no end of it."""
    server = serve()
    with Wire(server.port) as other:
        other.run("CREATE TABLE t(x text)")
        with Wire(server.port) as gone:
            gone.send(query(f"INSERT INTO t {MANY_ROWS} RETURNING x"))
            time.sleep(0.5)
            gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: other.run("INSERT INTO t VALUES ('y')") == "C[INSERT 0 1] Z[I]")
        assert "D[1]" in other.run("SELECT count(*) FROM t WHERE x = 'y'")
        assert "D[0]" in other.run("SELECT count(*) FROM t WHERE x <> 'y'")


def test_who_does_not_read_keeps_nobody_from_writing(serve):
    server = serve(PG_IDLE_IN_TRANSACTION_TIMEOUT="1s", LOCK_WAIT="10s")
    with Wire(server.port) as deaf, Wire(server.port) as other:
        deaf.run("CREATE TABLE t(x text)")
        deaf.send(query(f"INSERT INTO t {MANY_ROWS} RETURNING x"))
        time.sleep(0.5)
        assert other.run("INSERT INTO t VALUES ('y')") == "C[INSERT 0 1] Z[I]"
        assert other.run("SELECT count(*) FROM t") == "T[count] D[1] C[SELECT 1] Z[I]"


def test_who_reads_slowly_is_waited_for(serve):
    server = serve(PG_IDLE_IN_TRANSACTION_TIMEOUT="2s", PG_SEND_TIMEOUT="2s")
    with Wire(server.port) as slow:
        slow.run("CREATE TABLE t(x text)")
        slow.send(query(f"INSERT INTO t {MANY_ROWS} RETURNING x"))
        tail = b""
        for _ in range(8):
            time.sleep(0.5)
            for _ in range(20):
                tail = (tail + slow.socket.recv(1 << 16))[-100:]
        while not tail.endswith(b"Z\0\0\0\5I"):
            tail = (tail + slow.socket.recv(1 << 16))[-100:]
        assert b"INSERT 0 50000" in tail


def test_who_reads_nothing_is_disconnected(serve):
    server = serve(PG_SEND_TIMEOUT="1s")
    before = threads(server)
    with Wire(server.port) as deaf:
        deaf.send(query(MANY_ROWS))
        until(lambda: threads(server) <= before)


def test_shutdown_does_not_wait_for_who_does_not_read(serve):
    server = serve(PG_SHUTDOWN_TIMEOUT="500ms")
    with Wire(server.port) as deaf:
        deaf.send(query(MANY_ROWS))
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


# The admin port.


def admin(server, request: bytes) -> bytes:
    """What it answers until it closes the connection."""
    with socket.create_connection((LOOPBACK, server.admin), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65536):
                answer += more
        return answer


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def office(serve):
    port = free_port()
    server = serve(ADMIN_PORT=str(port))
    server.admin = port
    return server


def test_slow_requests_of_the_admin_port(office):
    """A head that does not come to its end, and a connection that is kept and not used, are ended after 30 s."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        kept = pool.submit(admin, office, HEALTH + b"\r\n")
        cut = pool.submit(admin, office, HEALTH)
        with socket.create_connection((LOOPBACK, office.admin)) as dribble:
            # A byte now and then is no reason to wait longer.
            with contextlib.suppress(ConnectionError):
                for byte in HEALTH * 10:
                    dribble.sendall(bytes([byte]))
                    time.sleep(0.5)
        dribbled = time.monotonic() - began
        assert kept.result().startswith(b"HTTP/1.1 200 ")
        assert not cut.result().startswith(b"HTTP/1.1 200 ")
        assert 25 < dribbled < 45 and time.monotonic() - began < 45
    assert b"200 OK" in admin(office, HEALTH + b"Connection: close\r\n\r\n")


def test_many_connections_to_the_admin_port(office):
    before = resident(office)
    held = [socket.create_connection((LOOPBACK, office.admin)) for _ in range(200)]
    for connection in held:
        connection.sendall(HEALTH)
    assert b"200 OK" in admin(office, HEALTH + b"Connection: close\r\n\r\n")
    assert resident(office) - before < 20 << 20
    for connection in held:
        connection.close()


def test_a_head_that_is_too_large_is_refused(office):
    assert not admin(office, HEALTH + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert b"200 OK" in admin(office, HEALTH + b"Connection: close\r\n\r\n")
