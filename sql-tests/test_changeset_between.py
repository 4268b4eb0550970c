"""`changeset_between` against the rows at both points, over random histories."""

import os
import random
import sqlite3

import pytest
from support import database
from support.changesets import apply, decode, rows, wrong
from support.random_sql import Changes

SEEDS = int(os.environ.get("SQLBRIDGE_BETWEEN_SEEDS", 25))


class Plain:
    """A connection whose `execute` gives all rows."""

    def __init__(self, connection):
        self.connection = connection
        connection.text_factory = lambda text: text.decode("utf-8", "replace")

    def execute(self, sql: str) -> list[tuple]:
        return self.connection.execute(sql).fetchall()


def history(connection, seed: int) -> None:
    changes = Changes(seed)
    for sql in changes.begin():
        attempt(connection, sql)
    for _ in range(changes.random.randint(5, 60)):
        statements = changes.statements()
        if len(statements) > 1:
            attempt(connection, "BEGIN")
        for sql in statements:
            attempt(connection, sql)
        if connection.in_transaction:
            connection.execute("COMMIT")


def attempt(connection, sql: str) -> None:
    try:
        connection.execute(sql)
    except sqlite3.Error:
        pass


def between(connection, first: int, last: int):
    return decode(database.one(connection, "SELECT changeset_between('main', ?, ?)", first, last))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_histories(local, connect, seed):
    connection = connect(local.uri("a.db"))
    history(connection, seed)
    points = [txid for (txid,) in connection.execute("SELECT DISTINCT txid FROM blob_versions")]
    chosen = random.Random(seed)
    for _ in range(8):
        at = chosen.randrange(1, len(points))
        neighbours = points[at - 1 : at + 1]
        first, last = chosen.choice([neighbours, sorted(chosen.sample(points, 2))])
        then, now = (Plain(connect(local.uri("a.db", txid=txid))) for txid in (first, last))
        changes = between(connection, first, last)
        problem = wrong(now, changes, rows(then))
        assert problem is None, f"seed {seed}, {first} to {last}: {problem}"
        inverse = {(t, k, {"INSERT": "DELETE", "DELETE": "INSERT"}.get(op, op)): 0 for t, k, op, *_ in between(connection, last, first)}
        assert set(inverse) == {(t, k, op) for t, k, op, *_ in changes} and len(between(connection, last, first)) == len(changes)


@pytest.mark.parametrize("table", ["t(id INTEGER PRIMARY KEY, v)", "t(id INTEGER PRIMARY KEY, v) WITHOUT ROWID"])
@pytest.mark.parametrize("vacuum", [0, 1])
def test_a_change_in_an_overflow_page_only(local, connect, table, vacuum):
    connection = connect(local.uri("a.db"))
    connection.execute(f"PRAGMA auto_vacuum = {vacuum}")
    connection.execute(f"CREATE TABLE {table}")
    connection.execute("INSERT INTO t VALUES (1, 'short'), (2, randomblob(50000)), (3, randomblob(60000))")
    before = dict(connection.execute("SELECT id, v FROM t"))
    first = database.one(connection, "SELECT max(txid) FROM blob_versions")
    after = before[2][:40000] + b"!" + before[2][40001:]
    connection.execute("UPDATE t SET v = ? WHERE id = 2", (after,))
    [change] = between(connection, first, first + 1)
    assert change[2:] == ("UPDATE", (("i", 2), ("b", before[2])), (("-",), ("b", after)))
