"""A guest in somebody's process: fork, dlclose, thousands of opens, the end of the interpreter."""

import os
import subprocess

import pytest
from support.paths import EXTENSION, PYTHON

LOAD = f"""
import ctypes, gc, os, sqlite3, sys, threading, time
uri = sys.argv[1]
def load():
    c = sqlite3.connect(":memory:"); c.enable_load_extension(True); c.load_extension({EXTENSION!r}); c.close()
def connect(u=None):
    return sqlite3.connect(u or uri, uri=True, isolation_level=None, timeout=10)
"""


def run(code: str, *arguments: str, seconds: float = 60, env: dict | None = None) -> str:
    done = subprocess.run(
        [PYTHON, "-c", LOAD + code, *arguments], capture_output=True, text=True, timeout=seconds,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-3000:]}"
    assert done.stderr == ""
    return done.stdout


WAIT = """
def wait(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done: return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9); os.waitpid(pid, 0)
    return "hung"
"""


@pytest.mark.stores("file", "s3", "s3gate", "azure")
def test_fork_after_load_and_use(store):
    """The parent has used everything, threads included; the child opens anew, or fails clearly."""
    code = WAIT + """
load()
db = connect(); db.execute("CREATE TABLE t(x)"); db.execute("INSERT INTO t VALUES(0)")
for n in range(3):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            mine = connect()
            mine.execute("INSERT INTO t VALUES(?)", (os.getpid(),))
            assert mine.execute("SELECT count(*) FROM t").fetchone()[0] == n + 2
            mine.close()
            status = 0
        except sqlite3.OperationalError as error:
            text = str(error) + connect(":memory:").execute("SELECT sqlbridge_last_error()").fetchone()[0]
            status = 0 if "fork" in text else 2
            sys.stdout.write(text); sys.stdout.flush()
        finally:
            os._exit(status)
    assert wait(pid) == 0
    # The parent goes on undisturbed.
    db.execute("UPDATE t SET x = x + 1 WHERE x = ?", (n,))
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
print(db.execute("SELECT count(*) FROM t").fetchone()[0])
"""
    out = run(code, store.uri("f.db"))
    if store.kind == "file":
        assert out.strip() == "4", "a local directory needs no thread: the child can write"


@pytest.mark.stores("file", "s3gate")
def test_fork_before_anything_was_opened(store):
    code = WAIT + """
load()
pid = os.fork()
if pid == 0:
    db = connect(); db.execute("CREATE TABLE t(x)"); db.execute("INSERT INTO t VALUES(1)"); db.close()
    os._exit(0)
assert wait(pid) == 0
print(connect().execute("SELECT x FROM t").fetchone()[0])
"""
    assert run(code, store.uri("f.db")).strip() == "1"


@pytest.mark.stores("file", "s3gate")
def test_fork_while_threads_commit(store):
    """Locks that a thread held at the fork must not hang the child."""
    code = WAIT + """
load()
db = connect(); db.execute("CREATE TABLE t(x)")
stop = False
def work():
    c = connect()
    while not stop:
        try: c.execute("INSERT INTO t VALUES(1)")
        except sqlite3.OperationalError: pass
    c.close()
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
for n in range(10):
    time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        try:
            c = connect(uri.replace("f.db", f"child{n}.db"))
            c.execute("CREATE TABLE t(x)"); c.execute("INSERT INTO t VALUES(1)")
            connect().execute("SELECT count(*) FROM t").fetchone()
        except sqlite3.OperationalError as error: pass
        os._exit(0)
    result = wait(pid)
    if result != 0: break
stop = True
for t in threads: t.join()
assert result == 0, result
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
"""
    run(code, store.uri("f.db"))


@pytest.mark.stores("file", "s3gate")
def test_multiprocessing_pool(store):
    """What Python people do: a forking pool after the parent has used the database."""
    code = """
import multiprocessing
load()
db = connect(); db.execute("CREATE TABLE t(x)"); db.execute("INSERT INTO t VALUES(41)")
def ask(n):
    try:
        c = connect(); v = c.execute("SELECT x FROM t").fetchone()[0]; c.close(); return v
    except sqlite3.OperationalError as error:
        return "fork" if "fork" in str(error) + connect(":memory:").execute("SELECT sqlbridge_last_error()").fetchone()[0] else str(error)
with multiprocessing.get_context("fork").Pool(3) as pool:
    print(sorted(set(map(str, pool.map_async(ask, range(12)).get(40)))))
"""
    assert run(code, store.uri("f.db")).strip() in ("['41']", "['fork']")


def test_dlclose_keeps_the_library(local):
    """SQLITE_OK_LOAD_PERMANENTLY: nothing is unmapped under the VFS's feet."""
    code = f"""
load()
db = connect(); db.execute("CREATE TABLE t(x)"); db.close(); gc.collect()
handle = ctypes.CDLL({EXTENSION!r} + ".so")
ctypes.CDLL(None).dlclose.argtypes = [ctypes.c_void_p]
for _ in range(3): ctypes.CDLL(None).dlclose(handle._handle)
db = connect(); db.execute("INSERT INTO t VALUES(1)")
print(db.execute("SELECT count(*), length(sqlbridge_version()) > 0 FROM t").fetchone())
"""
    assert run(code, local.uri("d.db")).strip() == "(1, 1)"


@pytest.mark.timeout(300)
@pytest.mark.stores("file", "s3gate")
def test_thousands_of_opens_and_closes(store):
    """Memory and descriptors stay flat."""
    rounds = 2000 if store.kind == "file" else 500
    code = """
load()
def state():
    gc.collect()
    rss = int(open("/proc/self/statm").read().split()[1]) * 4096
    return rss, len(os.listdir("/proc/self/fd")), threading.active_count(), len(os.listdir("/proc/self/task"))
db = connect(); db.execute("CREATE TABLE t(x)"); db.execute("INSERT INTO t VALUES(1)"); db.close()
rounds = int(sys.argv[2])
def turn(n):
    c = connect()
    assert c.execute("SELECT count(*) FROM t").fetchone() == (1,)
    if n % 10 == 0:
        c.execute("BEGIN"); c.execute("UPDATE t SET x = 2"); c.execute("ROLLBACK")
    c.close()
    try: connect("file:bad.db?vfs=sqlbridge&store=nonsense").execute("SELECT 1 FROM t")
    except sqlite3.OperationalError: pass
for n in range(rounds // 4): turn(n)
before = state()
for n in range(rounds): turn(n)
after = state()
print(*before); print(*after)
"""
    before, after = (list(map(int, line.split())) for line in run(code, store.uri("l.db"), str(rounds), seconds=280).splitlines())
    assert after[1] <= before[1] + 2, f"descriptors grew from {before[1]} to {after[1]}"
    assert after[3] <= before[3] + 1, f"threads grew from {before[3]} to {after[3]}"
    assert after[0] - before[0] < 6_000_000, f"memory grew from {before[0]} to {after[0]} bytes"


@pytest.mark.stores("file")
def test_many_stores_leave_nothing_open(store):
    """A process that opens one database in each of many directories keeps no file of each open."""
    code = """
load()
def descriptors(): return len(os.listdir("/proc/self/fd"))
def turn(n):
    c = connect(uri.replace("databases", f"databases{n}")); c.execute("CREATE TABLE t(x)"); c.close()
for n in range(3): turn(n)
before = descriptors()
for n in range(3, 33): turn(n)
print(descriptors() - before)
"""
    uri = store.uri("l.db")
    if store.kind == "file":
        uri = uri.replace(str(store.directory), f"{store.directory}/databases")
    assert int(run(code, uri)) <= 20


@pytest.mark.stores("file", "s3", "s3gate", "azure")
@pytest.mark.parametrize("how", ["return", "sys.exit(0)", "open transaction", "thread inside"])
def test_the_interpreter_ends_with_connections_open(store, how):
    last = {
        "return": "",
        "sys.exit(0)": "sys.exit(0)",
        "open transaction": 'db.execute("BEGIN IMMEDIATE"); db.execute("INSERT INTO t VALUES(2)")',
        "thread inside": (
            "def work():\n    c = connect()\n    while True:\n"
            "        c.execute('SELECT count(*) FROM t').fetchone()\n"
            "threading.Thread(target=work, daemon=True).start(); time.sleep(0.1)"
        ),
    }[how]
    run('load()\ndb = connect(); db.execute("CREATE TABLE t(x)"); db.execute("INSERT INTO t VALUES(1)")\n' + last, store.uri("e.db"))
    assert run("load()\nprint(connect().execute('SELECT count(*) FROM t').fetchone()[0])", store.uri("e.db")).strip() == "1"


def test_signal_handlers_are_left_alone(store):
    code = """
import signal
marks = []
for name in ("SIGPIPE", "SIGSEGV", "SIGTERM", "SIGCHLD", "SIGUSR1"):
    if name == "SIGUSR1": signal.signal(signal.SIGUSR1, lambda *_: marks.append(1))
# Signals 32 and 33 are the C library's own: it catches them in any process with threads.
def masks(): return {l[:6]: int(l.split()[1], 16) & ~(3 << 31)
                     for l in open("/proc/self/status") if l.startswith(("SigIgn", "SigCgt", "SigBlk"))}
before = masks()
load(); db = connect(); db.execute("CREATE TABLE t(x)"); db.execute("INSERT INTO t VALUES(1)")
assert masks() == before, (before, masks())
os.kill(os.getpid(), signal.SIGUSR1)
db.execute("INSERT INTO t VALUES(2)")
assert marks == [1]
"""
    run(code, store.uri("s.db"))


def test_a_signal_during_a_commit_does_no_harm(store):
    """EINTR in a system call is not an I/O error."""
    code = """
import signal
signal.signal(signal.SIGALRM, lambda *_: None)
load(); db = connect(); db.execute("CREATE TABLE t(x)")
signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
for n in range(40): db.execute("INSERT INTO t VALUES(?)", (n,))
signal.setitimer(signal.ITIMER_REAL, 0)
print(db.execute("SELECT count(*) FROM t").fetchone()[0], db.execute("PRAGMA integrity_check").fetchone()[0])
"""
    assert run(code, store.uri("s.db")).split() == ["40", "ok"]


def test_interrupt(store):
    """sqlite3_interrupt ends a scan; the connection stays usable."""
    code = """
load(); db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False); db.execute("CREATE TABLE t(x)")
db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) INSERT INTO t SELECT i FROM n")
threading.Timer(0.2, db.interrupt).start()
try:
    db.execute("SELECT count(*) FROM t a, t b, t c, t d").fetchone(); print("ran through")
except sqlite3.OperationalError as error: print(error)
print(db.execute("SELECT count(*) FROM t").fetchone()[0])
"""
    assert run(code, store.uri("s.db")).splitlines() == ["interrupted", "300"]
