"""Litestream reads what we wrote, and we open what Litestream wrote."""

import sqlite3
import subprocess
import time

import pytest
from support import database, litestream, workload
from support.database import check, dump, one, told, versions
from support.paths import PYTHON


@pytest.mark.stores("file", "s3", "s3gate", "azure")
@pytest.mark.parametrize("seed", [31, 32])
def test_restore_equals_our_view_at_the_head_and_earlier(store, connect, tmp_path, seed):
    blob = connect(store.uri("i.db"))
    workload.run(seed, 50, blob)
    exported = database.export(blob, tmp_path / "export.db")
    assert litestream.restore(store, "i.db", tmp_path / "head.db") == exported
    listed = versions(blob)
    for version in listed[:: max(len(listed) // 4, 1)]:
        past = connect(store.uri("i.db", txid=version["txid"]))
        exported = database.export(past, tmp_path / "past.db")
        past.close()
        assert litestream.restore(store, "i.db", tmp_path / "r.db", txid=version["txid"]) == exported
    restored = sqlite3.connect(tmp_path / "head.db")
    assert dump(restored) == dump(blob)
    check(restored)
    restored.close()


@pytest.mark.stores("file", "s3gate")
def test_restore_by_timestamp(store, connect, tmp_path):
    blob = connect(store.uri("i.db"))
    blob.execute("CREATE TABLE t(x)")
    time.sleep(1.1)
    mark = one(blob, "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
    time.sleep(1.1)
    blob.execute("INSERT INTO t VALUES(1)")
    litestream.restore(store, "i.db", tmp_path / "r.db", timestamp=mark)
    restored = sqlite3.connect(tmp_path / "r.db")
    assert restored.execute("SELECT count(*) FROM t").fetchone() == (0,)
    restored.close()


def written_by_litestream(store, tmp_path, snapshot: bool, syncs: int = 3):
    """A WAL database that `litestream replicate` put into the store. Gives a connection to it."""
    path = tmp_path / "source.db"
    source = sqlite3.connect(path, isolation_level=None)
    source.execute("PRAGMA journal_mode=WAL")
    statements = [s for s in workload.statements(41, 40) if s != "VACUUM"]
    share = len(statements) // syncs + 1
    for start in range(0, len(statements), share):
        for sql in statements[start : start + share]:
            source.execute(sql)
        litestream.replicate_once(store, "i.db", path, tmp_path, snapshot=snapshot)
    return source


@pytest.mark.stores("file", "s3", "s3gate", "azure")
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_replica_that_litestream_wrote(store, connect, host, tmp_path, snapshot):
    source = written_by_litestream(store, tmp_path, snapshot)
    blob = connect(store.uri("i.db"))
    check(blob)
    assert dump(blob) == dump(source)
    assert one(blob, "PRAGMA journal_mode") == "delete"
    # Nobody of ours has written there yet: a running daemon would overwrite us.
    with pytest.raises(sqlite3.OperationalError) as error:
        blob.execute("INSERT INTO item(kind) VALUES('mine')")
    assert "adopt=1" in told(error.value, blob)

    blob.close()
    adopted = connect(store.uri("i.db", adopt=1))
    adopted.execute("INSERT INTO item(id, kind) VALUES(123456, 'mine')")
    source.execute("INSERT INTO item(id, kind) VALUES(123456, 'mine')")
    assert dump(adopted) == dump(source)
    # From then on its head is ours and nothing special is needed.
    other = host(store.uri("i.db"))
    other.run("UPDATE item SET kind = 'ours' WHERE id = 123456")
    check(adopted)
    restored = litestream.restore(store, "i.db", tmp_path / "r.db")
    assert restored == database.export(adopted, tmp_path / "e.db")
    source.close()


@pytest.mark.stores("file", "s3gate")
def test_litestream_trims_under_a_process_that_has_its_replica_open(store, connect, host, tmp_path):
    """Its level-0 files go minutes after they were merged: a missing next file proves nothing then."""
    source = written_by_litestream(store, tmp_path, snapshot=False)
    adopter = host(store.uri("i.db", adopt=1))
    assert adopter.one("SELECT count(*) FROM item") == one(source, "SELECT count(*) FROM item")
    for kind in ("later", "latest"):
        source.execute("INSERT INTO item(kind) VALUES(?)", (kind,))
        litestream.replicate_once(store, "i.db", tmp_path / "source.db", tmp_path, snapshot=True)
    for file in store.transactions("i.db")[:-1]:
        store.delete(file.key)
    adopter.run("INSERT INTO item(kind) VALUES('adopted')")
    source.execute("INSERT INTO item(kind) VALUES('adopted')")
    assert dump(connect(store.uri("i.db"))) == dump(source)
    source.close()


@pytest.mark.stores("file", "s3gate")
def test_the_past_of_a_litestream_replica(store, connect, tmp_path):
    source = written_by_litestream(store, tmp_path, snapshot=False)
    source.close()
    for transaction in store.transactions("i.db"):
        past = connect(store.uri("i.db", txid=transaction.last))
        check(past)
        restored = litestream.restore(store, "i.db", tmp_path / "r.db", txid=transaction.last)
        assert database.export(past, tmp_path / "e.db") == restored
        past.close()


@pytest.mark.stores("s3gate")
def test_litestreams_own_vfs_opens_what_we_wrote(store, connect, host, tmp_path):
    """Through its released extension, in a process of its own. It has room for one replica, from the environment."""
    blob = connect(store.uri("i.db"))
    workload.run(51, 30, blob)
    code = f"""
import os, sqlite3
os.environ.pop("AWS_CA_BUNDLE", None)
import litestream_vfs
c = sqlite3.connect(":memory:")
try:
    litestream_vfs.load(c)
except sqlite3.OperationalError as error:
    print("cannot load:", error); raise SystemExit(77)
db = sqlite3.connect("file:i.db?vfs=litestream", uri=True)
print(db.execute("SELECT count(*) FROM item").fetchone()[0], db.execute("PRAGMA integrity_check").fetchone()[0])
os._exit(0)
"""
    replica = store.replica("i.db")
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path),
        "LITESTREAM_REPLICA_URL": f"s3://{replica['bucket']}/{replica['path']}?endpoint={replica['endpoint']}&forcePathStyle=true&region=us-east-1",
        "LITESTREAM_ACCESS_KEY_ID": replica["access-key-id"], "LITESTREAM_SECRET_ACCESS_KEY": replica["secret-access-key"],
        "AWS_ACCESS_KEY_ID": replica["access-key-id"], "AWS_SECRET_ACCESS_KEY": replica["secret-access-key"],
        "AWS_REGION": "us-east-1",
    }
    program = code.replace("print(db.execute", "import sys; print(db.execute", 1).replace("os._exit(0)", "sys.stdout.flush(); os._exit(0)")
    done = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, timeout=90, env=environment)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.split() == [str(one(blob, "SELECT count(*) FROM item")), "ok"]


@pytest.mark.stores("file", "s3gate")
def test_litestream_lists_our_files(store, connect, tmp_path):
    blob = connect(store.uri("i.db"))
    for n in range(4):
        blob.execute(f"CREATE TABLE t{n}(x)")
    config = litestream.configuration(store, "i.db", tmp_path / "x.db", tmp_path)
    listed = litestream.run("ltx", "-config", config, tmp_path / "x.db")
    assert f"{4:016x}" in listed
