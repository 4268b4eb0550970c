"""Postgres clients and the tools on top of them, unchanged: each program of `clients/` runs on PostgreSQL 15 and on
pg-frontend and must print the same. `clients/expected` is what PostgreSQL 15 printed, for where it is not at hand."""

import difflib
import os
import re
import subprocess
from pathlib import Path

import psycopg2
import pytest

from support import paths
from support.postgres import PROGRAM, REFERENCE, PgFrontend, Reference, available
from support.servers import LOOPBACK

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")

CLIENTS = Path(__file__).parent / "clients"
EXPECTED = CLIENTS / "expected"
PGBENCH = next((path for path in (paths.tool("pgbench"), str(REFERENCE / "pgbench")) if path and Path(path).exists()), None)
CHINOOK = next((path for up in paths.ROOT.parents if (path := up / "shared/data/chinook-postgres.sql").exists()), None)
JDBC = [*paths.JDBC.glob("postgresql-*.jar"), *Path("/usr/share/java").glob("postgresql-4*.jar")]


# Servers, programs.


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    server = PgFrontend(tmp_path_factory.mktemp("clients"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    server = Reference(tmp_path_factory.mktemp("reference"), fsync="off") if available() else None
    yield server
    if server:
        server.stop()


@pytest.fixture
def both(ours, reference):
    return [server for server in (reference, ours) if server]


def environment(server, database):
    """Everything that libpq and its like read; nothing that is left over."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    place = {"PGHOST": LOOPBACK, "PGPORT": str(server.port), "PGUSER": server.user, "PGDATABASE": database}
    return {**clean, **place, "NODE_PATH": str(paths.NODE_MODULES), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def run(server, database, *command, check=True, **more):
    """Standard output and errors of a client."""
    command = [str(word) for word in command]
    more.setdefault("cwd", CLIENTS)
    done = subprocess.run(command, env=environment(server, database), capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0 or not check, f"{command[0]} on {type(server).__name__}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout, done.stderr


def psql(server, database, *arguments, **more):
    out, errors = run(server, database, "psql", "-X", *arguments, **more)
    return out + errors


def new_database(server, name):
    assert psql(server, "postgres", "-q", "-c", f"CREATE DATABASE {name}") == ""


def same(name, told):
    """`told` is what PostgreSQL 15 printed."""
    expected = (EXPECTED / f"{name}.txt").read_text()
    if told != expected:
        lines = difflib.unified_diff(expected.splitlines(), told.splitlines(), "expected", "told", lineterm="", n=1)
        pytest.fail("\n".join(lines), pytrace=False)


def client(both, name, *command):
    for server in both:
        new_database(server, name)
        out, _ = run(server, name, *command)
        same(name, out)


# The clients.


@pytest.mark.parametrize("name", ["psycopg2", "psycopg3", "asyncpg"])
def test_python(both, name):
    client(both, name, paths.PYTHON, CLIENTS / f"{name}_client.py")


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "asyncpg"])
def test_sqlalchemy(both, driver):
    pytest.importorskip("sqlalchemy")
    client(both, f"sqlalchemy_{driver}", paths.PYTHON, CLIENTS / "sqlalchemy_client.py", driver)


def test_django(both):
    pytest.importorskip("django")
    client(both, "django", paths.PYTHON, CLIENTS / "django_client.py")


@pytest.mark.parametrize("name, package", [("node_postgres", "pg-cursor"), ("postgres_js", "postgres")])
def test_node(both, name, package):
    if not (paths.NODE_MODULES / package).exists():
        pytest.skip(f"npm's {package} is not installed: make test-deps")
    client(both, name, "node", CLIENTS / f"{name}_client.js")


def test_jdbc(both):
    if not JDBC or not paths.tool("java"):
        pytest.skip("needs java and the driver: apt-get install libpostgresql-jdbc-java")
    client(both, "pgjdbc", "java", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-cp", JDBC[-1], CLIENTS / "PgJdbc.java", CLIENTS)


@pytest.fixture(scope="module")
def tokio_postgres():
    """The program in Rust, built in a folder of its own, so that a second time is quick."""
    if not paths.tool("cargo"):
        pytest.skip("needs cargo, which built what is tested here, on PATH")
    target = paths.TARGET / "clients"
    build = ["cargo", "build", "--quiet", "--locked", "--target-dir", str(target)]
    done = subprocess.run(build, cwd=CLIENTS / "rust", capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-4000:]
    return target / "debug" / "tokio-postgres-client"


def test_rust(both, tokio_postgres):
    client(both, "tokio_postgres", tokio_postgres)


def test_psql(both):
    if not paths.tool("psql"):
        pytest.skip("psql is not installed: apt-get install postgresql-client")
    for server in both:
        new_database(server, "psql")
        # Both streams in one, in order.
        out, _ = run(server, "psql", "sh", "-c", "psql -X -f psql.sql 2>&1")
        same("psql", out)


# pgbench.


@pytest.fixture
def bank(ours, request):
    """The name of a new database."""
    if not PGBENCH:
        pytest.skip("pgbench is not installed: apt-get install postgresql-15")
    name = re.sub(r"\W+", "_", request.node.name).strip("_").lower()
    new_database(ours, name)
    return name


def pgbench(server, database, *arguments):
    out, errors = run(server, database, PGBENCH, *arguments)
    assert "ERROR" not in errors and "error" not in errors, errors
    return out


def ask(server, database, sql):
    return psql(server, database, "-At", "-c", sql).splitlines()


def counts(server, database):
    tables = [f"(SELECT count(*) FROM pgbench_{name})" for name in ("branches", "tellers", "accounts")]
    return ask(server, database, f"SELECT {', '.join(tables)}")


def run_of(report):
    """Transactions of a run; none failed."""
    assert re.search(r"number of failed transactions: 0 ", report), report
    return int(re.search(r"number of transactions actually processed: (\d+)", report)[1])


def balanced(server, database, transactions):
    """What the bank must add up to."""
    (told,) = ask(
        server, database,
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = h, (SELECT sum(tbalance) FROM pgbench_tellers) = h,"
        " (SELECT sum(bbalance) FROM pgbench_branches) = h, n FROM (SELECT sum(delta) AS h, count(*) AS n FROM pgbench_history) AS history",
    )
    assert told == f"t|t|t|{transactions}"


@pytest.mark.parametrize("steps", ["dtgvp", "dtGvpf"])
def test_pgbench_initializes(ours, bank, steps):
    pgbench(ours, bank, "-i", "-q", "-s", "1", "-I", steps)
    pgbench(ours, bank, "-i", "-q", "-s", "1", "-I", steps)
    assert counts(ours, bank) == ["1|10|100000"]
    assert "pgbench_accounts_pkey" in psql(ours, bank, "-c", r"\d pgbench_accounts")
    assert ask(ours, bank, "SELECT min(aid), max(aid), sum(abalance), length(min(filler)) FROM pgbench_accounts")[0].startswith("1|100000|0|")


def test_pgbench_runs(ours, bank):
    pgbench(ours, bank, "-i", "-q", "-s", "1")
    transactions = 0
    for mode in ("simple", "extended", "prepared"):
        transactions += run_of(pgbench(ours, bank, "-n", "-M", mode, "-c", "4", "-t", "25"))
        assert run_of(pgbench(ours, bank, "-n", "-S", "-M", mode, "-c", "4", "-t", "100")) == 400
    assert transactions == 300
    balanced(ours, bank, 300)
    # Vacuums, truncates the history before the run; one connection for each transaction.
    assert run_of(pgbench(ours, bank, "-N", "-C", "-c", "2", "-t", "10")) == 20
    assert ask(ours, bank, "SELECT count(*) FROM pgbench_history") == ["20"]


def test_the_users_story(ours, bank, tmp_path):
    """pgbench -i -s 10 myapp && pgbench -c 8 -T 60 myapp, shortened; then a dump of another's into a new database."""
    report = subprocess.run(
        ["sh", "-c", f'"{PGBENCH}" -i -q -s 2 {bank} && "{PGBENCH}" -c 8 -T 2 {bank}'],
        env=environment(ours, bank), capture_output=True, text=True, timeout=120,
    )
    assert report.returncode == 0, report.stderr
    assert counts(ours, bank) == ["2|20|200000"]
    balanced(ours, bank, run_of(report.stdout))


QUESTIONS = [
    *[f"SELECT count(*) FROM {table}" for table in
      "album artist customer employee genre invoice invoice_line media_type playlist playlist_track track".split()],
    "SELECT sum(total), avg(total), min(invoice_date), max(invoice_date) FROM invoice",
    "SELECT billing_country, count(*), sum(total) FROM invoice GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 8",
    "SELECT g.name, sum(l.unit_price * l.quantity) AS money FROM invoice_line l JOIN track t USING (track_id) JOIN genre g USING (genre_id) GROUP BY g.name ORDER BY money DESC, 1",
    "SELECT a.name, count(DISTINCT al.album_id), round(avg(t.milliseconds) / 1000, 2) FROM artist a JOIN album al USING (artist_id) JOIN track t USING (album_id) GROUP BY a.artist_id, a.name HAVING count(*) > 40 ORDER BY 2 DESC, 1",
    "SELECT extract(year FROM invoice_date) AS year, to_char(invoice_date, 'MM') AS month, sum(total) FROM invoice GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 15",
    "SELECT e.last_name, m.last_name FROM employee e LEFT JOIN employee m ON m.employee_id = e.reports_to ORDER BY e.employee_id",
    "SELECT name, rank() OVER (PARTITION BY genre_id ORDER BY milliseconds DESC) FROM track WHERE genre_id = 9 ORDER BY 2, 1 LIMIT 10",
    "SELECT upper(left(last_name, 3)), string_agg(first_name, ', ' ORDER BY first_name) FROM customer GROUP BY 1 HAVING count(*) > 1 ORDER BY 1",
    "SELECT name FROM track WHERE name ILIKE '%love%' AND composer ~ '^[A-C]' ORDER BY name LIMIT 10",
    "WITH RECURSIVE chain AS (SELECT employee_id, 0 AS depth FROM employee WHERE reports_to IS NULL UNION ALL SELECT e.employee_id, depth + 1 FROM employee e JOIN chain ON e.reports_to = chain.employee_id) SELECT depth, count(*) FROM chain GROUP BY depth ORDER BY depth",
]


def test_chinook(both):
    """A database that somebody made for Postgres: psql -f chinook-postgres.sql postgres."""
    if CHINOOK is None:
        pytest.skip("the Chinook script (Chinook_PostgreSql.sql) does not lie in shared/data, beside the repository or above")
    answers = []
    for server in both:
        told = psql(server, "postgres", "-q", "-f", CHINOOK)
        assert "ERROR" not in told, told
        answers.append([(sql, ask(server, "chinook", sql)) for sql in QUESTIONS])
        answers[-1].append(psql(server, "chinook", "-c", r"\d track", "-c", r"\d invoice_line"))
        with psycopg2.connect(server.dsn(dbname="chinook")) as connection, pytest.raises(psycopg2.errors.ForeignKeyViolation):
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM artist WHERE artist_id = 1")
    assert answers[0][:3] == [(QUESTIONS[0], ["347"]), (QUESTIONS[1], ["275"]), (QUESTIONS[2], ["59"])]
    for expected, told in zip(answers[0], answers[-1], strict=True):
        assert told == expected
