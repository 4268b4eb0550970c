"""Postgres SQL on pg-frontend, compared with PostgreSQL 15: values, types, and the SQLSTATEs of errors."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from support import differential
from support.postgres import LOOPBACK, PgFrontend, Reference, available

pytestmark = pytest.mark.skipif(not available(), reason="needs PostgreSQL 15's programs")

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "pg").glob("*.sql"))
RECORDED = [json.loads(line) for line in (HERE / "data" / "client-queries.jsonl").read_text().splitlines()]
# A statement that is understood may still fail for its objects or values.
NOT_UNDERSTOOD = {"42601", "42883", "42703", "42804", "42846", "42P18", "0A000", "XX000"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sql")
    own, reference = PgFrontend(directory / "own"), Reference(directory / "reference")
    yield own, reference
    own.stop()
    reference.stop()


def run(server, *arguments, text=None, database=None, program="psql"):
    command = [program, "-h", LOOPBACK, "-p", str(server.port), "-U", server.user, *arguments]
    if program == "psql":
        command += ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database or server.database]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)


def fresh(server, name):
    done = run(server, "-c", f"CREATE DATABASE {name}")
    assert done.returncode == 0, done.stderr
    return server.dsn(dbname=name)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_as_the_reference(servers, path):
    own, reference = servers
    name = f"corpus_{path.stem}"
    count, differences = differential.compare(path, fresh(own, name), fresh(reference, name))
    assert count > 10
    assert not differences, f"{len(differences)} of {count} differ:\n" + "\n".join(differences)


def test_what_clients_sent_is_understood(servers):
    """Each recorded statement in its turn, in one database; none may fail for its syntax, functions or columns."""
    own, _ = servers
    connection = differential.connect(fresh(own, "recorded"))
    for statement in SCHEMA.split(";\n"):
        assert not differential.ask(connection, differential.Statement(statement, 0), False).error, statement
    failed, counts = [], Counter()
    for entry in RECORDED:
        prepared = connection.prepare(b"", entry["sql"].encode())
        answer = differential.failed(prepared) if prepared.status != differential.pq.ExecStatus.COMMAND_OK else differential.Answer()
        several = answer.error == "42601" and "multiple commands" in answer.message
        if answer.error in NOT_UNDERSTOOD and not several:
            failed.append(f"{entry['client']}: {answer.error} {answer.message}: {entry['sql'][:300]}")
        elif answer.error:
            counts[answer.error] += 1
        if not answer.error and entry["sql"].lstrip().upper().startswith(("CREATE ", "ALTER ")):
            differential.ask(connection, differential.Statement(entry["sql"], 0), False)
    connection.finish()
    print(f"{len(RECORDED)} statements, {len(failed)} not understood; for their objects: {dict(counts)}")
    assert not failed, "\n".join(failed)


SCHEMA = """CREATE TYPE sa_enum AS ENUM ('x', 'y');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE authors (id serial PRIMARY KEY, name text NOT NULL, email varchar(100) UNIQUE, born date, rating numeric(5,2), active bool, tags text[], meta jsonb, created_at timestamptz DEFAULT now(), u uuid);
CREATE TABLE books (id bigserial PRIMARY KEY, author_id int REFERENCES authors (id) ON DELETE CASCADE, title varchar(200) NOT NULL, price float8, blob bytea);
CREATE TABLE t_enum (id serial PRIMARY KEY, m mood);
"""


@pytest.mark.parametrize("method", ["client", "server"])
def test_pgbench(servers, method):
    own, _ = servers
    name = f"bench_{method}"
    fresh(own, name)
    steps = "dtgvpf" if method == "client" else "dtGvpf"
    done = run(own, "-i", "-I", steps, "-s", "1", name, program="pgbench")
    assert done.returncode == 0, done.stderr
    for mode in ("simple", "extended", "prepared"):
        done = run(own, "-n", "-M", mode, "-t", "20", "-c", "2", name, program="pgbench")
        assert done.returncode == 0 and "number of failed transactions: 0" in done.stdout, done.stderr
    sums = run(own, "-At", "-c", "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches), count(*) FROM pgbench_accounts", database=name)
    assert sums.stdout.strip() == "t|100000", sums.stderr


def test_errors_name_the_place(servers):
    own, reference = servers
    for text in (
        "SELECT 1 +", "SELECT nosuch FROM pg_class", "SELECT * FROM nosuch", "SELECT 'é', nosuch(1)", "SELECT 1\nWHERE 'x'::int = 1",
        "SELECT\n\n  relname, x FROM pg_class", "SELECT 'unfinished", "SELECT /* open",
    ):
        places = []
        for server in (own, reference):
            connection = differential.connect(server.dsn())
            result = connection.exec_(text.encode())
            places.append((result.error_field(differential.pq.DiagnosticField.SQLSTATE), result.error_field(differential.pq.DiagnosticField.STATEMENT_POSITION)))
            connection.finish()
        assert places[0] == places[1], (text, places)
