"""SIGKILL at each step of a commit: committed or not, never half, and nothing acknowledged is lost."""

import re
import signal
import subprocess
import time

import pytest
from support import database, litestream
from support.database import check, one
from support.host import Host
from support.paths import tool

#: What a commit into a directory may be made of. The kill comes at the call's entry,
#: so "after the last" is the kill before whatever follows.
CALLS = (
    "openat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,fsync,fdatasync,link,linkat,"
    "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,utimensat,close"
)
SETUP = "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)"
COMMIT = "INSERT INTO t VALUES(2, zeroblob(30000))"


def prepared(store, host, **settings) -> Host:
    """A host with one committed row and a transaction that only lacks its commit."""
    other = host(store.uri("k.db"), **settings)
    other.run(SETUP)
    other.run("INSERT INTO t VALUES(1, zeroblob(30000))")
    return other


def after_the_kill(store, connect, host, tmp_path, acknowledged: bool, cache=None) -> int:
    """The state must be that before or after the commit, on a host with the dead one's cache and
    on a fresh one, and the database must go on. Gives how many rows there are."""
    fresh = connect(store.uri("k.db"))
    check(fresh)
    rows = [i for (i,) in fresh.execute("SELECT id FROM t ORDER BY id")]
    assert rows in ([1], [1, 2])
    if acknowledged:
        assert rows == [1, 2]
    assert one(fresh, "SELECT sum(length(body)) FROM t") == 30000 * len(rows)
    heir = host(store.uri("k.db"), cache=cache or tmp_path / "host0")
    assert heir.run("SELECT id FROM t ORDER BY id") == [(i,) for i in rows]
    heir.run("INSERT INTO t VALUES(3, zeroblob(30000))")
    assert heir.run("PRAGMA integrity_check") == [("ok",)]
    assert [i for (i,) in fresh.execute("SELECT id FROM t ORDER BY id")] == [*rows, 3]
    restored = litestream.restore(store, "k.db", tmp_path / "restored.db")
    assert restored == database.export(fresh, tmp_path / "exported.db")
    fresh.close()
    heir.kill()
    return len(rows)


def attach(pid: int, *options: str) -> subprocess.Popen:
    """strace on a running process, once it is attached."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    line = tracer.stderr.readline()
    if "attached" not in line:
        tracer.kill()
        tracer.wait()
        pytest.skip(f"strace may not attach: {line.strip()}; the timed kills below stand in for this test")
    return tracer


def calls_of_a_commit(store, host, tmp_path) -> dict:
    """How often each call comes in one commit."""
    other = prepared(store, host)
    log = tmp_path / "strace.log"
    tracer = attach(other.pid, "-o", str(log), "-e", f"trace={CALLS}")
    other.run(COMMIT)
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    other.kill()
    names = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    return {name: names.count(name) for name in set(names)}


@pytest.mark.skipif(tool("strace") is None, reason="strace is not installed: make test-deps, as root")
@pytest.mark.timeout(400)
def test_killed_before_each_call_of_a_local_commit(new_store, connect, host, tmp_path):
    counts = calls_of_a_commit(new_store("file"), host, tmp_path)
    durable = {"fsync", "fdatasync"} & counts.keys()
    assert durable, f"a commit without fsync: {counts}"
    assert {"link", "linkat"} & counts.keys(), f"a commit without a link: {counts}"
    outcomes = []
    for call, count in sorted(counts.items()):
        for nth in range(1, count + 1):
            store = new_store("file")
            cache = tmp_path / f"cache-{call}-{nth}"
            cache.mkdir()
            other = prepared(store, host, cache=cache)
            tracer = attach(other.pid, "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={nth}")
            acknowledged = False
            try:
                other.run(COMMIT)
                acknowledged = True
            except (EOFError, BrokenPipeError):
                pass
            other.kill()
            tracer.wait(10)
            rows = after_the_kill(store, connect, host, tmp_path, acknowledged, cache)
            outcomes.append((call, nth, acknowledged, rows))
    seen = {rows for *_, rows in outcomes}
    assert seen == {1, 2}, f"the kills came on one side of the commit only: {outcomes}"


@pytest.mark.parametrize("microseconds", [0, 200, 500, 1000, 2000, 4000, 8000, 15000, 30000])
def test_killed_some_time_into_a_commit(store, connect, host, tmp_path, microseconds):
    other = prepared(store, host)
    other.start(COMMIT)
    time.sleep(microseconds / 1e6)
    other.kill()
    after_the_kill(store, connect, host, tmp_path, acknowledged=False)


@pytest.mark.stores("s3gate")
@pytest.mark.parametrize("moment, committed", [("hang_before", False), ("hang_after", True)])
def test_killed_while_the_put_is_under_way(store, faulty, connect, host, tmp_path, moment, committed):
    other = prepared(store, host)
    faulty.fault(moment, "PUT", r"\.ltx$", times=1)
    other.start(COMMIT)
    faulty.wait_for_hit()
    if moment == "hang_after":
        wait_until(lambda: len(store.transactions("k.db")) == 3)
    other.kill()
    faulty.reset()
    assert after_the_kill(store, connect, host, tmp_path, acknowledged=False) == (2 if committed else 1)


@pytest.mark.stores("s3gate")
def test_killed_while_the_put_waits_to_begin(store, faulty, connect, host, tmp_path):
    """The store takes the request from a client that is dead by then."""
    other = prepared(store, host)
    faulty.fault("slow", "PUT", r"\.ltx$", times=1, latency_ms=300)
    other.start(COMMIT)
    faulty.wait_for_hit()
    other.kill()
    time.sleep(0.6)
    faulty.reset()
    after_the_kill(store, connect, host, tmp_path, acknowledged=False)


def test_killed_right_after_the_acknowledgement(store, connect, host, tmp_path):
    other = prepared(store, host)
    other.run(COMMIT)
    other.kill()
    assert after_the_kill(store, connect, host, tmp_path, acknowledged=True) == 2


@pytest.mark.parametrize("microseconds", [500, 3000, 10000])
def test_killed_while_creating_the_database(store, connect, host, microseconds):
    other = host(store.uri("new.db"))
    other.start("CREATE TABLE t(x)")
    time.sleep(microseconds / 1e6)
    other.kill()
    blob = connect(store.uri("new.db"))
    blob.execute("CREATE TABLE IF NOT EXISTS t(x)")
    blob.execute("INSERT INTO t VALUES(1)")
    check(blob)
    assert host(store.uri("new.db")).one("SELECT count(*) FROM t") == 1


def test_killed_inside_a_large_transaction(store, connect, host, tmp_path):
    """Pages have spilled, nothing was committed: nothing is there, and no file is left behind."""
    other = prepared(store, host)
    other.run("PRAGMA cache_size=10")
    other.run("BEGIN")
    other.run(
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM n WHERE i < 3000) "
        "INSERT INTO t SELECT i, zeroblob(2000) FROM n"
    )
    before = store.keys()
    other.kill()
    assert store.keys() == before
    assert after_the_kill(store, connect, host, tmp_path, acknowledged=False) == 1


def test_killed_while_compacting(store, connect, host, tmp_path):
    other = prepared(store, host)
    for n in range(10, 30):
        other.run("INSERT INTO t VALUES(?, zeroblob(100))", n)
    for delay in (0.0005, 0.003, 0.01):
        other.start("SELECT blob_snapshot('main'), blob_compact('main')")
        time.sleep(delay)
        other.kill()
        other = host(store.uri("k.db"))
        assert other.one("SELECT count(*) FROM t") == 21
        other.run("UPDATE t SET body = zeroblob(50) WHERE id = 10")
    fresh = connect(store.uri("k.db"))
    fresh.execute("SELECT blob_snapshot('main'), blob_compact('main')").fetchall()
    check(fresh)
    assert litestream.restore(store, "k.db", tmp_path / "r.db") == database.export(fresh, tmp_path / "e.db")


def wait_until(condition, limit: float = 10) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
