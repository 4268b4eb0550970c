"""The store, the network and the cache directory fail. What was acknowledged stays, what was
refused never appears, and the error says what happened and where."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support import database
from support.database import BUSY, BUSY_SNAPSHOT, CANTOPEN, IOERR, check, code, one, primary, told
from support.paths import EXTENSION, PYTHON
from support.servers import S3Gate, free_port
from support.stores import LocalStore, S3Store

BIG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {}) INSERT INTO t SELECT i, hex(zeroblob(400)) FROM n"


# The store fails the Nth request, for every N ---------------------------------

ACTIONS = {
    "drop_before": {},
    "drop_after": {},
    "hang_before": {"latency_ms": 60_000},
    "hang_after": {"latency_ms": 60_000},
    "truncate": {},
    "damage": {},
    "stale": {},
    "slow": {"latency_ms": 200},
    "status 409": {},
    "status 412": {},
    "status 429": {},
    "status 500": {},
    "status 503": {},
    "status 403": {},
    "status 404": {},
    "status_after 500": {},
    "status_after 503": {},
}


def rule_for(action: str) -> dict:
    word, _, status = action.partition(" ")
    return {"action": word, **({"status": int(status)} if status else {}), **ACTIONS[action]}


class Journal:
    """What a client was told about each of its rows."""

    def __init__(self):
        self.done, self.refused, self.unknown, self.errors = set(), set(), set(), []

    def insert(self, connection, row: int) -> None:
        try:
            connection.execute("INSERT INTO t VALUES(?, 'row')", (row,))
            self.done.add(row)
        except sqlite3.Error as error:
            self.errors.append((row, code(error), told(error, connection)))
            (self.refused if primary(error) == BUSY else self.unknown).add(row)

    def holds(self, rows: set) -> None:
        assert self.done <= rows, f"acknowledged and lost: {self.done - rows}; errors: {self.errors}"
        assert not self.refused & rows, f"refused and yet there: {self.refused & rows}; errors: {self.errors}"
        assert rows <= self.done | self.unknown, f"rows from nowhere: {rows}"


def workload(uri: str) -> Journal:
    """Commits, a read of old pages and a checkpoint of history, going on after every error."""
    journal = Journal()
    try:
        connection = database.connect(uri)
    except sqlite3.Error as error:
        journal.errors.append(("open", code(error), told(error)))
        return journal
    try:
        for row in (1, 2):
            journal.insert(connection, row)
        for sql in ("SELECT count(*) FROM old", "SELECT blob_snapshot('main')"):
            try:
                connection.execute(sql).fetchall()
            except sqlite3.Error as error:
                journal.errors.append((sql, code(error), told(error, connection)))
        journal.insert(connection, 3)
    finally:
        connection.close()
    return journal


def prepare(store, host) -> None:
    """Made by another host, so that the workload has pages to fetch."""
    other = host(store.uri("f.db"))
    other.run("CREATE TABLE t(id, what)")
    other.run("CREATE TABLE old AS SELECT hex(zeroblob(3000)) AS body")
    other.kill()


def rows_on_a_fresh_host(store, host) -> set:
    other = host()
    try:
        return rows_seen_by(other, store)
    finally:
        other.kill()


def rows_seen_by(other, store) -> set:
    """By a host that has not opened this database before."""
    other.open(store.uri("f.db"))
    rows = [i for (i,) in other.run("SELECT id FROM t")]
    assert len(rows) == len(set(rows)), f"a row twice: {rows}"
    assert other.run("PRAGMA integrity_check") == [("ok",)]
    other.close()
    return set(rows)


class Trials:
    """The workload again and again, each time on a copy of the same prepared database.

    Without the probe (`single_writer`), whose requests have a test of their own."""

    def __init__(self, store, new_store, gate, host, monkeypatch, tmp_path):
        self.new_store, self.gate, self.monkeypatch, self.tmp_path = new_store, gate, monkeypatch, tmp_path
        self.original = store
        prepare(store, host)
        self.judge = host()

    def run(self, rule: dict | None, timeout: str) -> tuple:
        """Gives the journal and how many requests there were."""
        store = self.new_store("s3gate")
        bucket = self.gate.data / "bucket"
        shutil.copytree(bucket / self.original.prefix, bucket / store.prefix)
        cache = Path(tempfile.mkdtemp(dir=self.tmp_path))
        self.monkeypatch.setenv("SQLBRIDGE_CACHE_DIR", str(cache))
        self.gate.reset()
        self.gate.faults(*([rule] if rule else []))
        journal = workload(store.uri("f.db", timeout=timeout, single_writer=1))
        requests = len(self.gate.requests())
        self.gate.reset()
        journal.holds(rows_seen_by(self.judge, store))
        return journal, requests


@pytest.fixture
def trials(store, new_store, faulty, host, monkeypatch, tmp_path):
    return Trials(store, new_store, faulty, host, monkeypatch, tmp_path)


@pytest.mark.stores("s3gate")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("action", list(ACTIONS))
def test_every_request_of_a_workload_fails_once(trials, action):
    journal, requests = trials.run(None, "1s")
    assert journal.done == {1, 2, 3} and requests >= 5
    for nth in range(1, requests + 1):
        journal, _ = trials.run({**rule_for(action), "nth": nth, "times": 1}, "1s")
        for what, _, text in journal.errors:
            assert "://" in text or "ltx" in text or "f.db" in text, f"request {nth}, {what}: says not where: {text}"


@pytest.mark.stores("s3gate")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("action", ["drop_before", "drop_after", "hang_after", "status 503", "status_after 500"])
def test_every_request_from_the_nth_on_fails(trials, action):
    _, requests = trials.run(None, "1s")
    failed = 0
    for nth in range(1, requests + 1, 2):
        journal, _ = trials.run({**rule_for(action), "nth": nth}, "500ms")
        failed += bool(journal.errors)
    assert failed > 0


@pytest.mark.stores("s3gate")
@pytest.mark.parametrize("action", ["drop_after", "status_after 500", "status_after 503", "status 500", "status 503", "status 409", "status 429", "drop_before"])
def test_a_put_that_fails_once_is_settled(store, faulty, connect, host, action):
    """One ambiguous or refused PUT is found out about within the deadline: the commit stands, once."""
    prepare(store, host)
    blob = connect(store.uri("f.db", timeout="10s"))
    one(blob, "SELECT count(*) FROM t")
    faulty.faults({**rule_for(action), "match": {"method": "PUT", "key_regex": r"\.ltx$"}, "nth": 1, "times": 1})
    blob.execute("INSERT INTO t VALUES(1, 'x')")
    assert faulty.hits() == 1
    assert rows_on_a_fresh_host(store, host) == {1}


@pytest.mark.stores("s3gate")
def test_an_ambiguous_put_and_a_rival(store, faulty, connect, host):
    """Our PUT breaks before it was applied, a rival takes the TXID meanwhile: conflict, nothing lost."""
    prepare(store, host)
    blob = connect(store.uri("f.db", timeout="20s"))
    one(blob, "SELECT count(*) FROM t")
    faulty.fault("hang_before", "PUT", r"\.ltx$", times=1, latency_ms=1500)
    outcome = []

    def commit():
        mine = sqlite3.connect(store.uri("f.db", timeout="20s"), uri=True, isolation_level=None, timeout=0)
        try:
            mine.execute("INSERT INTO t VALUES(1, 'mine')")
            outcome.append(0)
        except sqlite3.OperationalError as error:
            outcome.append(code(error))
        mine.close()

    thread = threading.Thread(target=commit)
    thread.start()
    faulty.wait_for_hit()
    host(store.uri("f.db")).run("INSERT INTO t VALUES(2, 'rival')")
    thread.join()
    assert outcome == [BUSY_SNAPSHOT]
    assert rows_on_a_fresh_host(store, host) == {2}
    assert blob.execute("SELECT id FROM t").fetchall() == [(2,)]


@pytest.mark.stores("s3gate")
def test_a_landed_put_is_not_taken_for_a_rivals(store, faulty, connect, host):
    """Our PUT lands, the answer is lost, the retry is told 412: that is our own object."""
    prepare(store, host)
    blob = connect(store.uri("f.db", timeout="10s"))
    for n in range(5):
        faulty.fault("drop_after", "PUT", r"\.ltx$", times=1)
        blob.execute("INSERT INTO t VALUES(?, 'x')", (n,))
        faulty.reset()
    assert rows_on_a_fresh_host(store, host) == set(range(5))
    assert len(store.transactions("f.db")) == 7


@pytest.mark.stores("s3gate")
def test_the_store_is_away_and_comes_back(store, faulty, connect, host):
    prepare(store, host)
    blob = connect(store.uri("f.db", timeout="500ms"))
    assert one(blob, "SELECT count(*) FROM old") == 1
    faulty.fault("status", status=503)
    journal = Journal()
    journal.insert(blob, 1)
    assert not journal.done
    faulty.reset()
    journal.insert(blob, 2)
    journal.insert(blob, 3)
    assert {2, 3} <= journal.done | journal.unknown
    rows = rows_on_a_fresh_host(store, host)
    journal.holds(rows)
    blob.close()
    again = connect(store.uri("f.db"))
    again.execute("INSERT INTO t VALUES(9, 'back')")
    assert 9 in rows_on_a_fresh_host(store, host)


@pytest.mark.stores("s3gate")
def test_commit_can_be_tried_again_where_nothing_was_sent(store, gate, host, tmp_path, connect):
    """Rule 7: BUSY only where surely nothing happened; then an explicit transaction stays open
    and COMMIT works once the store is back."""
    directory = tmp_path / "own-gate"
    directory.mkdir()
    server = S3Gate(directory)
    try:
        own = S3Store(server, "p/databases")
        blob = connect(own.uri("f.db", timeout="1s", max_staleness=60000))
        blob.execute("CREATE TABLE t(id)")
        blob.execute("BEGIN")
        blob.execute("INSERT INTO t VALUES(1)")
        server.stop()
        # The client sees its idle connections close: on one that looks open a request might go out.
        time.sleep(0.5)
        with pytest.raises(sqlite3.OperationalError) as error:
            blob.execute("COMMIT")
        assert primary(error.value) == BUSY, told(error.value, blob)
        assert str(server.port) in told(error.value, blob)
        assert blob.in_transaction
        server = S3Gate(directory, port=server.port)
        blob.execute("COMMIT")
        assert host(own.uri("f.db")).one("SELECT count(*) FROM t") == 1
    finally:
        server.stop()


# Opening that cannot work -----------------------------------------------------


def fails_to_open(uri: str) -> str:
    with pytest.raises(sqlite3.OperationalError) as error:
        connection = database.connect(uri)
        connection.execute("CREATE TABLE t(x)")
    assert primary(error.value) in (CANTOPEN, IOERR, BUSY, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_PERM, sqlite3.SQLITE_ERROR)
    return told(error.value)


@pytest.mark.stores("s3gate")
def test_wrong_credentials(store):
    store.options["s3_secret_key"] = "wrong"
    text = fails_to_open(store.uri("w.db", timeout="2s"))
    assert "credential" in text.lower() or "denied" in text.lower() or "signature" in text.lower(), text
    assert "bucket" in text and "wrong" not in text, text


@pytest.mark.parametrize("kind", ["s3", "s3gate"])
def test_missing_bucket(new_store, kind):
    store = new_store(kind)
    absent = S3Store(store.server, "p/databases", bucket="nowhere")
    text = fails_to_open(absent.uri("w.db", timeout="2s"))
    assert "nowhere" in text and "bucket" in text.lower(), text


@pytest.mark.stores("s3gate")
def test_no_network_at_open(store):
    store.options["s3_endpoint"] = f"http://127.0.0.1:{free_port()}"
    text = fails_to_open(store.uri("w.db", timeout="1s"))
    assert store.options["s3_endpoint"].rsplit(":", 1)[1] in text or "bucket" in text, text


@pytest.mark.stores("s3gate")
def test_a_server_that_takes_the_connection_and_says_nothing(store):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        store.options["s3_endpoint"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        text = fails_to_open(store.uri("w.db", timeout="1s"))
        assert "time" in text.lower(), text


@pytest.mark.parametrize(
    "url, word",
    [
        ("ftp://host/x", "ftp"), ("nonsense", "nonsense"), ("s3://bucket", "prefix"),
        ("s3:///x", "bucket"), ("file:relative", "file"),
    ],
)
def test_a_wrong_store_url(url, word):
    assert word in fails_to_open(f"file:w.db?vfs=sqlbridge&store={url}")


def test_an_unknown_option_is_named(local):
    assert "max_stalenes" in fails_to_open(local.uri("w.db", max_stalenes=5))


@pytest.mark.parametrize("name", ["../up.db", "a/../b.db", "x/0000", "ltx/x", "sp ace.db", "pct%41.db"])
def test_names_that_cannot_be_keys(local, name):
    """Rule 14."""
    with pytest.raises(sqlite3.OperationalError):
        connection = database.connect(local.uri(name.replace("%", "%25").replace(" ", "%20")))
        connection.execute("CREATE TABLE t(x)")
    assert [k for k in local.keys() if k.endswith(".ltx")] == []


# The cache directory ----------------------------------------------------------


def limited(code: str, *arguments: str, before: str = "", env: dict | None = None) -> subprocess.CompletedProcess:
    """Runs Python with the library loaded."""
    head = (
        f"import sqlite3, sys, os\n{before}\n"
        f"c = sqlite3.connect(':memory:'); c.enable_load_extension(True); c.load_extension({EXTENSION!r})\n"
    )
    return subprocess.run(
        [PYTHON, "-c", head + code, *arguments], capture_output=True, text=True, timeout=100,
        env={**os.environ, **(env or {})},
    )


TOLERANT = """
db = sqlite3.connect(sys.argv[1], uri=True, isolation_level=None)
done = []
def attempt(n, sql):
    try:
        db.execute(sql); done.append(n)
    except sqlite3.OperationalError as e:
        if db.in_transaction: db.execute("ROLLBACK")
        print("error", n, e, db.execute("SELECT sqlbridge_last_error()").fetchone()[0])
attempt(0, "CREATE TABLE IF NOT EXISTS t(id, body)")
db.execute("PRAGMA cache_size=10")
for n in range(1, 6):
    attempt(n, f"INSERT INTO t SELECT {n}, zeroblob(3000) FROM json_each('[' || substr(replace(hex(zeroblob(200)), '0', ',1'), 2) || ']')")
rows = [i for (i,) in db.execute("SELECT DISTINCT id FROM t ORDER BY id")] if 0 in done else []
assert rows == [n for n in done if n], (rows, done)
print("done", len(done))
"""


def test_file_size_limit(store, connect):
    """RLIMIT_FSIZE: every file ends early, as on a full disk; SIGXFSZ is ignored as Python does."""
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    done = limited(TOLERANT, store.uri("d.db"), before=before)
    assert done.returncode == 0, done.stderr
    if "done 6" not in done.stdout:
        assert "error" in done.stdout
    blob = connect(store.uri("d.db"))
    check(blob)
    blob.execute("CREATE TABLE after(x)")


@pytest.mark.stores("file", "s3gate")
def test_cache_disk_full(store, connect, tmp_path):
    full = tmp_path / "small"
    full.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", full], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no right to mount a tmpfs here; test_file_size_limit covers the same")
    try:
        (full / "ballast").write_bytes(b"x" * 150_000)
        done = limited(TOLERANT, store.uri("d.db"), env={"SQLBRIDGE_CACHE_DIR": str(full)})
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["umount", full], check=True)
    blob = connect(store.uri("d.db"))
    check(blob)
    blob.execute("CREATE TABLE after(x)")


@pytest.mark.parametrize("what", ["read-only", "absent", "a file"])
def test_unusable_cache_directory(store, connect, what):
    """It works without, or says what is wrong with the directory; the database is safe."""
    # Not under pytest's own directory, which an unprivileged user cannot reach.
    area = Path(tempfile.mkdtemp(prefix="sqlbridge-test-"))
    area.chmod(0o777)
    directory = area / "odd"
    if what == "a file":
        directory.write_text("not a directory")
    elif what == "read-only":
        directory.mkdir()
        directory.chmod(0o555)
    drop = ""
    if os.geteuid() == 0 and what == "read-only":
        if any(p.stat().st_mode & 0o001 == 0 for p in Path(EXTENSION).parents):
            pytest.skip("an unprivileged user cannot read the library here, and root can write everywhere")
        drop = "os.setuid(65534)"
    if store.kind == "file":
        store = LocalStore(area / "bucket")
    try:
        done = limited(TOLERANT, store.uri("r.db"), before=drop, env={"SQLBRIDGE_CACHE_DIR": str(directory)})
        assert done.returncode == 0, done.stderr
        if "done 6" not in done.stdout:
            assert "odd" in done.stdout, f"the error must name the directory: {done.stdout}"
        check(connect(store.uri("r.db")))
    finally:
        shutil.rmtree(area)


@pytest.mark.stores("file", "s3gate")
@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "zero", "garbage"])
def test_damaged_cache_files(store, host, cache, tmp_path, damage):
    """Between two runs, and under a running one: nothing wrong is served."""
    directory = tmp_path / "shared-cache"
    directory.mkdir()
    first = host(store.uri("c.db"), cache=directory)
    first.run("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT)")
    first.run(BIG.format(3000))
    good = first.run("SELECT count(*), sum(length(body)) FROM t")
    second = host(store.uri("c.db"), cache=directory)
    assert second.run("SELECT count(*), sum(length(body)) FROM t") == good

    files = [p for p in directory.rglob("*") if p.is_file() and p.stat().st_size > 0]
    for path in files:
        harm(path, damage)
    for reader in (first, second, host(store.uri("c.db"), cache=directory)):
        try:
            # Small page cache, so that SQLite asks again for what it has read before.
            reader.run("PRAGMA cache_size=5")
            assert reader.run("SELECT count(*), sum(length(body)) FROM t") == good
            assert reader.run("PRAGMA integrity_check") == [("ok",)]
            reader.run("UPDATE t SET body = body WHERE id = 1")
        except sqlite3.OperationalError as error:
            assert primary(error) in (IOERR, CANTOPEN, BUSY)
            assert "cache" in error.last_error, error.last_error
    last = host(store.uri("c.db"), cache=directory)
    assert last.run("SELECT count(*), sum(length(body)) FROM t") == good


def harm(path: Path, damage: str) -> None:
    size = path.stat().st_size
    if damage == "delete":
        path.unlink()
    elif damage == "truncate":
        os.truncate(path, size // 2)
    else:
        with open(path, "r+b") as file:
            content = bytearray(file.read())
            for at in range(0, size, 97):
                content[at] = {"flip": content[at] ^ 0x40, "zero": 0, "garbage": (at * 31 + 7) % 256}[damage]
            file.seek(0)
            file.write(content)


def test_the_cache_directory_disappears(store, connect, cache):
    blob = connect(store.uri("c.db"))
    blob.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT)")
    shutil.rmtree(cache)
    blob.execute("INSERT INTO t VALUES(1, 'x')")
    assert one(blob, "SELECT count(*) FROM t") == 1
    again = connect(store.uri("c.db"))
    assert one(again, "SELECT body FROM t") == "x"
    check(again)


# Objects ----------------------------------------------------------------------


def history(store, host) -> None:
    other = host(store.uri("o.db"))
    other.run("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT)")
    other.run(BIG.format(500))
    for n in range(3):
        other.run("UPDATE t SET body = ? WHERE id % 50 = ?", f"changed {n}", n)
    other.kill()


def everything(host, store) -> list:
    other = host(store.uri("o.db", timeout="2s"))
    rows = other.run("SELECT id, body FROM t ORDER BY id")
    assert other.run("PRAGMA integrity_check") == [("ok",)]
    other.kill()
    return rows


@pytest.mark.stores("file", "s3gate")
@pytest.mark.parametrize("damage", ["head", "middle", "end", "half", "empty", "foreign"])
@pytest.mark.parametrize("txid", [1, 2, 5])
def test_damaged_objects_are_named_and_never_served(store, host, damage, txid):
    history(store, host)
    good = everything(host, store)
    victim = store.transactions("o.db")[txid - 1]
    body = bytearray(store.read(victim.key))
    if damage == "half":
        body = body[: len(body) // 2]
    elif damage == "empty":
        body = bytearray()
    elif damage == "foreign":
        body = bytearray(b"This is not an LTX file. " * 20)
    else:
        at = {"head": 40, "middle": len(body) // 2, "end": len(body) - 9}[damage]
        body[at] ^= 0x10
    store.write(victim.key, bytes(body))
    try:
        rows = everything(host, store)
    except sqlite3.Error as error:
        assert victim.key.rsplit("/", 1)[1] in error.last_error, f"the object is not named: {error.last_error}"
    else:
        # What was damaged may be a part that nothing needs any more.
        assert rows == good


@pytest.mark.stores("file", "s3gate")
@pytest.mark.parametrize("txid", [1, 3])
def test_a_missing_object_is_an_error(store, host, txid):
    history(store, host)
    victim = store.transactions("o.db")[txid - 1]
    store.delete(victim.key)
    with pytest.raises(sqlite3.Error) as error:
        everything(host, store)
    assert "o.db" in error.value.last_error, error.value.last_error


@pytest.mark.stores("file", "s3gate")
def test_a_stray_object_beyond_the_head(store, host):
    """Rule 8: beyond a gap it is an error, because it breaks every restore; the stray is named."""
    history(store, host)
    last = store.transactions("o.db")[-1]
    store.write(store.key("o.db", 0, last.last + 4, last.last + 4), store.read(last.key))
    with pytest.raises(sqlite3.Error) as error:
        everything(host, store)
    text = error.value.last_error
    assert "o.db" in text and re.search(rf"{last.last + 4:016x}|begins at {last.last + 4}\b", text), text


@pytest.mark.stores("file", "s3gate")
def test_a_foreign_successor(store, host, connect):
    """Rule 8: another database's transaction under the next key is not adopted."""
    history(store, host)
    blob = connect(store.uri("o.db"))
    count = one(blob, "SELECT count(*) FROM t")
    other = host(store.uri("other.db"))
    for n in range(6):
        other.run("CREATE TABLE IF NOT EXISTS x(y)")
        other.run("INSERT INTO x VALUES(?)", n)
    alien = store.transactions("other.db")[5]
    assert alien.first == 6
    store.write(store.key("o.db", 0, 6, 6), store.read(alien.key))
    with pytest.raises(sqlite3.Error) as error:
        one(blob, "SELECT count(*) FROM t")
        blob.execute("INSERT INTO t VALUES(100000, 'on top of a stranger')")
    assert re.search("0000000000000006|transaction 6", told(error.value, blob)), told(error.value, blob)
    assert count == 500


@pytest.mark.stores("file", "s3gate")
def test_files_beside_the_transactions_are_ignored(store, host):
    history(store, host)
    good = everything(host, store)
    for key in ("o.db/README", store.level_folder("o.db", 0) + "lease.json", "o.db/note.ltx"):
        store.write(key, b"somebody else's")
    assert everything(host, store) == good


@pytest.mark.stores("file", "s3gate")
def test_a_database_recreated_under_our_feet(store, connect, host):
    """Rule 8: a writer of the old one must not write into the new one, nor a reader mix them."""
    blob = connect(store.uri("o.db"))
    blob.execute("CREATE TABLE old(x)")
    for n in range(4):
        blob.execute("INSERT INTO old VALUES(?)", (n,))
    for key in store.keys("o.db/"):
        store.delete(key)
    other = host(store.uri("o.db"))
    other.run("CREATE TABLE new(x)")
    for n in range(7):
        other.run("INSERT INTO new VALUES(?)", n)
    with pytest.raises(sqlite3.OperationalError):
        blob.execute("INSERT INTO old VALUES(99)")
    assert other.run("SELECT name FROM sqlite_schema") == [("new",)]
    assert other.one("SELECT count(*) FROM new") == 7
    fresh = host(store.uri("o.db"))
    assert fresh.run("SELECT name FROM sqlite_schema") == [("new",)]
    assert fresh.run("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.stores("s3gate")
@pytest.mark.parametrize("flaw", ["lax", "racy"])
def test_a_store_without_conditional_writes_is_refused(store, faulty, connect, flaw):
    """Rule 15: a server that ignores If-None-Match, or only under concurrency, is found out
    before anything is written to the database."""
    # The verdict is remembered per store: only this test uses this bucket.
    own = S3Store(faulty, f"{store.prefix}/{flaw}", bucket="other")
    faulty.fault(flaw, "PUT")
    text = fails_to_open(own.uri("w.db", timeout="5s"))
    assert "single_writer" in text, text
    assert [k for k in own.keys() if k.endswith(".ltx")] == []
    trusted = connect(own.uri("w.db", single_writer=1))
    trusted.execute("CREATE TABLE t(x)")
    assert len(own.transactions("w.db")) == 1
