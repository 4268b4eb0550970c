"""Several writers and readers: in one process, in several, on several machines."""

import os
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter

import pytest
from conftest import seconds
from support import bank, database, litestream
from support.database import BUSY, BUSY_SNAPSHOT, check, code, one
from support.paths import EXTENSION, PYTHON, TESTS

ROW = "CREATE TABLE stock(id INTEGER PRIMARY KEY, left INTEGER)"


def with_row(connect, store):
    blob = connect(store.uri("c.db"))
    blob.execute(ROW)
    blob.execute("INSERT INTO stock VALUES(1, 10)")
    return blob


@pytest.mark.stores("file", "s3", "s3gate", "azure")
def test_two_hosts_race_for_a_row(store, connect, host):
    with_row(connect, store)
    a, b = host(store.uri("c.db")), host(store.uri("c.db"))
    for h in (a, b):
        h.run("BEGIN")
        assert h.one("SELECT left FROM stock") == 10
        h.run("UPDATE stock SET left = left - 1 WHERE id = 1")
    a.run("COMMIT")
    with pytest.raises(sqlite3.OperationalError) as error:
        b.run("COMMIT")
    assert code(error.value) == BUSY_SNAPSHOT
    # The loser's connection is usable at once, and sees the winner's row.
    assert b.one("SELECT left FROM stock") == 9
    b.run("BEGIN IMMEDIATE")
    b.run("UPDATE stock SET left = left - 1 WHERE id = 1")
    b.run("COMMIT")
    assert a.one("SELECT left FROM stock") == 8
    assert len(store.transactions("c.db")) == 4


def test_a_stale_reader_may_not_write(store, connect, host):
    """Its snapshot is no longer the head: it learns so when it writes, or at COMMIT at the latest."""
    with_row(connect, store)
    a, b = host(store.uri("c.db")), host(store.uri("c.db"))
    b.run("BEGIN")
    assert b.one("SELECT left FROM stock") == 10
    a.run("UPDATE stock SET left = 3")
    with pytest.raises(sqlite3.OperationalError) as error:
        b.run("UPDATE stock SET left = left - 1")
        b.run("COMMIT")
    assert code(error.value) == BUSY_SNAPSHOT
    b.roll_back()
    assert b.one("SELECT left FROM stock") == 3


def test_a_stale_reader_in_the_same_process_may_not_write(store, connect):
    a = with_row(connect, store)
    b = connect(store.uri("c.db"))
    b.execute("BEGIN")
    assert one(b, "SELECT left FROM stock") == 10
    a.execute("UPDATE stock SET left = 3")
    assert one(b, "SELECT left FROM stock") == 10, "a reader keeps its snapshot"
    with pytest.raises(sqlite3.OperationalError) as error:
        b.execute("UPDATE stock SET left = left - 1")
    assert code(error.value) == BUSY_SNAPSHOT
    b.execute("ROLLBACK")
    assert one(b, "SELECT left FROM stock") == 3


def test_readers_see_one_snapshot_and_block_nobody(store, connect, host):
    writer = with_row(connect, store)
    local, far = connect(store.uri("c.db")), host(store.uri("c.db"))
    local.execute("BEGIN")
    far.run("BEGIN")
    assert one(local, "SELECT left FROM stock") == far.one("SELECT left FROM stock") == 10
    for n in range(5):
        writer.execute("UPDATE stock SET left = ?", (n,))
        assert one(local, "SELECT left FROM stock") == far.one("SELECT left FROM stock") == 10
    local.execute("COMMIT")
    far.run("COMMIT")
    assert one(local, "SELECT left FROM stock") == far.one("SELECT left FROM stock") == 4


def test_the_same_script_on_two_hosts(store, connect, host):
    """Rule 2: both create the same table from nothing, so header bytes 24..39 are alike; the
    loser's cached page 1 must not survive."""
    a, b = host(store.uri("c.db")), host(store.uri("c.db"))
    for h in (a, b):
        h.run("BEGIN")
        h.run("CREATE TABLE t(x)")
        h.run("INSERT INTO t VALUES(?)", "a" if h is a else "b")
    a.run("COMMIT")
    with pytest.raises(sqlite3.OperationalError) as error:
        b.run("COMMIT")
    assert code(error.value) == BUSY_SNAPSHOT
    assert b.run("SELECT x FROM t") == [("a",)]
    assert b.run("PRAGMA integrity_check") == [("ok",)]
    b.run("INSERT INTO t VALUES('b')")
    assert a.run("SELECT x FROM t ORDER BY x") == [("a",), ("b",)]


def test_the_loser_may_stay_in_its_cache(store, connect, host):
    """Rule 2 with existing tables: the same update of the same rows, different values."""
    with_row(connect, store)
    a, b = host(store.uri("c.db")), host(store.uri("c.db"))
    for round in range(5):
        for h, value in ((a, 100 + round), (b, 200 + round)):
            h.run("BEGIN")
            h.run("UPDATE stock SET left = ?", value)
        winner, loser = (a, b) if round % 2 else (b, a)
        winner.run("COMMIT")
        with pytest.raises(sqlite3.OperationalError):
            loser.run("COMMIT")
        assert loser.one("SELECT left FROM stock") == winner.one("SELECT left FROM stock")


def test_begin_immediate_with_a_timeout_waits_for_news(store, connect, host):
    """Rule 13: with a busy handler SQLite turns a lost race at BEGIN IMMEDIATE into a retry."""
    with_row(connect, store)
    a, b = host(), host()
    for h in (a, b):
        h.open(store.uri("c.db"), timeout=20)
    for _ in range(10):
        for h in (a, b):
            h.run("BEGIN IMMEDIATE")
            h.run("UPDATE stock SET left = left + 1")
            h.run("COMMIT")
    assert a.one("SELECT left FROM stock") == 30


def test_many_threads(store, connect):
    """Each thread adds to a shared counter and to its own; nothing is lost, and readers see both agree."""
    blob = connect(store.uri("c.db"))
    blob.execute("CREATE TABLE n(who INTEGER PRIMARY KEY, value INTEGER)")
    blob.execute("INSERT INTO n SELECT value, 0 FROM json_each('[0,1,2,3,4,5,6,7,8]')")
    rounds, wrong = 6, []

    def add(who):
        connection = sqlite3.connect(store.uri("c.db"), uri=True, isolation_level=None, timeout=30)
        for _ in range(rounds):
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("UPDATE n SET value = value + 1 WHERE who IN (0, ?)", (who,))
                    connection.execute("COMMIT")
                    break
                except sqlite3.OperationalError as error:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    if code(error) & 0xFF != BUSY:
                        wrong.append(repr(error))
                        return
        connection.close()

    def watch(stop):
        connection = sqlite3.connect(store.uri("c.db"), uri=True, isolation_level=None, timeout=30)
        while not stop.is_set():
            total, parts = connection.execute(
                "SELECT sum(value) FILTER (WHERE who = 0), sum(value) FILTER (WHERE who > 0) FROM n"
            ).fetchone()
            if total != parts:
                wrong.append((total, parts))
        connection.close()

    stop = threading.Event()
    adders = [threading.Thread(target=add, args=(who,)) for who in range(1, 9)]
    watchers = [threading.Thread(target=watch, args=(stop,)) for _ in range(2)]
    for thread in adders + watchers:
        thread.start()
    for thread in adders:
        thread.join()
    stop.set()
    for thread in watchers:
        thread.join()
    assert wrong == []
    assert dict(blob.execute("SELECT who, value FROM n")) == {0: 8 * rounds, **{w: rounds for w in range(1, 9)}}


def test_two_hosts_create_the_database_at_once(store, host):
    hosts = [host(store.uri("new.db")) for _ in range(4)]
    for n, h in enumerate(hosts):
        h.start("CREATE TABLE t AS SELECT ? AS x", n)
    outcomes = []
    for n, h in enumerate(hosts):
        try:
            h.answer()
            outcomes.append(n)
        except sqlite3.OperationalError as error:
            assert code(error) & 0xFF == BUSY or "already exists" in str(error), error
    assert len(outcomes) == 1
    assert [h.one("SELECT x FROM t") for h in hosts] == outcomes * 4


# The bank ---------------------------------------------------------------------


def run_bank(store, directory, duration: float, seed: int) -> None:
    """Four workers of three connections, killed and restarted at random."""
    rng = random.Random(seed)
    workers, generation, failures = {}, Counter(), []

    def start(number):
        generation[number] += 1
        environment = {**os.environ, "SQLBRIDGE_CACHE_DIR": str(directory / f"cache{number}")}
        os.makedirs(environment["SQLBRIDGE_CACHE_DIR"], exist_ok=True)
        arguments = [
            EXTENSION, store.uri("bank.db"), f"w{number}", rng.randrange(10**6),
            max(end - time.monotonic(), 0.1), directory / f"diary{number}", 3,
        ]
        workers[number] = subprocess.Popen(
            [PYTHON, TESTS / "support/bank.py", *map(str, arguments)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )

    def reap(number):
        process = workers[number]
        text = process.communicate()[1]
        if process.returncode not in (0, -9):
            failures.append(f"worker {number} ended with {process.returncode}: {text[-1500:]}")

    end = time.monotonic() + duration
    for number in range(4):
        start(number)
    kills = 0
    while time.monotonic() < end - 0.5:
        time.sleep(rng.uniform(0.3, 1.2))
        victim = rng.randrange(4)
        workers[victim].kill()
        reap(victim)
        kills += 1
        start(victim)
    for number in range(4):
        reap(number)
    assert failures == []
    assert kills > 0


def audit(store, connect, directory) -> Counter:
    """Every diary against the final history."""
    words = {}
    for diary in directory.glob("diary*"):
        for line in diary.read_text().splitlines():
            word, transfer = line.split()
            words[transfer] = word
    blob = connect(store.uri("bank.db"))
    check(blob)
    found = Counter(name for (name,) in blob.execute("SELECT id FROM transfer"))
    assert [name for name, count in found.items() if count != 1] == [], "applied more than once"
    assert found.keys() <= words.keys(), "a transfer that nobody made"
    lost = [name for name, word in words.items() if word == "done" and name not in found]
    assert lost == [], "acknowledged and lost"
    appeared = [name for name, word in words.items() if word == "refused" and name in found]
    assert appeared == [], "refused and yet there"
    balances = dict.fromkeys(range(bank.ACCOUNTS), bank.START)
    for source, target, amount in blob.execute("SELECT source, target, amount FROM transfer"):
        balances[source] -= amount
        balances[target] += amount
    assert dict(blob.execute("SELECT id, balance FROM account")) == balances
    return Counter(words.values())


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_bank(store, connect, tmp_path):
    seed = int(os.environ.get("SQLBRIDGE_SEED", 20261121))
    blob = connect(store.uri("bank.db"))
    bank.prepare(blob)
    run_bank(store, tmp_path, seconds(8), seed)
    words = audit(store, connect, tmp_path)
    print(f"{store.kind}: {dict(words)}")
    assert words["done"] >= 20, f"hardly anything was done: {words}"
    if store.kind == "file":
        restored = litestream.restore(store, "bank.db", tmp_path / "restored.db")
        assert restored == database.export(blob, tmp_path / "exported.db")
