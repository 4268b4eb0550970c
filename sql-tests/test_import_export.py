"""Into the store and out again: plain SQLite files and objects."""

import sqlite3

import pytest
from support import database, litestream, workload
from support.database import check, dump, one, told


@pytest.fixture
def plain(tmp_path):
    """A plain database file in WAL mode with content, and a connection to it."""
    path = tmp_path / "plain.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    workload.run(61, 40, connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    yield path, connection
    connection.close()


@pytest.mark.parametrize("stored, opened", [("app.sqlite", "app.db"), ("app.sqlite", "app"), ("app.db.sqlite", "app.db"), ("deep/er/app.sqlite", "deep/er/app.db")])
@pytest.mark.stores("file", "s3", "s3gate", "azure")
def test_a_plain_object_is_imported(store, connect, host, plain, tmp_path, stored, opened):
    path, source = plain
    store.write(stored, path.read_bytes())
    blob = connect(store.uri(opened))
    check(blob)
    assert dump(blob) == dump(source)
    blob.execute("INSERT INTO item(id, kind) VALUES(77777, 'new')")
    source.execute("INSERT INTO item(id, kind) VALUES(77777, 'new')")
    other = host(store.uri(opened))
    assert other.one("SELECT kind FROM item WHERE id = 77777") == "new"
    assert store.read(stored) == path.read_bytes(), "the object itself is left as it was"
    assert store.transactions(opened)[0].first == 1
    assert litestream.restore(store, opened, tmp_path / "r.db") == database.export(blob, tmp_path / "e.db")


def test_history_goes_before_a_plain_object(store, connect, plain):
    path, _ = plain
    connect(store.uri("app.db")).execute("CREATE TABLE mine(x)")
    store.write("app.sqlite", path.read_bytes())
    assert connect(store.uri("app.db")).execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]


def test_two_hosts_import_at_once(store, host, plain):
    path, source = plain
    store.write("app.sqlite", path.read_bytes())
    hosts = [host() for _ in range(3)]
    for h in hosts:
        h.send("open", uri=store.uri("app.db"), name="main", timeout=10)
    for h in hosts:
        h.answer()
        h.start("SELECT count(*) FROM item")
    count = one(source, "SELECT count(*) FROM item")
    assert [h.answer() for h in hosts] == [[(count,)]] * 3
    assert len(store.transactions("app.db")) <= 1


def test_a_damaged_plain_object_is_refused(store, connect):
    store.write("app.sqlite", b"SQLite format 3\0" + b"garbage" * 100)
    with pytest.raises(sqlite3.Error) as error:
        connect(store.uri("app.db")).execute("SELECT * FROM sqlite_schema").fetchall()
    assert "app.sqlite" in told(error.value)
    assert store.transactions("app.db") == []


@pytest.mark.parametrize("name", ["app.db", "app.sqlite"])
def test_a_plain_file_at_the_path_is_refused_and_never_touched(connect, plain, tmp_path, name):
    path, _ = plain
    target = tmp_path / "data" / name
    target.parent.mkdir()
    target.write_bytes(path.read_bytes())
    before = (target.read_bytes(), target.stat().st_mtime_ns)
    with pytest.raises(sqlite3.OperationalError) as error:
        connect(f"file:{target}?vfs=sqlbridge").execute("SELECT * FROM sqlite_schema").fetchall()
    assert "blob_import" in told(error.value)
    assert (target.read_bytes(), target.stat().st_mtime_ns) == before
    assert [p.name for p in target.parent.iterdir()] == [name]


@pytest.mark.stores("file", "s3", "s3gate", "azure")
def test_import_and_export(store, connect, plain, tmp_path):
    path, source = plain
    console = connect(":memory:")
    pages = one(console, "SELECT blob_import(?, ?)", f"file://{path}", store.uri("shop.db"))
    assert pages == one(source, "PRAGMA page_count")
    blob = connect(store.uri("shop.db"))
    check(blob)
    assert dump(blob) == dump(source)
    out = tmp_path / "out.sqlite"
    assert one(blob, "SELECT blob_export('main', ?)", f"file://{out}") == pages
    back = sqlite3.connect(out)
    assert dump(back) == dump(source)
    check(back)
    back.close()


def test_import_never_replaces_a_database(store, connect, plain):
    path, _ = plain
    connect(store.uri("shop.db")).execute("CREATE TABLE mine(x)")
    console = connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as error:
        console.execute("SELECT blob_import(?, ?)", (f"file://{path}", store.uri("shop.db"))).fetchall()
    assert "shop.db" in told(error.value, console)
    assert connect(store.uri("shop.db")).execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]


def test_export_from_a_history(store, connect, tmp_path):
    blob = connect(store.uri("shop.db"))
    blob.execute("CREATE TABLE t(x)")
    blob.execute("INSERT INTO t VALUES(1)")
    past = connect(store.uri("shop.db", txid=1))
    out = sqlite3.connect(":memory:")
    out.deserialize(database.export(past, tmp_path / "past.sqlite"))
    assert out.execute("SELECT count(*) FROM t").fetchone() == (0,)
    out.close()


def test_import_of_what_is_no_database(store, connect, tmp_path):
    (tmp_path / "x.txt").write_text("hello " * 100)
    console = connect(":memory:")
    for source in (tmp_path / "x.txt", tmp_path / "absent.db"):
        with pytest.raises(sqlite3.OperationalError) as error:
            console.execute("SELECT blob_import(?, ?)", (f"file://{source}", store.uri("n.db"))).fetchall()
        assert source.name in told(error.value, console)
    assert store.transactions("n.db") == []
