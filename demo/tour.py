"""`make demo`: a tour of databases in a bucket, with a local directory as the bucket, and of procedures in them.

Each step prints what is done and what came of it, and stops the tour if that is not
what it should be. Everything happens in a temporary directory.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import shop

ROOT = Path(__file__).resolve().parent.parent
EXTENSION = os.environ.get("SQLBRIDGE_EXTENSION", str(ROOT / "target/release/libsqlbridge"))
PROCEDURES = Path(os.environ.get("SQLBRIDGE_PROCEDURES", ROOT / "build/procedures"))
LITESTREAM = Path(sys.executable).parent / "litestream"
WORK = Path(tempfile.mkdtemp(prefix="sqlbridge-demo-"))
BUCKET = WORK / "bucket"
URI = f"file:shop.db?vfs=sqlbridge&store=file://{BUCKET}"

#: A writer in a process of its own. It says when it is ready, waits for a line, and commits.
WRITER = f"""
import sqlite3, sys
first = sqlite3.connect(":memory:"); first.enable_load_extension(True); first.load_extension({EXTENSION!r})
db = sqlite3.connect({URI!r}, uri=True, isolation_level=None)
db.execute("BEGIN")
stock = db.execute("SELECT stock FROM product WHERE id = 1").fetchone()[0]
db.execute(sys.argv[1])
print(f"has read stock = {{stock}} and changed it", flush=True)
sys.stdin.readline()
try:
    db.execute("COMMIT"); print("COMMIT returned: it is in the bucket", flush=True)
except sqlite3.OperationalError as error:
    why = db.execute("SELECT sqlbridge_last_error()").fetchone()[0]
    print(f"COMMIT failed with {{error.sqlite_errorname}}: {{why}}", flush=True)
    db.execute("BEGIN IMMEDIATE"); db.execute(sys.argv[1]); db.execute("COMMIT")
    stock = db.execute("SELECT stock FROM product WHERE id = 1").fetchone()[0]
    print(f"tried again, COMMIT returned: stock = {{stock}}", flush=True)
"""
BUY_ONE = "UPDATE product SET stock = stock - 1 WHERE id = 1"

number = 0


def step(title: str) -> None:
    global number
    number += 1
    print(f"\n\033[1m{number}. {title}\033[0m" if sys.stdout.isatty() else f"\n{number}. {title}", flush=True)


def say(text) -> None:
    for line in str(text).splitlines():
        print(f"   {line}", flush=True)


def must(condition: bool, what: str) -> None:
    if not condition:
        sys.exit(f"   FAILED: {what}")


def cli(script: str) -> str:
    """Runs a script in the sqlite3 shell, and shows it."""
    shown = "\n".join(f"sqlite> {line}" for line in script.strip().splitlines())
    say(shown.replace(str(BUCKET), "BUCKET").replace(str(PROCEDURES), "build/procedures"))
    done = subprocess.run(["sqlite3", "-batch", "-bail", "-box"], input=f".load {EXTENSION}\n{script}", capture_output=True, text=True)
    must(done.returncode == 0, done.stderr)
    say(done.stdout)
    return done.stdout


def connect(parameters: str = "") -> sqlite3.Connection:
    return sqlite3.connect(URI + parameters, uri=True, isolation_level=None)


def writer(sql: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WRITER, sql], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(process: subprocess.Popen) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def procedures() -> None:
    """Made in the shell, called by name in this process, stopped where it goes on for ever."""
    definition = """{"params": [{"name": "price", "data_type": "FLOAT"}, {"name": "tier", "data_type": "INT"}], "return_type": "FLOAT"}"""
    median = """{"kind": "window", "params": [{"name": "x", "data_type": "FLOAT"}]}"""
    cli(
        f".open '{URI}'\n"
        f"SELECT proc_create('calculate_discount', readfile('{PROCEDURES}/discount.wasm'), '{definition}') AS created;\n"
        f"SELECT proc_create('my_median', readfile('{PROCEDURES}/median.wasm'), '{median}') AS created;\n"
        "SELECT proc_call('calculate_discount', 100.0, 2);\n"
        "SELECT name, price_cents, calculate_discount(price_cents, 2) AS discounted FROM product ORDER BY id LIMIT 3;\n"
        "SELECT country, my_median(quantity * price_cents) / 100 AS median_sale FROM order_line JOIN \"order\" o ON o.id = \"order\" JOIN customer c ON c.id = customer GROUP BY 1 ORDER BY 2 DESC LIMIT 3;\n"
    )
    db = connect()
    count, wrong = db.execute(
        "SELECT count(*), sum(abs(calculate_discount(price_cents, 3) - price_cents * 0.85) > 1e-6) FROM order_line").fetchone()
    must(wrong == 0, "the procedure computes something else")
    say(f"another process: calculate_discount() on {count:,} order lines, each as expected")
    db.execute("SELECT proc_create('fib', ?, '{\"timeout\": \"200ms\"}')", ((PROCEDURES / "fib.wasm").read_bytes(),)).fetchall()
    try:
        db.execute("SELECT fib(90)").fetchall()
        must(False, "fib(90) ended")
    except sqlite3.OperationalError as error:
        say(f"SELECT fib(90): {error}")
    must(db.execute("SELECT fib(20)").fetchone()[0] == 6765, "fib(20)")
    say("SELECT fib(20): 6765, the process lives")
    db.close()


def tour() -> None:
    first = sqlite3.connect(":memory:")
    first.enable_load_extension(True)
    first.load_extension(EXTENSION)
    say(first.execute("SELECT sqlbridge_debug()").fetchone()[0])

    step("A plain SQLite database: customers, orders, order lines, events")
    plain = WORK / "shop.sqlite"
    counts = shop.make(plain)
    say(", ".join(f"{n:,} rows in {t}" for t, n in counts.items()) + f"; {plain.stat().st_size / 1e6:.1f} MB")

    step("Into the bucket with blob_import")
    started = time.monotonic()
    pages = first.execute("SELECT blob_import(?, ?)", (f"file://{plain}", URI)).fetchone()[0]
    say(f"{pages:,} pages in {time.monotonic() - started:.2f} s; the bucket holds, in Litestream's layout:")
    for path in sorted(BUCKET.rglob("*.ltx")):
        say(f"{path.relative_to(BUCKET)}  {path.stat().st_size / 1e6:.1f} MB")

    step("Queried from the sqlite3 shell")
    out = cli(
        f".open '{URI}'\n"
        "SELECT country, count(DISTINCT customer.id) AS customers, count(*) AS orders FROM customer JOIN \"order\" ON customer = customer.id GROUP BY 1 ORDER BY 3 DESC LIMIT 3;\n"
        "PRAGMA integrity_check;\n"
    )
    must("ok" in out, "integrity_check")

    step("Queried from Python, compared with the plain file")
    db, source = connect(), sqlite3.connect(plain)
    best = """SELECT p.name, sum(l.quantity) AS sold, sum(l.quantity * l.price_cents) / 100 AS euros
              FROM order_line l JOIN product p ON p.id = l.product GROUP BY p.id ORDER BY 3 DESC LIMIT 3"""
    rows = db.execute(best).fetchall()
    for row in rows:
        say(row)
    must(rows == source.execute(best).fetchall(), "the same query on the plain file gives something else")
    say("the plain file gives the same")

    step("A stored procedure in WebAssembly, written in Rust, in the database in the bucket")
    if (PROCEDURES / "discount.wasm").exists():
        procedures()
    else:
        say("left out: `rustup target add wasm32-unknown-unknown`, then `make demo` again")

    step("Two processes race for the same row")
    before = db.execute("SELECT txid FROM blob_versions('main') ORDER BY txid DESC").fetchone()[0]
    stock = db.execute("SELECT stock FROM product WHERE id = 1").fetchone()[0]
    time.sleep(0.05)
    mark = db.execute("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')").fetchone()[0]
    time.sleep(0.05)
    a, b = writer(BUY_ONE), writer(BUY_ONE)
    for name, process in (("A", a), ("B", b)):
        say(f"{name} {process.stdout.readline().strip()}")
    go(a)
    say(f"A {a.stdout.readline().strip()}")
    go(b)
    refused, retried = b.stdout.readline().strip(), b.stdout.readline().strip()
    say(f"B {refused}")
    say(f"B {retried}")
    a.wait(), b.wait()
    must("SQLITE_BUSY_SNAPSHOT" in refused, "the loser was not told so")
    must(db.execute("SELECT stock FROM product WHERE id = 1").fetchone()[0] == stock - 2, "a sale was lost")
    say(f"stock went from {stock} to {stock - 2}: both sales count, none twice")

    step("SIGKILL in mid-commit, again and again")
    acknowledged, there = 0, 0
    for n in range(12):
        db_before = db.execute("SELECT count(*) FROM event WHERE kind = 'kill'").fetchone()[0]
        process = writer(f"INSERT INTO event(at, kind, detail) VALUES('now', 'kill', 'attempt {n}')")
        process.stdout.readline()
        go(process)
        time.sleep(n * 0.002)
        os.kill(process.pid, signal.SIGKILL)
        said = process.stdout.read()
        process.wait()
        acknowledged += "COMMIT returned" in said
        after = db.execute("SELECT count(*) FROM event WHERE kind = 'kill'").fetchone()[0]
        there += after - db_before
        must(after - db_before >= ("COMMIT returned" in said), "an acknowledged commit is lost")
        must(after - db_before <= 1, "a commit came twice")
    must(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "integrity_check")
    say(f"12 writers killed; {acknowledged} had been told that COMMIT returned, all of these are there;")
    say(f"{there} transactions are in the database in all, each whole; integrity_check: ok")

    step(f"The state before the race: as_of={mark}")
    past = connect(f"&as_of={mark}")
    say(f"stock then: {past.execute('SELECT stock FROM product WHERE id = 1').fetchone()[0]}, now: {stock - 2}")
    must(past.execute("SELECT stock FROM product WHERE id = 1").fetchone()[0] == stock, "as_of shows another state")
    try:
        past.execute("DELETE FROM event")
        must(False, "the past was changed")
    except sqlite3.OperationalError as error:
        say(f"writing there: {error}")

    step("blob_versions: the history")
    cli(f".open '{URI}'\nSELECT txid, committed_at, page_count, pages, bytes FROM blob_versions('main') ORDER BY txid LIMIT 6;\n")

    step("Out again with the real litestream, compared byte for byte")
    for label, txid in (("the head", None), (f"transaction {before}", before)):
        out, own = WORK / "restored.db", WORK / "own.db"
        out.unlink(missing_ok=True)
        command = [str(LITESTREAM), "restore", "-o", str(out), *(["-txid", f"{txid:016x}"] if txid else []), f"file://{BUCKET}/shop.db"]
        say("$ " + " ".join(command).replace(str(LITESTREAM), "litestream").replace(str(BUCKET), "BUCKET").replace(str(WORK), "."))
        done = subprocess.run(command, capture_output=True, text=True)
        must(done.returncode == 0, done.stderr)
        view = connect(f"&txid={txid}" if txid else "")
        view.execute("SELECT blob_export('main', ?)", (f"file://{own}",)).fetchall()
        view.close()
        must(out.read_bytes() == own.read_bytes(), f"litestream restored {label} differently")
        say(f"{label}: {out.stat().st_size:,} bytes, equal to our own view")
    for connection in (past, db, source, first):
        connection.close()


if __name__ == "__main__":
    missing = [name for name in ("sqlite3",) if shutil.which(name) is None] + ([] if LITESTREAM.exists() else ["litestream"])
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; run `make demo` as root, or install them and try again")
    os.environ["SQLBRIDGE_CACHE_DIR"] = str(WORK / "cache")
    os.environ.pop("SQLBRIDGE_STORE", None)
    try:
        tour()
        print("\nThe tour is complete.")
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
