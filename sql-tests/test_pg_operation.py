"""Operating pg-frontend: settings, stores, the admin port, shutdown, faults, capture; with the real program."""

import base64
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errorcodes

from support import paths
from support.database import one
from support.postgres import PROGRAM, PgFrontend
from support.procedures import wat
from support.servers import LOOPBACK, S3Gate, free_port

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")

DISCOUNT = """
(module (func (export "calculate_discount") (param f64 i32) (result f64)
  (if (result f64) (i32.eq (local.get 1) (i32.const 2))
    (then (f64.mul (local.get 0) (f64.const 0.9))) (else (local.get 0)))))
"""
CREATE = {
    "name": "calculate_discount",
    "language": "wasm",
    "params": [{"name": "price", "data_type": "FLOAT"}, {"name": "tier", "data_type": "INT"}],
    "return_type": "FLOAT",
    "description": "Calculate discount based on customer tier",
}


# Starting, asking.


@pytest.fixture
def serve(tmp_path):
    """Starts pg-frontend with an admin port; ended with the test."""
    started = []

    def start(name="server", **settings):
        settings.setdefault("ADMIN_PORT", str(free_port()))
        settings.setdefault("DB_NAME", "myapp")
        server = PgFrontend(tmp_path / name, **settings)
        server.admin = f"http://{LOOPBACK}:{settings['ADMIN_PORT']}"
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def connect(server, **more):
    connection = psycopg2.connect(server.dsn(**more))
    connection.autocommit = True
    return connection


def query(server_or_connection, sql, *values, **more):
    """Runs statements one by one; the rows of the last."""
    own = isinstance(server_or_connection, PgFrontend)
    connection = connect(server_or_connection, **more) if own else server_or_connection
    try:
        with connection.cursor() as cursor:
            for statement in sql.split("; "):
                cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else None
    finally:
        if own:
            connection.close()


def told(server_or_connection, sql, **more):
    """The rows, each value as text: these tests are not about types."""
    return [tuple(None if value is None else str(value) for value in row) for row in query(server_or_connection, sql, **more)]


def rows(connection, sql, *values):
    """The rows of a query on a connection of SQLite's."""
    return connection.execute(sql, values).fetchall()


def run(*arguments, cwd, **environment):
    """The program to its end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "S3_", "DB_", "AWS_"))}
    command = [PROGRAM, *arguments]
    return subprocess.run(command, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, timeout=60)


def ask(url, method="GET", body=None, **headers):
    """Status and JSON (or text) of a request."""
    data = None if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        names.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(url, data, names, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode()


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def log(server):
    return server.log.read_text(errors="replace")


def s3_settings(gate, prefix, **more):
    return {
        "STORAGE": "s3", "S3_BUCKET": "bucket", "S3_PREFIX": f"{prefix}/", "S3_ENDPOINT": gate.endpoint,
        "S3_ACCESS_KEY": gate.access, "S3_SECRET_KEY": gate.secret, **more,
    }


# Settings.


def test_nothing_given(tmp_path):
    """A local server on ./data that says how to connect, and trusts this machine."""
    port, admin = free_port(), free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "S3_", "DB_", "STORAGE"))}
    clean |= {"PG_PORT": str(port), "ADMIN_PORT": str(admin)}
    process = subprocess.Popen([PROGRAM], cwd=tmp_path, env=clean, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        assert f"psql -h 127.0.0.1 -p {port} -U postgres myapp" in line
        for database in ["postgres", "myapp"]:
            connection = psycopg2.connect(host=LOOPBACK, port=port, user="anybody", dbname=database)
            assert told(connection, "SELECT 1") == [("1",)]
            connection.close()
        assert sorted(p.name for p in (tmp_path / "data").glob("*.sqlite")) == ["myapp.sqlite", "postgres.sqlite"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert one(sqlite3.connect(tmp_path / "data/myapp.sqlite"), "PRAGMA journal_mode") == "wal"


@pytest.mark.parametrize(
    "arguments, environment, said",
    [
        ([], {"PG_HOST": "0.0.0.0"}, "set PG_PASSWORD"),
        ([], {"ADMIN_HOST": "0.0.0.0"}, "set PG_PASSWORD or ADMIN_TOKEN"),
        ([], {"PG_PASSWROD": "x"}, "did you mean 'PG_PASSWORD'?"),
        (["--prot", "1"], {}, "--port"),
        (["--port", "x"], {}, "server.port (--port) is 'x', and should be a port"),
        ([], {"STORAGE": "s4"}, "local, file, s3, azure, gcs"),
        ([], {"STORAGE": "s3"}, "set S3_BUCKET"),
        (["--config", "missing.yaml"], {}, "cannot read the configuration file missing.yaml"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, environment, said):
    ended = run(*arguments, cwd=tmp_path, **environment)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not (tmp_path / "data").exists()


def test_localhost_is_a_host(serve):
    server = serve(PG_HOST="localhost", ADMIN_HOST="localhost")
    assert told(server, "SELECT 1") == [("1",)]
    assert ask(f"{server.admin}/health") == (200, {"status": "ok"})


def test_print_config_shows_what_holds_and_no_secret(tmp_path):
    (tmp_path / "config.yaml").write_text("server:\n  port: 1000\n  host: localhost\nlogging:\n  level: debug\n")
    ended = run("--print-config", "--log-level", "warn", cwd=tmp_path, PG_PORT="2000", PG_PASSWORD="hush", S3_SECRET_KEY="hush")
    assert ended.returncode == 0
    assert "hush" not in ended.stdout + ended.stderr
    assert "  port: 2000  # PG_PORT" in ended.stdout
    assert '  host: "localhost"  # config.yaml' in ended.stdout
    assert '  level: "warn"  # --log-level' in ended.stdout
    # It is a file that can be used.
    (tmp_path / "again.yaml").write_text(ended.stdout)
    again = run("--print-config", "--config", "again.yaml", cwd=tmp_path)
    assert "  port: 2000  # again.yaml" in again.stdout


def test_the_examples_in_deploy_are_understood(tmp_path):
    example = paths.ROOT / "deploy/config.yaml.example"
    ended = run("--print-config", "--config", example, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    environment = {}
    for line in (paths.ROOT / "deploy/.env.example").read_text().splitlines():
        name, found, value = line.lstrip("# ").partition("=")
        if found and re.fullmatch(r"[A-Z][A-Z0-9_]+", name):
            environment[name] = value.split("  #")[0].strip()
    ended = run("--print-config", cwd=tmp_path, **environment)
    assert ended.returncode == 0, ended.stderr
    for name in environment:
        assert f"{name}" in ended.stdout or environment[name] == "", f"{name} is no setting"


def test_the_password_is_needed_and_not_logged(serve):
    server = serve(PG_PASSWORD="correct-horse", LOG_LEVEL="debug")
    assert told(server, "SELECT 1") == [("1",)]
    for wrong in ["wrong-battery", ""]:
        with pytest.raises(psycopg2.OperationalError):
            connect(server, password=wrong or None)
    until(lambda: "authentication failed" in log(server))
    assert "correct-horse" not in log(server) and "wrong-battery" not in log(server)


def test_logs_as_json(serve):
    server = serve(LOG_FORMAT="json", LOG_SLOW_QUERY="1ms")
    query(server, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT count(*) FROM n")
    server.stop()
    lines = [json.loads(line) for line in log(server).splitlines() if line.startswith("{")]
    said = " ".join(line["message"] for line in lines)
    for event in ["client connected", "slow", "client disconnected", "shutting down", "stopped"]:
        assert event in said, event


# Databases.


def test_databases_are_made_and_dropped(serve):
    server = serve()
    query(server, "CREATE DATABASE shop")
    with pytest.raises(psycopg2.Error) as error:
        query(server, "CREATE DATABASE shop")
    assert error.value.pgcode == errorcodes.DUPLICATE_DATABASE
    shop = connect(server, dbname="shop")
    query(shop, "CREATE TABLE t(id int)")
    with pytest.raises(psycopg2.Error) as error:
        query(server, "DROP DATABASE shop")
    assert error.value.pgcode == errorcodes.OBJECT_IN_USE
    shop.close()
    until(lambda: dropped(server, "shop"))
    assert list((server.directory / "data").glob("shop*")) == []
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        connect(server, dbname="shop")
    with pytest.raises(psycopg2.Error) as error:
        query(server, 'CREATE DATABASE "../outside"')
    assert error.value.pgcode == "42602"


def dropped(server, name):
    """A session that has just ended may still count."""
    try:
        query(server, f"DROP DATABASE {name}")
        return True
    except psycopg2.errors.ObjectInUse:
        return False


def test_the_file_of_the_database_may_be_named(serve, tmp_path):
    server = serve(DB_PATH=str(tmp_path / "own/place.db"))
    query(server, "CREATE TABLE t(id int); INSERT INTO t VALUES (7)")
    server.stop()
    assert rows(sqlite3.connect(tmp_path / "own/place.db"), "SELECT id FROM t") == [(7,)]


def store_settings(kind, request, tmp_path):
    if kind == "file":
        return {"STORAGE": "file", "DATA_DIR": str(tmp_path / "bucket")}
    if kind == "azure":
        azurite = request.getfixturevalue("azurite")
        return {
            "STORAGE": "azure", "AZURE_STORAGE_ACCOUNT": azurite.account, "AZURE_STORAGE_CONTAINER": "container",
            "AZURE_STORAGE_PREFIX": tmp_path.name, "AZURE_STORAGE_KEY": azurite.key,
            "AZURE_ENDPOINT": f"{azurite.endpoint}/{azurite.account}",
        }
    return s3_settings(request.getfixturevalue("gate"), tmp_path.name)


@pytest.mark.parametrize("kind", ["file", "s3", "azure"])
def test_commits_are_in_the_store(serve, request, tmp_path, kind):
    """Another server, with a cache of its own, reads what the first had committed when it was killed."""
    settings = store_settings(kind, request, tmp_path)
    first = serve("first", **settings, SQLBRIDGE_CACHE_DIR=str(tmp_path / "cache1"))
    query(first, "CREATE TABLE users(id serial PRIMARY KEY, name text)")
    query(first, "INSERT INTO users(name) VALUES (%s)", "Alice")
    first.kill()
    second = serve("second", **settings, SQLBRIDGE_CACHE_DIR=str(tmp_path / "cache2"))
    assert query(second, "SELECT name FROM users") == [("Alice",)]
    query(second, "CREATE DATABASE other")
    query(second, "CREATE TABLE t(x int)", dbname="other")
    until(lambda: dropped(second, "other"))
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        connect(second, dbname="other")


def test_a_plain_database_in_the_bucket_is_imported(serve, gate, tmp_path, new_store):
    store = new_store("s3gate")
    plain = sqlite3.connect(tmp_path / "plain.sqlite")
    plain.executescript("CREATE TABLE t(x INTEGER); INSERT INTO t VALUES (42);")
    plain.close()
    store.write("myapp.sqlite", (tmp_path / "plain.sqlite").read_bytes())
    server = serve(**s3_settings(gate, store.prefix))
    assert told(server, "SELECT x FROM t") == [("42",)]


def test_of_two_servers_the_first_commit_wins(serve, gate, tmp_path):
    settings = s3_settings(gate, tmp_path.name, SQLBRIDGE_MAX_STALENESS="0")
    one_server, other = serve("one", **settings), serve("other", **settings)
    query(one_server, "CREATE TABLE t(id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
    first, second = psycopg2.connect(one_server.dsn()), psycopg2.connect(other.dsn())
    for connection in (first, second):
        query(connection, "SELECT n FROM t")
        query(connection, "UPDATE t SET n = n + 1 WHERE id = 1")
    first.commit()
    with pytest.raises(psycopg2.Error) as error:
        second.commit()
    assert error.value.pgcode == errorcodes.SERIALIZATION_FAILURE
    assert told(one_server, "SELECT n FROM t") == [("1",)]
    first.close(), second.close()


# The store out of reach, the disk full.


def test_a_store_out_of_reach_ends_the_start(tmp_path):
    ended = run(
        cwd=tmp_path, STORAGE="s3", S3_BUCKET="bucket", S3_ENDPOINT=f"http://{LOOPBACK}:{free_port()}",
        S3_ACCESS_KEY="a", S3_SECRET_KEY="hush-hush",
    )
    assert ended.returncode == 1
    assert "pg-frontend: cannot reach the store s3://bucket/sqlite-dbs: " in ended.stderr
    assert "hush-hush" not in ended.stderr


def test_a_store_that_goes_away_comes_back(serve, faulty, tmp_path):
    server = serve(**s3_settings(faulty, tmp_path.name, SQLBRIDGE_TIMEOUT="1s"))
    query(server, "CREATE TABLE t(x int); INSERT INTO t VALUES (1)")
    kept = connect(server)
    assert told(kept, "SELECT x FROM t") == [("1",)]
    assert ask(f"{server.admin}/ready") == (200, {"status": "ready"})

    faulty.fault("status", status=503)
    time.sleep(1.5)  # what is known grows older than max_staleness
    assert told(kept, "SELECT x FROM t") == [("1",)]
    assert told(server, "SELECT x FROM t") == [("1",)], "a client that comes now"
    with pytest.raises(psycopg2.Error) as error:
        query(kept, "INSERT INTO t VALUES (2)")
    assert error.value.pgcode in (errorcodes.CONNECTION_FAILURE, errorcodes.TRANSACTION_RESOLUTION_UNKNOWN)
    status, body = ask(f"{server.admin}/ready")
    assert status == 503 and body["status"] == "not ready"
    assert ask(f"{server.admin}/health")[0] == 200
    assert "out of reach" in log(server)

    faulty.reset()
    until(lambda: ask(f"{server.admin}/ready")[0] == 200)
    query(kept, "INSERT INTO t VALUES (3)")
    assert ("3",) in told(server, "SELECT x FROM t")
    assert "back in order" in log(server)


def failing(connection, sql):
    with pytest.raises(psycopg2.Error) as error:
        query(connection, sql)
    return error.value


def test_a_store_that_is_away_has_its_sqlstates(serve, tmp_path):
    """08006: surely not committed, try again. 08007: nobody knows. In both cases the session goes on, and reads."""
    (tmp_path / "gate").mkdir()
    gate = S3Gate(tmp_path / "gate")
    server = serve(**s3_settings(gate, "away", SQLBRIDGE_TIMEOUT="1s"))
    query(server, "CREATE TABLE t(x int)")
    try:
        with contextlib.closing(connect(server)) as session:
            query(session, "INSERT INTO t VALUES (1)")
            # Away when a transaction wants to write: it asks for the newest state first.
            gate.stop()
            assert failing(session, "INSERT INTO t VALUES (2)").pgcode == "08006"
            assert told(session, "SELECT x FROM t") == [("1",)]
            gate = S3Gate(tmp_path / "gate", port=gate.port)
            # Away when it commits.
            query(session, "BEGIN; INSERT INTO t VALUES (3)")
            gate.stop()
            error = failing(session, "COMMIT")
            assert (error.pgcode, error.diag.message_hint) == ("08006", "Nothing was committed. Try the transaction again.")
            assert "did not reach the store" in error.diag.message_primary
            gate = S3Gate(tmp_path / "gate", port=gate.port)
            assert told(session, "SELECT x FROM t") == [("1",)]
            query(session, "INSERT INTO t VALUES (4)")
            assert told(session, "SELECT x FROM t ORDER BY x") == [("1",), ("4",)]
            # It takes the commit, and its answer is lost; so are those to the questions that follow.
            taken = {"match": {"method": "PUT"}, "action": "drop_after", "times": 1}
            gate.faults(taken, {"match": {}, "action": "drop_before"})
            error = failing(session, "INSERT INTO t VALUES (5)")
            assert error.pgcode == "08007" and "is unknown" in error.diag.message_primary
            gate.reset()
            query(session, "INSERT INTO t VALUES (6)")
            assert told(session, "SELECT x FROM t ORDER BY x") == [("1",), ("4",), ("5",), ("6",)]
            assert metric(server, "commit") >= 4 and metric(server, "rollback") >= 2
    finally:
        gate.stop()


def metric(server, status):
    _, text = ask(f"{server.admin}/metrics")
    return int(re.search(rf'^pg_transactions_total{{status="{status}"}} (\d+)', text, re.M)[1])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_on_a_full_disk_nobody_writes_until_there_is_space(serve, small_disk):
    server = serve(DATA_DIR=str(small_disk))
    query(server, "CREATE TABLE t(x text)")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(6 << 20))
    connection = connect(server)
    with pytest.raises(psycopg2.Error) as error:
        for _ in range(100):
            query(connection, "INSERT INTO t VALUES (%s)", "x" * 200_000)
    assert error.value.pgcode == errorcodes.DISK_FULL
    with pytest.raises(psycopg2.Error) as error:
        query(connection, "INSERT INTO t VALUES ('y')")
    assert error.value.pgcode == errorcodes.DISK_FULL
    ((stored,),) = query(connection, "SELECT count(*) FROM t")
    assert ask(f"{server.admin}/ready")[0] == 503
    filler.unlink()
    until(lambda: ask(f"{server.admin}/ready")[0] == 200)
    query(connection, "INSERT INTO t VALUES ('z')")
    assert told(connection, "SELECT count(*) FROM t") == [(str(int(stored) + 1),)]
    connection.close()


# Shutdown.


def test_shutdown_lets_transactions_finish(serve):
    server = serve()
    query(server, "CREATE TABLE t(x int)")
    busy, idle = psycopg2.connect(server.dsn()), connect(server)
    query(idle, "SELECT 1")
    query(busy, "INSERT INTO t VALUES (1)")
    server.process.send_signal(signal.SIGTERM)
    until(lambda: "shutting down" in log(server))
    with pytest.raises(psycopg2.OperationalError):
        until(lambda: query(idle, "SELECT 1") is None)
    assert server.process.poll() is None
    busy.commit()
    assert server.process.wait(20) == 0
    assert "stopped; every commit is stored" in log(server)
    assert rows(sqlite3.connect(server.directory / "data/myapp.sqlite"), "SELECT x FROM t") == [(1,)]


def test_a_second_signal_ends_at_once(serve):
    server = serve(PG_SHUTDOWN_TIMEOUT="1h")
    query(server, "CREATE TABLE t(x int)")
    busy = psycopg2.connect(server.dsn())
    query(busy, "INSERT INTO t VALUES (1)")
    server.process.send_signal(signal.SIGINT)
    until(lambda: "shutting down" in log(server))
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 130
    assert rows(sqlite3.connect(server.directory / "data/myapp.sqlite"), "SELECT x FROM t") == []


# The admin port.


def test_metrics(serve, gate, tmp_path):
    server = serve(**s3_settings(gate, tmp_path.name))
    query(server, "CREATE TABLE t(x int); INSERT INTO t VALUES (1)")
    failing = psycopg2.connect(server.dsn())
    query(failing, "SELECT 1")
    failing.rollback()
    status, text = ask(f"{server.admin}/metrics")
    assert status == 200
    value = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and line[0] != "#"}
    assert value["pg_queries_total"] >= 3
    assert value["pg_queries_duration_seconds_count"] >= 3
    assert value['pg_transactions_total{status="commit"}'] >= 1
    assert value['pg_transactions_total{status="rollback"}'] >= 1
    assert value['pg_blob_storage_operations_total{op="put"}'] >= 3
    assert value['sqlite_locks_held{kind="reserved"}'] == 0
    assert value["pg_storage_up"] == 1
    until(lambda: "pg_connections_active 1" in ask(f"{server.admin}/metrics")[1])
    failing.close()
    if paths.tool("promtool"):
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr + checked.stdout


def test_the_procedure_api(serve):
    server = serve()
    procedures = f"{server.admin}/procedures"
    body = {**CREATE, "wasm_base64": base64.b64encode(wat(DISCOUNT)).decode()}
    status, reply = ask(procedures, "POST", body)
    assert status == 201
    assert reply.pop("latency_ms") >= 0
    assert reply == {"name": "calculate_discount", "message": "Procedure created successfully"}
    assert ask(procedures, "POST", body)[0] == 409
    assert ask(procedures, "POST", {**body, "replace": True})[0] == 201

    status, reply = ask(f"{procedures}/calculate_discount/call", "POST", {"args": [100.0, 2]})
    assert status == 200 and reply["result"] == 90.0 and isinstance(reply["latency_ms"], int)

    status, reply = ask(procedures)
    assert status == 200 and reply["count"] == 1 and "latency_ms" in reply
    (listed,) = reply["procedures"]
    assert {key: listed[key] for key in CREATE} == CREATE
    for moment in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", listed[moment])

    # The same procedure, in SQL.
    assert query(server, "SELECT calculate_discount(200.0, 2)") == [(180.0,)]

    status, reply = ask(f"{procedures}/calculate_discount", "DELETE")
    reply.pop("latency_ms")
    assert status == 200 and reply == {"name": "calculate_discount", "message": "Procedure dropped successfully"}
    missing = {"error": {"code": "INTERNAL_ERROR", "message": "procedure not found"}}
    assert ask(f"{procedures}/calculate_discount/call", "POST", {"args": []}) == (404, missing)
    assert ask(f"{procedures}/calculate_discount", "DELETE") == (404, missing)
    assert 'what="call" procedure="calculate_discount" database="myapp" status="ok"' in log(server)


def test_procedures_are_a_databases(serve):
    server = serve()
    body = {**CREATE, "wasm_base64": base64.b64encode(wat(DISCOUNT)).decode()}
    assert ask(f"{server.admin}/procedures", "POST", body, X_Mindb_Database="postgres")[0] == 201
    assert ask(f"{server.admin}/procedures")[1]["count"] == 0
    assert ask(f"{server.admin}/procedures", X_Mindb_Database="postgres")[1]["count"] == 1
    status, reply = ask(f"{server.admin}/procedures", X_Mindb_Database="nowhere")
    assert status == 404 and reply["error"]["code"] == "DATABASE_NOT_FOUND"


@pytest.mark.parametrize(
    "method, path, body, status, said",
    [
        ("POST", "/procedures", {"wasm_base64": "AA=="}, 400, '"name" is missing'),
        ("POST", "/procedures", {"name": "f", "wasm_base64": "!"}, 400, "not base64"),
        ("POST", "/procedures", {"name": "f", "wasm_base64": "AAAA"}, 400, "f"),
        ("POST", "/procedures", {"name": "f", "wasm_base64": "AGFzbQEAAAA=", "nonsense": 1}, 400, "nonsense"),
        ("POST", "/procedures", [], 400, ""),
        ("POST", "/procedures/f/call", {"args": 1}, 400, "array"),
        ("POST", "/procedures/f/call", {"arg": []}, 400, '"arg"'),
        ("PUT", "/procedures", {}, 405, "PUT"),
        ("GET", "/nothing", None, 404, "/nothing"),
    ],
)
def test_bad_requests_are_told_why(serve, method, path, body, status, said):
    server = serve()
    got, reply = ask(server.admin + path, method, body)
    assert got == status, reply
    assert set(reply["error"]) == {"code", "message"} and said in reply["error"]["message"]


def test_large_bodies_and_other_types_are_refused(serve):
    server = serve(ADMIN_BODY_LIMIT="1KB")
    status, reply = ask(f"{server.admin}/procedures", "POST", {"name": "f", "wasm_base64": "A" * 4096})
    assert status == 413 and reply["error"]["code"] == "PAYLOAD_TOO_LARGE"
    status, reply = ask(f"{server.admin}/procedures", "POST", {}, Content_Type="text/plain")
    assert status == 415 and reply["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_the_admin_port_asks_who_it_is(serve):
    server = serve(PG_PASSWORD="hush", ADMIN_TOKEN="token-1")
    basic = "Basic " + base64.b64encode(b"postgres:hush").decode()
    wrong = "Basic " + base64.b64encode(b"postgres:loud").decode()
    for path in ("/procedures", "/metrics"):
        assert ask(server.admin + path)[0] == 401
        assert ask(server.admin + path, Authorization=wrong)[0] == 401
        assert ask(server.admin + path, Authorization=basic)[0] == 200
        assert ask(server.admin + path, Authorization="Bearer token-1")[0] == 200
    assert ask(f"{server.admin}/health")[0] == 200
    # Without secrets, a foreign name that leads here is turned away: a page in a browser.
    open_server = serve("open")
    assert ask(f"{open_server.admin}/procedures", Host="evil.example")[0] == 401


# Capture.


@pytest.fixture
def changes(connect):
    """What a changeset says, as (table, op, old, new)."""
    reader = connect(":memory:")
    sql = 'SELECT "table", op, old, new FROM changeset_each(?) ORDER BY "table", op, pk'
    return lambda file: rows(reader, sql, Path(file).read_bytes())


def test_a_client_captures_its_session(serve, tmp_path, changes):
    server = serve(CAPTURE_DIRECTORY=str(tmp_path / "captures"))
    query(server, "CREATE TABLE users(id int PRIMARY KEY, name text); CREATE TABLE logs(id int PRIMARY KEY, line text)")
    connection = connect(server)
    ((path,),) = query(connection, "SELECT capture_start('mine.cs', 'users')")
    assert path == str(tmp_path / "captures/mine.cs")
    query(connection, "INSERT INTO users VALUES (1, 'alice')")
    query(connection, "INSERT INTO logs VALUES (1, 'not captured')")
    query(connection, "BEGIN; INSERT INTO users VALUES (2, 'bob'); UPDATE users SET name = 'al' WHERE id = 1; COMMIT")
    query(connection, "BEGIN; INSERT INTO users VALUES (3, 'never'); ROLLBACK")
    query(server, "INSERT INTO users VALUES (4, 'another client')")
    ((size,),) = query(connection, "SELECT capture_stop()")
    assert int(size) == Path(path).stat().st_size
    query(connection, "INSERT INTO users VALUES (5, 'after')")
    assert [(t, op, new) for t, op, _, new in changes(path)] == [
        ("users", "INSERT", '[1,"al"]'), ("users", "INSERT", '[2,"bob"]'),
    ]
    assert query(connection, "SELECT capture_stop()") == [(None,)]
    assert told(connection, "SELECT count(*) FROM pg_frontend_captured") == [("0",)]
    for name in ["/tmp/x", "../x", ""]:
        with pytest.raises(psycopg2.Error, match="should be the name of a file"):
            query(connection, "SELECT capture_start(%s)", name)
    connection.close()


def test_a_client_that_leaves_has_its_capture_written(serve, tmp_path, changes):
    server = serve(CAPTURE_DIRECTORY=str(tmp_path))
    query(server, "CREATE TABLE t(id int PRIMARY KEY)")
    connection = connect(server)
    query(connection, "SELECT capture_start('left.cs')")
    query(connection, "INSERT INTO t VALUES (1)")
    connection.close()
    until((tmp_path / "left.cs").exists)
    assert [new for _, _, _, new in changes(tmp_path / "left.cs")] == ["[1]"]


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_everything_is_captured_and_a_kill_loses_nothing(serve, gate, tmp_path, changes, connect, kind):
    """Transactions acknowledged before the kill are in the file; the file, applied elsewhere, gives the same."""
    file = tmp_path / "all.cs"
    settings = {"CAPTURE_FILE": str(file)}
    if kind == "s3":
        settings |= s3_settings(gate, tmp_path.name)
    server = serve(**settings)
    query(server, "CREATE TABLE t(id int PRIMARY KEY, n int)")
    clients = [psycopg2.connect(server.dsn()) for _ in range(3)]
    for client in clients:
        client.autocommit = True
    for n in range(30):
        query(clients[n % 3], "INSERT INTO t VALUES (%s, 0)", n)
        query(clients[(n + 1) % 3], "UPDATE t SET n = n + 1 WHERE id <= %s", n)
    query(clients[0], "DELETE FROM t WHERE id = 7")
    server.kill()
    assert not file.exists()

    # After the kill a command makes the file.
    environment = {**settings, "DATA_DIR": str(server.directory / "data"), "DB_NAME": "myapp"}
    ended = run("capture-recover", str(file), cwd=tmp_path, **environment)
    assert ended.returncode == 0, ended.stderr
    copy = connect(":memory:")
    copy.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER)")
    one(copy, "SELECT changeset_apply(?)", file.read_bytes())
    expected = [(id, 30 - id) for id in range(30) if id != 7]
    assert rows(copy, "SELECT id, n FROM t ORDER BY id") == expected

    # The next server goes on in the same file, and writes it at its end.
    again = serve("server", **settings)
    query(again, "DELETE FROM t WHERE id > 0")
    again.stop()
    assert [new for table, _, _, new in changes(file) if table == "t"] == ["[0,30]"]


def test_a_kill_under_load_splits_no_change_from_its_record(serve, tmp_path, changes):
    """What the database has and what the capture has are the same, whenever the kill comes."""
    file = tmp_path / "load.cs"
    server = serve(CAPTURE_FILE=str(file))
    query(server, "CREATE TABLE t(id int PRIMARY KEY)")
    acknowledged = [[] for _ in range(4)]

    def write(number):
        connection = connect(server)
        try:
            for n in range(100_000):
                query(connection, "INSERT INTO t VALUES (%s)", number * 1_000_000 + n)
                acknowledged[number].append(number * 1_000_000 + n)
        except psycopg2.Error:
            pass

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    until(lambda: all(len(done) > 50 for done in acknowledged))
    server.kill()
    for writer in writers:
        writer.join()
    environment = {"CAPTURE_FILE": str(file), "DB_NAME": "myapp"}
    ended = run("capture-recover", str(file), "--data-dir", str(server.directory / "data"), cwd=tmp_path, **environment)
    assert ended.returncode == 0, ended.stderr
    stored = {id for (id,) in rows(sqlite3.connect(server.directory / "data/myapp.sqlite"), "SELECT id FROM t")}
    captured = {json.loads(new)[0] for table, _, _, new in changes(file) if table == "t"}
    assert captured == stored
    assert stored >= {id for done in acknowledged for id in done}


# The guide.


GUIDE = (paths.ROOT / "docs/guide/17-postgres-clients.md").read_text()


def guide(server, language):
    """The guide's programs in a language, told the server's port."""
    blocks = re.findall(rf"<!-- client: {language} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert blocks
    return [block.replace("5432", str(server.port)) for block in blocks]


@pytest.fixture
def guided(serve):
    """The server of the guide, with the table that its clients find."""
    server = serve(PG_PASSWORD="mysecretpassword")
    environment = {**os.environ, "PGPASSWORD": server.password}
    for block in guide(server, "sh"):
        done = subprocess.run(["bash", "-eu"], input=block, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
    return server


def test_the_guides_shell(guided):
    assert told(guided, "SELECT id, name FROM test ORDER BY id") == [("1", "Alice"), ("2", "Bob")]


def test_the_guides_python(guided):
    for block in guide(guided, "python"):
        subprocess.run([paths.PYTHON, "-c", block], check=True, timeout=60)
    assert query(guided, "SELECT name FROM users") == [("Alice",)]


def test_the_guides_javascript(guided, tmp_path):
    if not (paths.NODE_MODULES / "pg").exists():
        pytest.skip("node-postgres is not installed: npm install pg")
    (block,) = guide(guided, "javascript")
    program = tmp_path / "client.js"
    program.write_text(f"(async () => {{\n{block}\n}})().catch((e) => {{ console.error(e); process.exit(1); }});\n")
    subprocess.run(["node", program], check=True, timeout=60, env={**os.environ, "NODE_PATH": str(paths.NODE_MODULES)})
    assert query(guided, "SELECT name FROM users") == [("Alice",)]


def test_the_guides_java(guided, tmp_path):
    drivers = [*paths.JDBC.glob("postgresql-*.jar"), *Path("/usr/share/java").glob("postgresql-4*.jar")]
    if not drivers or not paths.tool("javac"):
        pytest.skip("needs javac and the driver: apt-get install libpostgresql-jdbc-java")
    (block,) = guide(guided, "java")
    imports, body = block.split("\n\n", 1)
    source = f"{imports}\npublic class Client {{ public static void main(String[] a) throws Exception {{\n{body}\n}} }}\n"
    (tmp_path / "Client.java").write_text(source)
    subprocess.run(["javac", "Client.java"], cwd=tmp_path, check=True, timeout=120)
    subprocess.run(["java", "-cp", f"{drivers[-1]}:.", "Client"], cwd=tmp_path, check=True, timeout=120)
    assert query(guided, "SELECT name FROM users") == [("Alice",)]


# Size.


def test_an_idle_server_is_small(serve):
    server = serve()
    query(server, "SELECT 1")
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024
    assert resident < 30, f"{resident:.1f} MB"
    stripped = server.directory / "stripped"
    subprocess.run(["strip", "-o", stripped, PROGRAM], check=True)
    size = stripped.stat().st_size / 2**20
    assert size < 50, f"{size:.1f} MB"
