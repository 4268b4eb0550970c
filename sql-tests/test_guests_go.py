"""Programs in Go inside the database: the examples, a program that is kept, and the driver's own tests, run as a guest."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support.database import one
from support.paths import EXTENSION, ROOT

#: What `make -C guests/go` builds.
MODULES = Path(os.environ.get("SQLBRIDGE_GUESTS", ROOT / "build/guests"))
#: The first call of a module in Go compiles it, which takes seconds; later ones find the code.
OPTIONS = {"timeout": "120s", "memory": "256MB"}


def module(name: str) -> Path:
    path = MODULES / f"{name}.wasm"
    if not path.exists():
        pytest.skip(f"{path.name} is not built: make -C guests/go says which toolchain is missing")
    return path


def run(db, name: str, *args: str, **options) -> list:
    """Runs a command; its lines."""
    options = json.dumps({**OPTIONS, "args": list(args), **options})
    return db.execute("SELECT stream, line FROM sqlproxy_serve(?, ?)", (module(name).read_bytes(), options)).fetchall()


def keep(db, name: str) -> None:
    """Makes the virtual table `app` of a reactor."""
    db.execute("SELECT proc_create('program', ?, '{\"kind\": \"guest\"}')", (module(name).read_bytes(),)).fetchall()
    db.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='program', timeout='120s')")


def ask(db, request):
    return one(db, "SELECT response FROM app WHERE request = ?", request)


def refused(db, request) -> str:
    with pytest.raises(sqlite3.Error) as caught:
        ask(db, request)
    return str(caught.value)


@pytest.fixture
def db(connect):
    db = connect(":memory:")
    db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, item TEXT, price REAL, sold_at TEXT)")
    db.executemany("INSERT INTO orders(item, price, sold_at) VALUES (?, ?, ?)", [
        ("lamp", 19.5, "2026-11-02"), ("desk", 120, "2026-11-05"), ("lamp", 19.5, "2026-11-30"), ("lamp", 18, "2026-10-30")])
    db.execute("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE)")
    db.execute("INSERT INTO users(name) VALUES ('ann'), ('bob')")
    return db


# Commands ----------------------------------------------------------------------


REPORT = ["sales in 2026-11", "desk          1     120.00", "lamp          2      39.00", "total               159.00"]


def test_report(db):
    assert run(db, "go-report", "--month", "2026-11") == [*(("stdout", line) for line in REPORT), ("exit", "0")]
    assert run(db, "go-report", "--month", "2026-13") == [
        ("stderr", "report: --month 2026-13 is not of the form YYYY-MM"), ("exit", "1")]


def test_report_in_the_shell(db, tmp_path):
    db.execute("VACUUM INTO ?", (str(tmp_path / "shop.db"),))
    script = f""".load {EXTENSION}
SELECT line FROM sqlproxy_serve(readfile('{module("go-report")}'), '{{"args": ["--month", "2026-11"], "timeout": "120s"}}') WHERE stream = 'stdout';"""
    done = subprocess.run(["sqlite3", tmp_path / "shop.db"], input=script, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == REPORT, done.stderr


def test_report_sees_the_callers_transaction(db):
    db.execute("BEGIN")
    db.execute("DELETE FROM orders WHERE item = 'lamp'")
    assert ("stdout", "total               120.00") in run(db, "go-report", "--month", "2026-11")
    db.execute("ROLLBACK")
    assert run(db, "go-report", "--month", "2026-11")[3] == ("stdout", REPORT[3])


def test_errors_are_said(db):
    db.execute("DROP TABLE orders")
    assert run(db, "go-report") == [("stderr", "report: no such table: orders (SQLITE_ERROR)"), ("exit", "1")]


def test_the_suite_of_the_driver(db):
    """guests/go/internal/suite, inside of this database."""
    lines = [line for _, line in run(db, "go-suite", "-test.v", "-test.run=^Test")]
    failed = [line for line in lines if "FAIL" in line or ".go:" in line]
    assert not failed and lines[-2:] == ["PASS", "0"], lines
    assert sum("--- PASS: TestInDatabase/" in line for line in lines) > 45


def test_the_measurements_run(db):
    lines = run(db, "go-bench", "-selects", "100", "-rows", "1000", "-inserts", "100")
    assert [line.split()[0] for _, line in lines] == [
        *("select_1_prepared", "select_1_text", "select_1_each", "select_1_conn_each"),
        *("insert_in_transaction", "insert_in_transaction_many", "row_of_4_columns", "row_of_4_columns_each", "0"),
    ]


# Programs that are kept ----------------------------------------------------------


def test_app(db):
    keep(db, "go-app")

    def get(request: dict):
        return json.loads(ask(db, json.dumps(request)))

    assert get({"path": "/users/1"}) == {"status": 200, "body": {"id": 1, "name": "ann"}}
    assert get({"path": "/users"})["body"] == [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]
    assert get({"path": "/users/9"}) == {"status": 404, "error": "/users/9 is not here"}
    assert get({"path": "/served"})["body"] == 4, "state is kept"
    new = [{"name": "cy", "email": "c@example.org"}, {"name": "dee", "email": "d@example.org"}]
    assert get({"method": "POST", "path": "/users", "body": new}) == {"status": 200, "body": 2}
    again = [{"name": "eve", "email": "e@example.org"}, {"name": "cy", "email": "c@example.org"}]
    assert get({"method": "POST", "path": "/users", "body": again})["status"] == 409
    assert one(db, "SELECT group_concat(name) FROM users") == "ann,bob,cy,dee", "all or none"
    assert get({"path": "/users/3"})["body"]["email"] == "c@example.org"
    assert json.loads(ask(db, "{"))["status"] == 400
    db.execute("INSERT INTO app(request) VALUES (?)", (json.dumps({"path": "/users"}),))
    db.execute("DROP TABLE users")
    assert "no such table: users" in refused(db, '{"path": "/users"}')


@pytest.fixture
def kept(db):
    db.execute("CREATE TABLE t(a)")
    keep(db, "go-kept")
    return db


def test_answers(kept):
    assert ask(kept, "null") is None
    assert "it went wrong" in refused(kept, "error")
    assert "the program's answer is not UTF-8" in refused(kept, "not UTF-8")
    assert ask(kept, "count") == "0"
    assert ask(kept, "blobs from now on") == "ok"
    assert ask(kept, "count") == b"0" and ask(kept, "not UTF-8") == b"\xff"


def test_a_panic_is_an_error_and_the_program_goes_on(kept):
    assert ask(kept, "count") == "0"
    assert "the program panicked: assignment to entry in nil map" in refused(kept, "panic")
    kept.execute("INSERT INTO t VALUES (1)")
    assert ask(kept, "count") == "1"


def test_a_statement_prepared_in_an_earlier_request(kept):
    assert ask(kept, "count") == "0"
    kept.execute("INSERT INTO t VALUES (1)")
    assert ask(kept, "goroutines") == "6 context deadline exceeded"
    kept.execute("ALTER TABLE t ADD COLUMN b")
    assert ask(kept, "count") == "1"


def test_a_transaction_ends_with_its_request(kept):
    assert ask(kept, "begin") == "ok"
    assert one(kept, "SELECT count(*) FROM t") == 0, "it was rolled back"
    for request in ("insert into it", "commit it"):
        assert "rolled back when the request ended" in refused(kept, request)
    assert ask(kept, "count") == "0"


def test_rows_end_with_their_request(kept):
    assert ask(kept, "open rows") == "true"
    assert "the rows were closed when the request ended" in refused(kept, "read on")
    assert ask(kept, "count") == "0"


def test_a_second_connection_does_not_join_a_transaction(kept):
    """It waits for the end, and here waits in vain."""
    assert "connection 0 of this program has transaction" in refused(kept, "two connections")
    assert one(kept, "SELECT count(*) FROM t") == 0


def test_no_transaction_inside_of_a_statement_that_changes(kept):
    with pytest.raises(sqlite3.Error, match="has no transactions of its own while the statement that calls it"):
        kept.execute("INSERT INTO app(request) VALUES ('begin')")
    kept.execute("INSERT INTO app(request) VALUES ('count')")
    assert ask(kept, "count") == "0"
