"""SQL behaves as on a file: compared with a plain database that does the same."""

import sqlite3

import pytest
from support import database, litestream, workload
from support.database import BUSY, check, code, dump, one, told

PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]


def same(connection, model) -> None:
    check(connection)
    assert dump(connection) == dump(model)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.stores("file")
def test_page_sizes(store, connect, host, model, page_size, tmp_path):
    blob = connect(store.uri("p.db"))
    for connection in (blob, model):
        connection.execute(f"PRAGMA page_size={page_size}")
    workload.run(page_size, 40, blob, model)
    assert one(blob, "PRAGMA page_size") == page_size
    same(blob, model)
    assert host(store.uri("p.db")).one("SELECT count(*) FROM item") == one(model, "SELECT count(*) FROM item")
    restored = litestream.restore(store, "p.db", tmp_path / "restored.db")
    assert restored == database.export(blob, tmp_path / "exported.db")


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_auto_vacuum(store, connect, model, mode):
    blob = connect(store.uri("a.db"))
    for connection in (blob, model):
        connection.execute(f"PRAGMA auto_vacuum={mode}")
    workload.run(7, 60, blob, model)
    grown = one(blob, "PRAGMA page_count")
    for connection in (blob, model):
        connection.execute("DELETE FROM item")
        connection.execute("PRAGMA incremental_vacuum").fetchall()
    assert one(blob, "PRAGMA page_count") < grown
    same(blob, model)


def test_a_random_workload_equals_its_model(store, connect, host, model):
    blob = connect(store.uri("w.db"))
    workload.run(1, 120, blob, model)
    same(blob, model)
    again = host(store.uri("w.db"))
    for table in ("item", "note"):
        sql = f"SELECT count(*), sum(length(quote({'id' if table == 'item' else 'text'}))) FROM {table}"
        assert again.run(sql) == model.execute(sql).fetchall()


def test_a_large_transaction_spills_out_of_a_small_cache(store, connect, host, model):
    blob = connect(store.uri("s.db"))
    blob.execute("PRAGMA cache_size=10")
    for connection in (blob, model):
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT)")
        connection.execute("CREATE INDEX t_body ON t(body)")
        connection.execute("BEGIN")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000) "
            "INSERT INTO t SELECT i, hex(i * 7919) || printf('%0100d', i) FROM n"
        )
        connection.execute("UPDATE t SET body = body || 'x' WHERE id % 3 = 0")
    assert host(store.uri("s.db")).one("SELECT count(*) FROM t") == 0, "nobody sees an open transaction"
    for connection in (blob, model):
        connection.execute("COMMIT")
    same(blob, model)
    for connection in (blob, model):
        connection.execute("BEGIN")
        connection.execute("DELETE FROM t WHERE id % 2 = 0")
        connection.execute("UPDATE t SET body = 'gone'")
        connection.execute("ROLLBACK")
    same(blob, model)
    assert len(database.versions(blob)) == 3, "a rollback after a spill is no version"


def test_savepoints(store, connect, model):
    blob = connect(store.uri("s.db"))
    for connection in (blob, model):
        connection.execute("PRAGMA cache_size=10")
        connection.execute("CREATE TABLE t(x, body)")
        connection.execute("BEGIN")
        for level in range(5):
            connection.execute(f"SAVEPOINT s{level}")
            for n in range(200):
                connection.execute("INSERT INTO t VALUES(?, zeroblob(500))", (level * 1000 + n,))
        connection.execute("ROLLBACK TO s3")
        connection.execute("RELEASE s2")
        connection.execute("UPDATE t SET x = -x WHERE x % 2 = 0")
        connection.execute("ROLLBACK TO s1")
        connection.execute("INSERT INTO t VALUES('after', NULL)")
        connection.execute("COMMIT")
    same(blob, model)
    assert one(blob, "SELECT count(*) FROM t") == 201


def test_temp_tables(store, connect, host):
    blob = connect(store.uri("t.db"))
    blob.execute("CREATE TABLE t(x)")
    blob.execute("PRAGMA temp_store=FILE")
    blob.execute("CREATE TEMP TABLE scratch AS SELECT 1 AS x")
    blob.execute("INSERT INTO t SELECT x FROM temp.scratch")
    big = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 50000) SELECT count(*) FROM (SELECT DISTINCT hex(i*31) h FROM n ORDER BY h)"
    assert one(blob, big) == 50000
    assert len(database.versions(blob)) == 2, "temporary tables are no versions"
    assert host(store.uri("t.db")).run("SELECT name FROM sqlite_schema") == [("t",)]


def test_vacuum(store, connect, host, model):
    blob = connect(store.uri("v.db"))
    workload.run(3, 60, blob, model)
    for connection in (blob, model):
        connection.execute("DELETE FROM item WHERE id % 4")
    before = one(blob, "PRAGMA page_count")
    for connection in (blob, model):
        connection.execute("VACUUM")
    assert one(blob, "PRAGMA page_count") < before
    same(blob, model)
    assert host(store.uri("v.db")).one("PRAGMA page_count") == one(blob, "PRAGMA page_count")


def test_vacuum_into_both_ways(store, connect, model, tmp_path):
    blob = connect(store.uri("v.db"))
    workload.run(4, 50, blob, model)
    local = tmp_path / "out.db"
    blob.execute("VACUUM INTO ?", (f"file:{local}?vfs=unix",))
    plain = connect(f"file:{local}?vfs=unix")
    same(plain, model)
    plain.execute("VACUUM INTO ?", (store.uri("copy.db"),))
    same(connect(store.uri("copy.db")), model)


def test_backup_both_ways(store, connect, model, tmp_path):
    plain = connect(f"file:{tmp_path / 'plain.db'}")
    plain.execute("PRAGMA journal_mode=WAL")
    workload.run(5, 50, plain, model)
    blob = connect(store.uri("b.db"))
    plain.backup(blob)
    same(blob, model)
    same(connect(store.uri("b.db")), model)
    blob.execute("INSERT INTO item(kind) VALUES('after the backup')")
    model.execute("INSERT INTO item(kind) VALUES('after the backup')")
    same(blob, model)
    back = connect(f"file:{tmp_path / 'back.db'}?vfs=unix")
    blob.backup(back)
    same(back, model)


def test_backup_in_steps_while_another_writes(store, connect, host):
    blob = connect(store.uri("b.db"))
    blob.execute("CREATE TABLE t(x, y)")
    blob.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, zeroblob(200) FROM n")
    other = host(store.uri("b.db"))
    copy = sqlite3.connect(":memory:")
    writes = iter(range(3))

    def between_steps(status, remaining, total):
        # Each change makes SQLite begin again, so only a few.
        for _ in zip(range(1), writes):
            other.run("UPDATE t SET x = x + 1 WHERE rowid = 1")

    blob.backup(copy, pages=20, progress=between_steps)
    check(copy)
    assert copy.execute("SELECT count(*) FROM t").fetchone() == (2000,)
    copy.close()


def test_backup_of_another_page_size_is_refused(store, connect, tmp_path):
    """Rule 3: the chain has one page size; the refusal leaves everything as it was."""
    blob = connect(store.uri("b.db"))
    blob.execute("PRAGMA page_size=4096")
    blob.execute("CREATE TABLE kept(x)")
    blob.execute("INSERT INTO kept VALUES(1)")
    small = connect(f"file:{tmp_path / 'small.db'}")
    small.execute("PRAGMA page_size=1024")
    small.execute("CREATE TABLE other(x)")
    with pytest.raises(sqlite3.Error):
        small.backup(blob)
    blob.close()
    again = connect(store.uri("b.db"))
    check(again)
    assert one(again, "SELECT x FROM kept") == 1


def test_page_size_change_by_vacuum_is_refused_or_ignored(store, connect):
    blob = connect(store.uri("b.db"))
    blob.execute("CREATE TABLE kept(x)")
    blob.execute("INSERT INTO kept VALUES(1)")
    before = one(blob, "PRAGMA page_size")
    blob.execute("PRAGMA page_size=8192")
    try:
        blob.execute("VACUUM")
    except sqlite3.Error as error:
        assert "page size" in told(error, blob).lower()
    again = connect(store.uri("b.db"))
    assert (one(again, "PRAGMA page_size"), one(again, "SELECT x FROM kept")) == (before, 1)
    check(again)


class TestAttach:
    def test_reading_and_writing_one(self, store, connect):
        blob = connect(store.uri("one.db"))
        blob.execute("CREATE TABLE t(x)")
        blob.execute("ATTACH ? AS two", (store.uri("two.db"),))
        blob.execute("CREATE TABLE two.u(y)")
        blob.execute("INSERT INTO t VALUES(1)")
        blob.execute("INSERT INTO two.u SELECT x + 1 FROM t")
        assert blob.execute("SELECT x, y FROM t, u").fetchall() == [(1, 2)]
        assert one(connect(store.uri("two.db")), "SELECT y FROM u") == 2

    def test_a_second_written_in_one_transaction_is_refused(self, store, connect):
        """Rule 4: two databases cannot commit together, so the second is refused when it is written."""
        blob = connect(store.uri("one.db"))
        blob.execute("CREATE TABLE t(x)")
        blob.execute("ATTACH ? AS two", (store.uri("two.db"),))
        blob.execute("CREATE TABLE two.u(y)")
        blob.execute("BEGIN")
        blob.execute("INSERT INTO t VALUES(1)")
        with pytest.raises(sqlite3.OperationalError) as error:
            blob.execute("INSERT INTO u VALUES(2)")
        text = told(error.value, blob)
        assert "one blob database" in text, text
        blob.execute("ROLLBACK")
        assert (one(blob, "SELECT count(*) FROM t"), one(blob, "SELECT count(*) FROM u")) == (0, 0)
        blob.execute("INSERT INTO u VALUES(3)")
        assert one(connect(store.uri("two.db")), "SELECT y FROM u") == 3

    def test_the_first_can_still_be_committed(self, store, connect):
        blob = connect(store.uri("one.db"))
        blob.execute("CREATE TABLE t(x)")
        blob.execute("ATTACH ? AS two", (store.uri("two.db"),))
        blob.execute("CREATE TABLE two.u(y)")
        blob.execute("BEGIN")
        blob.execute("INSERT INTO t VALUES(1)")
        with pytest.raises(sqlite3.OperationalError):
            blob.execute("INSERT INTO u VALUES(2)")
        if blob.in_transaction:
            blob.execute("COMMIT")
            assert one(connect(store.uri("one.db")), "SELECT count(*) FROM t") == 1
        assert one(connect(store.uri("two.db")), "SELECT count(*) FROM u") == 0

    @pytest.mark.parametrize("main_is_blob", [True, False])
    @pytest.mark.parametrize("journal", ["delete", "truncate", "persist", "memory", "wal"])
    def test_blob_and_local(self, store, connect, tmp_path, main_is_blob, journal):
        """Not atomic across both, but neither is harmed. In the modes that need a super-journal
        with main in the store the transaction may be refused; then nothing of it is there."""
        local = f"file:{tmp_path / 'local.db'}?vfs=unix"
        connection = connect(store.uri("b.db") if main_is_blob else local)
        connection.execute("ATTACH ? AS other", (local if main_is_blob else store.uri("b.db"),))
        blob, plain = ("main", "other") if main_is_blob else ("other", "main")
        connection.execute(f"PRAGMA {plain}.journal_mode={journal}").fetchall()
        connection.execute(f"CREATE TABLE {blob}.t(x)")
        connection.execute(f"CREATE TABLE {plain}.u(x)")
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {blob}.t VALUES(1)")
        connection.execute(f"INSERT INTO {plain}.u VALUES(1)")
        try:
            connection.execute("COMMIT")
            expected = 1
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            expected = 0
        connection.close()
        fresh, file = connect(store.uri("b.db")), connect(local)
        check(fresh)
        check(file)
        assert (one(fresh, "SELECT count(*) FROM t"), one(file, "SELECT count(*) FROM u")) == (expected, expected)

    def test_the_local_one_fails_after_the_put(self, store, connect, host, tmp_path):
        """Rule 4: once acknowledged the transaction stays, though SQLite rolls back; and the
        connection neither reverts it with a second PUT nor serves the rolled-back state."""
        local = tmp_path / "local.db"
        blob = connect(store.uri("b.db"))
        blob.execute("CREATE TABLE t(x)")
        blob.execute("ATTACH ? AS other", (f"file:{local}?vfs=unix",))
        blob.execute("PRAGMA other.journal_mode=MEMORY").fetchall()
        blob.execute("CREATE TABLE other.u(x)")
        reader = sqlite3.connect(local, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM u").fetchall()
        blob.execute("BEGIN")
        blob.execute("INSERT INTO t VALUES(1)")
        blob.execute("INSERT INTO u VALUES(1)")
        with pytest.raises(sqlite3.OperationalError):
            blob.execute("COMMIT")
        reader.close()
        if blob.in_transaction:
            blob.execute("ROLLBACK")
        inside = one(blob, "SELECT count(*) FROM t")
        assert inside == host(store.uri("b.db")).one("SELECT count(*) FROM t")
        count = len(store.transactions("b.db"))
        assert count == 1 + inside, "no reverting transaction was written"
        blob.execute("INSERT INTO t VALUES(2)")
        assert one(connect(store.uri("b.db")), "SELECT count(*) FROM t") == inside + 1


class TestModes:
    @pytest.mark.parametrize("begin", ["BEGIN", "BEGIN DEFERRED", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
    def test_begin(self, store, connect, begin):
        blob = connect(store.uri("m.db"))
        blob.execute("CREATE TABLE t(x)")
        blob.execute(begin)
        blob.execute("INSERT INTO t VALUES(1)")
        blob.execute("COMMIT")
        blob.execute(begin)
        blob.execute("INSERT INTO t VALUES(2)")
        blob.execute("ROLLBACK")
        assert connect(store.uri("m.db")).execute("SELECT x FROM t").fetchall() == [(1,)]

    def test_immediate_excludes_immediate_in_the_process(self, store, connect):
        a, b = connect(store.uri("m.db")), connect(store.uri("m.db"))
        a.execute("CREATE TABLE t(x)")
        a.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as error:
            b.execute("BEGIN IMMEDIATE")
        assert code(error.value) & 0xFF == BUSY
        a.execute("INSERT INTO t VALUES(1)")
        assert one(b, "SELECT count(*) FROM t") == 0, "readers are not blocked"
        a.execute("COMMIT")
        b.execute("BEGIN IMMEDIATE")
        assert one(b, "SELECT count(*) FROM t") == 1
        b.execute("COMMIT")

    def test_wal_answers_delete(self, store, connect):
        blob = connect(store.uri("m.db"))
        assert one(blob, "PRAGMA journal_mode=WAL") == "delete"
        blob.execute("CREATE TABLE t(x)")
        assert one(blob, "PRAGMA journal_mode=WAL") == "delete"
        blob.execute("INSERT INTO t VALUES(1)")
        assert one(connect(store.uri("m.db")), "PRAGMA journal_mode") == "delete"

    @pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "PERSIST", "MEMORY"])
    def test_other_journal_modes_change_nothing(self, store, connect, mode):
        blob = connect(store.uri("m.db"))
        blob.execute(f"PRAGMA journal_mode={mode}").fetchall()
        blob.execute("CREATE TABLE t(x)")
        for n in range(5):
            blob.execute("INSERT INTO t VALUES(?)", (n,))
        blob.execute("BEGIN")
        blob.execute("DELETE FROM t")
        blob.execute("ROLLBACK")
        check(blob)
        assert one(connect(store.uri("m.db")), "SELECT count(*) FROM t") == 5

    @pytest.mark.parametrize("synchronous", ["OFF", "NORMAL", "FULL", "EXTRA"])
    def test_durable_with_every_synchronous(self, store, connect, host, synchronous):
        blob = connect(store.uri("m.db"))
        blob.execute(f"PRAGMA synchronous={synchronous}")
        blob.execute("CREATE TABLE t(x)")
        blob.execute("INSERT INTO t VALUES(1)")
        assert host(store.uri("m.db")).one("SELECT count(*) FROM t") == 1

    @pytest.mark.parametrize("pragma", ["journal_mode=OFF", "locking_mode=EXCLUSIVE"])
    def test_refused_pragmas(self, store, connect, pragma):
        blob = connect(store.uri("m.db"))
        blob.execute("CREATE TABLE t(x)")
        for schema in ("", "main."):
            with pytest.raises(sqlite3.OperationalError, match=pragma.split("=")[0]):
                blob.execute(f"PRAGMA {schema}{pragma}").fetchall()
        blob.execute("INSERT INTO t VALUES(1)")
        assert one(connect(store.uri("m.db")), "SELECT count(*) FROM t") == 1

    @pytest.mark.parametrize("when", ["before the attach", "after the attach"])
    def test_exclusive_mode_through_a_plain_main(self, store, connect, host, tmp_path, when):
        """Rule 1: the pragma reaches only main's VFS, yet every attached database obeys. SQLite then
        neither writes page 1 nor moves the counter: whatever COMMIT acknowledges must still be there."""
        connection = connect(f"file:{tmp_path / 'plain.db'}")
        if when == "before the attach":
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        connection.execute("ATTACH ? AS b", (store.uri("b.db"),))
        acknowledged = set()
        try:
            connection.execute("CREATE TABLE b.t(x)")
        except sqlite3.OperationalError:
            connect(store.uri("b.db")).execute("CREATE TABLE t(x)")
        if when == "after the attach":
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        for n in range(6):
            try:
                connection.execute("INSERT INTO b.t VALUES(?)", (n,))
                acknowledged.add(n)
            except sqlite3.OperationalError:
                pass
        seen = {x for (x,) in host(store.uri("b.db")).run("SELECT x FROM t")}
        assert acknowledged <= seen
        connection.close()
        final = connect(store.uri("b.db"))
        check(final)
        assert {x for (x,) in final.execute("SELECT x FROM t")} == acknowledged

    @pytest.mark.parametrize("flag", ["nolock=1", "immutable=1"])
    def test_refused_uri_flags(self, store, connect, flag):
        with pytest.raises(sqlite3.OperationalError) as error:
            connect(store.uri("m.db") + "&" + flag).execute("SELECT 1 FROM sqlite_schema").fetchall()
        assert flag.split("=")[0] in told(error.value)

    def test_query_only_and_mode_ro(self, store, connect):
        connect(store.uri("m.db")).execute("CREATE TABLE t(x)")
        reader = connect(store.uri("m.db", mode="ro"))
        assert one(reader, "SELECT count(*) FROM t") == 0
        with pytest.raises(sqlite3.OperationalError) as error:
            reader.execute("INSERT INTO t VALUES(1)")
        assert code(error.value) & 0xFF == sqlite3.SQLITE_READONLY

    def test_mode_rw_does_not_create(self, store, connect):
        with pytest.raises(sqlite3.OperationalError) as error:
            connect(store.uri("absent.db", mode="rw")).execute("SELECT 1 FROM sqlite_schema").fetchall()
        assert "absent.db" in told(error.value)
        assert store.keys() == []


def test_an_empty_commit_is_no_version(store, connect):
    blob = connect(store.uri("e.db"))
    blob.execute("CREATE TABLE t(x)")
    blob.execute("BEGIN IMMEDIATE")
    blob.execute("COMMIT")
    blob.execute("DELETE FROM t")
    assert [v["txid"] for v in database.versions(blob)][-1] <= 2
    assert len(store.transactions("e.db")) <= 2


def test_without_a_store_the_directory_of_the_path_is_it(connect, tmp_path):
    blob = connect(f"file:{tmp_path}/embedded/app.db?vfs=sqlbridge")
    blob.execute("CREATE TABLE t(x)")
    assert list((tmp_path / "embedded" / "app.db" / "ltx" / "0").glob("*.ltx"))
    assert one(connect(f"file:{tmp_path}/embedded/app.db?vfs=sqlbridge"), "SELECT count(*) FROM t") == 0


def test_store_from_the_environment(store, connect, monkeypatch):
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    connect("file:env.db?vfs=sqlbridge").execute("CREATE TABLE t(x)")
    assert len(store.transactions("env.db")) == 1


@pytest.mark.stores("file", "azure")
def test_azure_takes_a_whole_workload(store, connect, host, model, tmp_path):
    blob = connect(store.uri("z.db"))
    workload.run(11, 60, blob, model)
    same(blob, model)
    assert host(store.uri("z.db")).one("SELECT count(*) FROM item") == one(model, "SELECT count(*) FROM item")
    assert litestream.restore(store, "z.db", tmp_path / "r.db") == database.export(blob, tmp_path / "e.db")


@pytest.mark.stores("file")
def test_beyond_one_gibibyte(store, connect, host, tmp_path):
    """A sparse database over the lock page, in pages of 64 KiB: its page number there is 16,385."""
    blob = connect(store.uri("big.db"))
    blob.execute("PRAGMA page_size=65536")
    blob.execute("PRAGMA cache_size=-20000")
    blob.execute("CREATE TABLE big(id INTEGER PRIMARY KEY, body BLOB)")
    size = 20 * 1024 * 1024
    for n in range(53):
        blob.execute("INSERT INTO big VALUES(?, zeroblob(?))", (n, size))
    assert one(blob, "PRAGMA page_count") > 2**30 // 65536
    assert blob.execute("SELECT count(*), sum(length(body)) FROM big").fetchall() == [(53, 53 * size)]
    blob.execute("DELETE FROM big WHERE id < 40")
    blob.execute("UPDATE big SET body = zeroblob(100) WHERE id = 52")
    check(blob)
    other = host(store.uri("big.db"))
    assert other.one("SELECT count(*) FROM big") == 13
    out = tmp_path / "restored.db"
    litestream.restore(store, "big.db", out)
    restored = sqlite3.connect(out)
    assert restored.execute("SELECT count(*) FROM big").fetchone() == (13,)
    assert restored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    restored.close()
