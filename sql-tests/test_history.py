"""The past: versions, as_of, txid, snapshots, compaction, retention."""

import re
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import pytest
from support import database, litestream, workload
from support.database import BUSY_SNAPSHOT, check, code, dump, one, told, versions

#: The shortest retention there is; files stay for so long after they were compacted.
RETENTION, PAST_RETENTION = "5s", 6.5


def compact_and_trim(connection) -> None:
    connection.execute("SELECT blob_snapshot('main'), blob_compact('main')").fetchall()
    time.sleep(PAST_RETENTION)
    connection.execute("SELECT blob_compact('main')").fetchall()


def stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def counted(connect, store, rows: int, **parameters):
    blob = connect(store.uri("h.db", **parameters))
    blob.execute("CREATE TABLE t(x)")
    for n in range(rows):
        blob.execute("INSERT INTO t VALUES(?)", (n,))
    return blob


def moment(version) -> datetime:
    value = version["committed_at"]
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value / 1000, timezone.utc)
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


def test_versions(store, connect):
    before = datetime.now(timezone.utc) - timedelta(seconds=2)
    blob = counted(connect, store, 3)
    listed = versions(blob)
    assert [v["txid"] for v in listed] == [1, 2, 3, 4]
    assert set(listed[0]) == {"txid", "committed_at", "page_count", "pages", "bytes", "level"}
    times = [moment(v) for v in listed]
    assert times == sorted(times)
    assert before < times[0] and times[-1] < datetime.now(timezone.utc) + timedelta(seconds=2)
    sizes = [len(store.read(t.key)) for t in store.transactions("h.db")]
    assert [v["bytes"] for v in listed] == sizes
    assert all(v["page_count"] == one(blob, "PRAGMA page_count") for v in listed[1:])


def test_every_txid_can_be_opened(store, connect, model):
    blob = connect(store.uri("h.db"))
    states = {}
    for sql in workload.statements(9, 25):
        for connection in (blob, model):
            connection.execute(sql)
        states[one(blob, "SELECT blob_sync('main')")] = dump(model)
    assert len(states) > 15
    for txid, state in states.items():
        past = connect(store.uri("h.db", txid=txid))
        assert dump(past) == state, f"txid {txid}"
        check(past)
        past.close()


def test_the_past_is_read_only_and_stays(store, connect):
    blob = counted(connect, store, 3)
    past = connect(store.uri("h.db", txid=2))
    assert one(past, "SELECT count(*) FROM t") == 1
    with pytest.raises(sqlite3.OperationalError) as error:
        past.execute("INSERT INTO t VALUES(9)")
    assert code(error.value) & 0xFF == sqlite3.SQLITE_READONLY
    blob.execute("DELETE FROM t")
    assert one(past, "SELECT count(*) FROM t") == 1
    blob.execute("ATTACH ? AS past", (store.uri("h.db", txid=4),))
    assert blob.execute("SELECT (SELECT count(*) FROM main.t), (SELECT count(*) FROM past.t)").fetchall() == [(0, 3)]


def test_as_of(store, connect):
    blob = connect(store.uri("h.db"))
    blob.execute("CREATE TABLE t(x)")
    marks = []
    for n in range(4):
        time.sleep(0.03)
        blob.execute("INSERT INTO t VALUES(?)", (n,))
        time.sleep(0.03)
        marks.append((stamp(datetime.now(timezone.utc)), n + 1))
    for text, rows in marks:
        assert one(connect(store.uri("h.db", as_of=text)), "SELECT count(*) FROM t") == rows, text
    exact = moment(versions(blob)[2])
    assert one(connect(store.uri("h.db", as_of=stamp(exact))), "SELECT count(*) FROM t") == 2, "not later: the very moment counts"
    offset = exact.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds")
    assert one(connect(store.uri("h.db", as_of=offset)), "SELECT count(*) FROM t") == 2
    assert one(connect(store.uri("h.db", as_of="2999-01-01T00:00:00Z")), "SELECT count(*) FROM t") == 4


@pytest.mark.parametrize(
    "parameter", [{"as_of": "2001-01-01T00:00:00Z"}, {"txid": 99}, {"as_of": "yesterday"}, {"txid": "x"}, {"txid": 0}]
)
def test_a_past_that_is_not_there(store, connect, parameter):
    counted(connect, store, 2)
    with pytest.raises(sqlite3.OperationalError) as error:
        connect(store.uri("h.db", **parameter)).execute("SELECT * FROM t").fetchall()
    (value,) = parameter.values()
    assert str(value).rstrip("Z") in told(error.value)


def test_sync_stats_and_list(store, connect, host):
    blob = counted(connect, store, 2)
    other = host(store.uri("h.db"))
    other.run("INSERT INTO t VALUES(10)")
    assert one(blob, "SELECT blob_sync('main')") == 4
    connect(store.uri("deep/er/second.db")).execute("CREATE TABLE t(x)")
    names = {row[0] for row in blob.execute("SELECT * FROM blob_list(?)", (store.arguments(),))}
    assert {"h.db", "deep/er/second.db"} == names
    numbers = database.stats(blob)
    assert numbers["txid"] == 4 and numbers["database"] == "h.db"


@pytest.mark.stores("s3gate")
def test_one_commit_is_one_put(store, faulty, connect):
    """1 PUT, 0 LIST, at most 1 GET where max_staleness has passed, and none where not."""
    for staleness, most_gets in ((60000, 0), (0, 1)):
        blob = connect(store.uri(f"n{staleness}.db", max_staleness=staleness))
        blob.execute("CREATE TABLE t(x)")
        blob.execute("INSERT INTO t VALUES(0)")
        for n in range(5):
            faulty.reset()
            blob.execute("INSERT INTO t VALUES(?)", (n,))
            methods = [r["method"] for r in faulty.requests()]
            assert methods.count("PUT") == 1
            assert methods.count("GET") <= most_gets
            assert set(methods) <= {"PUT", "GET"}, methods


@pytest.mark.stores("s3gate")
def test_opening_costs_the_same_whatever_the_history(store, faulty, connect, host):
    blob = counted(connect, store, 60)

    def requests_of_a_cold_open():
        faulty.reset()
        other = host(store.uri("h.db"))
        other.run("SELECT count(*) FROM t")
        other.kill()
        return len(faulty.requests())

    blob.execute("SELECT blob_compact('main')").fetchall()
    few = requests_of_a_cold_open()
    for n in range(60):
        blob.execute("INSERT INTO t VALUES(?)", (n,))
    blob.execute("SELECT blob_compact('main')").fetchall()
    assert requests_of_a_cold_open() <= few + 2
    assert few <= 40


def test_drop(store, connect, host):
    blob = counted(connect, store, 3)
    connect(store.uri("stays.db")).execute("CREATE TABLE t(x)")
    stale = host(store.uri("h.db"))
    assert stale.one("SELECT count(*) FROM t") == 3
    blob.close()
    console = connect(":memory:")
    removed = one(console, "SELECT blob_drop(?, 'h.db')", store.arguments())
    assert removed >= 4
    left = {row[0] for row in console.execute("SELECT * FROM blob_list(?)", (store.arguments(),))}
    assert left == {"stays.db"}
    # What is left is without content, and stops stale writers for as long as the retention.
    left = [file for level in range(10) for file in store.transactions("h.db", level)]
    assert all(len(store.read(file.key)) < 800 for file in left)
    assert not [file for file in left if file.level not in (0, 9)]
    assert len(store.transactions("stays.db")) == 1
    # A stale writer comes back: it must not revive the dropped database.
    with pytest.raises(sqlite3.OperationalError):
        stale.run("INSERT INTO t VALUES(99)")
    fresh = connect(store.uri("h.db"))
    assert fresh.execute("SELECT name FROM sqlite_schema").fetchall() == []
    fresh.execute("CREATE TABLE reborn(x)")
    assert host(store.uri("h.db")).run("SELECT name FROM sqlite_schema") == [("reborn",)]


def test_a_reader_of_a_dropped_database_is_told(store, connect, host):
    """Its pages are gone; it must not see zeros, or what was made under the name since."""
    blob = connect(store.uri("h.db"))
    blob.execute("CREATE TABLE t(x)")
    blob.execute("INSERT INTO t SELECT randomblob(3000000)")  # not read whole at open
    content = blob.execute("SELECT x FROM t").fetchall()
    reader = host(store.uri("h.db"))
    reader.run("BEGIN")
    assert reader.one("SELECT count(*) FROM sqlite_schema") == 1
    blob.close()
    one(connect(":memory:"), "SELECT blob_drop(?, 'h.db')", store.arguments())
    try:
        assert reader.run("SELECT x FROM t") == content
    except sqlite3.OperationalError:
        pass
    anew = connect(store.uri("h.db"))
    assert {version["txid"] for version in versions(anew)} == {3}, "the emptied files are no versions"
    with pytest.raises(sqlite3.OperationalError):
        connect(store.uri("h.db", txid=1))


def test_functions_that_reach_out_are_direct_only(store, connect):
    """Not from a view or a trigger, which somebody else may have put into the file."""
    blob = counted(connect, store, 1)
    for call in ("blob_compact('main')", "blob_snapshot('main')", "blob_export('main', 'file:///x')", "blob_drop('file:///x', 'y')"):
        blob.execute(f"CREATE VIEW v AS SELECT {call} AS x")
        with pytest.raises(sqlite3.OperationalError, match="unsafe use"):
            blob.execute("SELECT x FROM v").fetchall()
        blob.execute("DROP VIEW v")


# Snapshots, compaction, trimming ------------------------------------------------


def test_snapshot(store, connect, host, tmp_path, model):
    blob = connect(store.uri("h.db"))
    workload.run(21, 30, blob, model)
    blob.execute("SELECT blob_snapshot('main')").fetchall()
    head = one(blob, "SELECT blob_sync('main')")
    assert [(t.first, t.last) for t in store.transactions("h.db", 9)] == [(1, head)]
    workload_after = "INSERT INTO item(kind) VALUES('after')"
    blob.execute(workload_after)
    model.execute(workload_after)
    assert dump(blob) == dump(model)
    other = host(store.uri("h.db"))
    assert other.run("PRAGMA integrity_check") == [("ok",)]
    assert litestream.restore(store, "h.db", tmp_path / "r.db") == database.export(blob, tmp_path / "e.db")
    assert {v["level"] for v in versions(blob)} >= {0, 9}


def test_compaction(store, connect, host, tmp_path, model):
    blob = connect(store.uri("h.db"))
    workload.run(22, 30, blob, model)
    blob.execute("SELECT blob_compact('main')").fetchall()
    level1 = store.transactions("h.db", 1)
    assert level1, "nothing was compacted"
    assert level1[0].first == 1
    for left, right in zip(level1, level1[1:]):
        assert right.first == left.last + 1, "each level is a clean partition"
    workload_after = "INSERT INTO item(kind) VALUES('after')"
    blob.execute(workload_after)
    model.execute(workload_after)
    assert dump(blob) == dump(model)
    other = host(store.uri("h.db"))
    assert other.run("PRAGMA integrity_check") == [("ok",)]
    assert litestream.restore(store, "h.db", tmp_path / "r.db") == database.export(blob, tmp_path / "e.db")


def test_compaction_is_idempotent_and_any_host_may(store, connect, host, tmp_path):
    blob = counted(connect, store, 20)
    hosts = [host(store.uri("h.db")) for _ in range(3)]
    for h in hosts:
        h.start("SELECT blob_compact('main')")
    for h in hosts:
        h.answer()
    blob.execute("SELECT blob_compact('main')").fetchall()
    for level in (1, 2, 3):
        files = store.transactions("h.db", level)
        for left, right in zip(files, files[1:]):
            assert right.first == left.last + 1, f"level {level} overlaps or has a gap: {files}"
    litestream.restore(store, "h.db", tmp_path / "r.db")
    restored = sqlite3.connect(tmp_path / "r.db")
    assert restored.execute("SELECT count(*) FROM t").fetchone() == (20,)
    restored.close()


@pytest.mark.stores("file", "s3gate")
def test_trimming_keeps_every_restore(store, connect, host, tmp_path, model):
    blob = connect(store.uri("h.db", retention=RETENTION))
    workload.run(23, 30, blob, model)
    compact_and_trim(blob)
    level0 = store.transactions("h.db")
    head = one(blob, "SELECT blob_sync('main')")
    assert len(level0) < head, "old files of level 0 are gone"
    assert level0[-1].last == head, "the newest never goes"
    assert litestream.restore(store, "h.db", tmp_path / "r.db") == database.export(blob, tmp_path / "e.db")
    assert dump(connect(store.uri("h.db"))) == dump(model)
    other = host(store.uri("h.db"))
    assert other.run("PRAGMA integrity_check") == [("ok",)]
    other.run("INSERT INTO item(kind) VALUES('after the trim')")
    restored = litestream.restore(store, "h.db", tmp_path / "r.db")
    assert restored == database.export(blob, tmp_path / "e.db")
    for version in versions(blob):
        past = connect(store.uri("h.db", txid=version["txid"]))
        check(past)
        past.close()


@pytest.mark.stores("file", "s3gate")
def test_an_old_reader_finishes(store, connect, host):
    """Rule 9: a reader keeps its snapshot over a trim, or is told that it expired; it never
    sees a newer page."""
    blob = counted(connect, store, 0, retention=RETENTION)
    blob.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO t SELECT zeroblob(500) FROM n")
    reader = host(store.uri("h.db"))
    reader.run("PRAGMA cache_size=5")
    reader.run("BEGIN")
    assert reader.one("SELECT count(*) FROM t") == 2000
    blob.execute("UPDATE t SET x = zeroblob(400)")
    compact_and_trim(blob)
    try:
        assert reader.run("SELECT count(*), sum(length(x)) FROM t") == [(2000, 2000 * 500)]
    except sqlite3.OperationalError as error:
        assert code(error) & 0xFF == sqlite3.SQLITE_IOERR
        assert re.search("expired", error.last_error), error.last_error
    reader.run("ROLLBACK")
    assert reader.run("SELECT count(*), sum(length(x)) FROM t") == [(2000, 2000 * 400)]


@pytest.mark.stores("file", "s3gate")
def test_a_stale_writer_is_refused_after_trimming(store, connect, host):
    """Rule 6: a writer that slept past the retention cannot take a TXID that was compacted away."""
    blob = counted(connect, store, 1, retention=RETENTION)
    stale = host(store.uri("h.db", max_staleness=3_600_000))
    stale.run("BEGIN")
    assert stale.one("SELECT count(*) FROM t") == 1
    for n in range(6):
        blob.execute("INSERT INTO t VALUES(?)", (100 + n,))
    compact_and_trim(blob)
    assert all(t.first > 3 for t in store.transactions("h.db")), "the stale writer's next TXID is free again"
    with pytest.raises(sqlite3.OperationalError) as error:
        stale.run("INSERT INTO t VALUES('stale')")
        stale.run("COMMIT")
    assert code(error.value) == BUSY_SNAPSHOT
    stale.roll_back()
    # Autocommit begins anew: it learns the news and goes on top of it.
    stale.run("INSERT INTO t VALUES('fresh')")
    for reader in (blob, connect(store.uri("h.db"))):
        assert one(reader, "SELECT count(*) FROM t") == 8
        assert one(reader, "SELECT count(*) FROM t WHERE x = 'stale'") == 0
    assert host(store.uri("h.db")).one("SELECT count(*) FROM t") == 8


@pytest.mark.stores("file", "s3gate")
def test_a_reader_that_slept_past_the_retention_catches_up(store, connect, host):
    """Rule 6: the next key is gone for ever; a 404 there is not 'no news'."""
    blob = counted(connect, store, 1, retention=RETENTION)
    sleeper = host(store.uri("h.db"))
    assert sleeper.one("SELECT count(*) FROM t") == 1
    for n in range(6):
        blob.execute("INSERT INTO t VALUES(?)", (n,))
    compact_and_trim(blob)
    assert sleeper.one("SELECT count(*) FROM t") == 7
    sleeper.run("INSERT INTO t VALUES('awake')")
    assert one(blob, "SELECT count(*) FROM t") == 8


def test_the_retention_has_a_floor(store, connect):
    with pytest.raises(sqlite3.OperationalError) as error:
        connect(store.uri("h.db", retention="1s")).execute("CREATE TABLE t(x)")
    assert "retention" in told(error.value)
