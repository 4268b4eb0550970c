"""Programs in Rust inside the database: the examples, and the crate's tests as a guest."""

import json
import os
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support.paths import EXTENSION, ROOT

MODULES = Path(os.environ.get("SQLBRIDGE_GUESTS", ROOT / "build/guests"))
SUITE = (ROOT / "guests/rust/guest/examples/suite.rs").read_text()
CHECKS = [name for name in re.findall(r'^    \("(\w+)", ', SUITE, re.MULTILINE) if name != "panic"]


def module(name: str) -> bytes:
    path = MODULES / f"{name}.wasm"
    if not path.exists():
        pytest.skip(f"{path.name} is not built: make guests says which toolchain is missing")
    return path.read_bytes()


def run(connection, name: str, *args: str, **options) -> list:
    return connection.execute("SELECT stream, line FROM sqlproxy_serve(?, ?)", (module(name), json.dumps({"args": args, **options}))).fetchall()


def lines(rows: list, stream: str) -> list:
    return [line for of, line in rows if of == stream]


@pytest.fixture
def db(connect):
    return connect(":memory:")


@pytest.fixture
def bank(connect, tmp_path):
    """The program that answers, in a database in a file, with two accounts of 10."""
    path = str(tmp_path / "bank.db")
    connection = connect(path)
    connection.execute("CREATE TABLE accounts(id INTEGER PRIMARY KEY, owner TEXT UNIQUE, balance INTEGER NOT NULL DEFAULT 10 CHECK (balance >= 0))")
    connection.execute("SELECT proc_create('bank', ?, '{\"kind\": \"guest\"}')", (module("rust-app"),)).fetchall()
    connection.execute("CREATE VIRTUAL TABLE app USING sqlproxy_serve(module='bank')")
    assert [ask(connection, {"open": owner}) for owner in ("ann", "bob")] == [1, 2]
    return connection


def ask(connection, request):
    (answer,) = connection.execute("SELECT response FROM app WHERE request = ?", (json.dumps(request),)).fetchone()
    return json.loads(answer)


def refused(connection, request) -> str:
    with pytest.raises(sqlite3.Error) as caught:
        ask(connection, request)
    return str(caught.value)


def balances(connection) -> list:
    return [balance for (balance,) in connection.execute("SELECT balance FROM accounts ORDER BY id")]


# The crate's tests ---------------------------------------------------------------


def test_the_checks_are_found(db):
    assert len(CHECKS) >= 15
    assert lines(run(db, "rust-suite"), "stdout") == [*CHECKS, "panic"]


@pytest.mark.parametrize("check", CHECKS)
def test_check(db, check):
    assert run(db, "rust-suite", check, timeout="60s") == [("stdout", f"{check}: ok"), ("exit", "0")]
    assert not db.in_transaction


def test_a_panic_is_a_trap_with_its_message(db):
    """wasm32-wasip1 aborts where it panics."""
    cursor = db.execute("SELECT stream, line FROM sqlproxy_serve(?, '{\"args\": [\"panic\"]}')", (module("rust-suite"),))
    seen = []
    with pytest.raises(sqlite3.Error, match="trap"):
        for row in cursor:
            seen.append(row)
    assert "as it was told to" in lines(seen, "stderr")


def test_a_program_may_read_only(db):
    (line,) = lines(run(db, "rust-suite", "values", sql="read"), "stderr")
    assert line.startswith("values: ") and 'it needs "sql": "write"' in line


# The examples --------------------------------------------------------------------


def test_report(db):
    db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, region TEXT, amount REAL, at TEXT)")
    db.executemany("INSERT INTO orders(region, amount, at) VALUES (?, ?, ?)", [("north", 10.5, "2026-11-01"), ("south", 20, "2026-11-30"), ("north", 3, "2026-12-01")])
    assert run(db, "rust-report", "--month", "2026-11") == [
        ("stdout", "south      1     20.00"), ("stdout", "north      1     10.50"), ("stdout", "the largest is order 2, 20.00"), ("exit", "0")]
    assert lines(run(db, "rust-report", "--month", "1999-01"), "stdout") == ["nothing was sold in 1999-01"]
    assert run(db, "rust-report") == [("stderr", "report: which month? --month 2026-11"), ("exit", "1")]
    db.execute("DROP TABLE orders")
    assert lines(run(db, "rust-report", "--month", "2026-11"), "stderr") == ["report: no such table: orders"]


def test_the_cli_runs_a_report():
    script = f"""
        .load {EXTENSION}
        CREATE TABLE orders(id INTEGER PRIMARY KEY, region TEXT, amount REAL, at TEXT);
        INSERT INTO orders(region, amount, at) VALUES ('north', 1, '2026-11-01');
        SELECT line FROM sqlproxy_serve(readfile('{MODULES}/rust-report.wasm'), '{{"args": ["--month", "2026-11"]}}') WHERE stream = 'stdout';
    """
    module("rust-report")
    script = "\n".join(line.strip() for line in script.splitlines())
    done = subprocess.run(["sqlite3", "-batch"], input=script, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["north      1      1.00", "the largest is order 1, 1.00"]


def test_answers(bank):
    assert ask(bank, {"transfer": {"from": 1, "to": 2, "amount": 4}}) is None
    assert ask(bank, "accounts") == [{"id": 1, "owner": "ann", "balance": 6}, {"id": 2, "owner": "bob", "balance": 14}]


@pytest.mark.parametrize("request_, message", [
    ({"transfer": {"from": 1, "to": 2, "amount": 11}}, "that is not possible: CHECK constraint failed: balance >= 0"),
    ({"transfer": {"from": 1, "to": 3, "amount": 1}}, "there is no account 3"),
    ({"open": "ann"}, "that is not possible: UNIQUE constraint failed: accounts.owner"),
    ("nothing", "the request is not understood: unknown variant `nothing`"),
])
def test_errors_are_sentences_and_undo_what_was_begun(bank, request_, message):
    assert message in refused(bank, request_)
    assert balances(bank) == [10, 10]
    assert ask(bank, {"transfer": {"from": 1, "to": 2, "amount": 1}}) is None, "it goes on after an error"


def test_in_the_callers_transaction(bank):
    """What it does is the caller's: kept or undone with it; and what it undoes itself, it undoes inside."""
    bank.commit()
    bank.execute("BEGIN")
    bank.execute("UPDATE accounts SET balance = 100 WHERE id = 1")
    ask(bank, {"transfer": {"from": 1, "to": 2, "amount": 50}})
    refused(bank, {"transfer": {"from": 1, "to": 2, "amount": 51}})
    assert bank.in_transaction and balances(bank) == [50, 60]
    bank.execute("ROLLBACK")
    assert balances(bank) == [10, 10]
    for _ in range(3):
        ask(bank, {"transfer": {"from": 1, "to": 2, "amount": 1}})
    bank.commit()
    assert balances(bank) == [7, 13]


def test_one_request_for_each_row(bank):
    bank.execute("CREATE TABLE jobs(payer INTEGER, amount INTEGER)")
    bank.executemany("INSERT INTO jobs VALUES (?, ?)", [(1, 2), (2, 1), (1, 3)])
    bank.commit()
    request = "json_object('transfer', json_object('from', payer, 'to', 3 - payer, 'amount', amount))"
    answers = bank.execute(f"SELECT response FROM jobs JOIN app ON request = {request}").fetchall()
    assert answers == [("null",)] * 3
    assert balances(bank) == [6, 14]
