"""postgres.py   pg-frontend against PostgreSQL 15, both on this machine's disk with their defaults: each COMMIT is flushed

Rates are ours as a multiple of PostgreSQL's: the middle one of several pairs, each measured one right after the other
and in turns. SQLBRIDGE_PG_FRONTEND names another program than target/release/pg-frontend.
"""

import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sql-tests"))

from support.postgres import PROGRAM, REFERENCE, PgFrontend, Reference, available  # noqa: E402
from support.servers import LOOPBACK  # noqa: E402
from support.wire import SYNC, Wire, bind, describe, execute, parse  # noqa: E402

SCALE = 10
SECONDS = 5
ROUNDS = 3
COPIED = 500_000
STREAMED = "SELECT a.aid, a.filler FROM pgbench_accounts a CROSS JOIN pgbench_branches b"
MB = 2**20


def report(what: str, value: float, unit: str, must: float | None = None, aim: float | None = None, less: bool = False) -> bool:
    """A line; without a bound it only informs."""
    good = must is None or (value <= must if less else value >= must)
    bound = "" if must is None else f"{'<=' if less else '>='} {must:g} (aim {aim:g})"
    verdict = "" if must is None else "ok" if good else "MISSED"
    print(f"{what:<58} {value:>9.2f} {unit:<5} {bound:<17} {verdict}".rstrip(), flush=True)
    return good


def run(server, *command: str) -> str:
    environment = {**os.environ, "PGHOST": LOOPBACK, "PGPORT": str(server.port), "PGUSER": server.user, "PGDATABASE": server.database}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def psql(server, sql: str) -> str:
    return run(server, "psql", "-XAtqc", sql)


def pgbench(server, *arguments: str) -> float:
    """Transactions per second."""
    told = run(server, str(REFERENCE / "pgbench"), "-n", *arguments)
    if "number of failed transactions: 0 " not in told:
        sys.exit(told)
    return float(re.search(r"tps = ([\d.]+)", told)[1])


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(measure, ours, theirs) -> float:
    """The middle one of ours by theirs; `measure` gives a rate."""
    ratios = []
    for number in range(ROUNDS):
        rates = {}
        for server in (ours, theirs) if number % 2 else (theirs, ours):
            rates[server] = measure(server)
        ratios.append(rates[ours] / rates[theirs])
    return statistics.median(ratios)


# What is measured.


def select_only(mode: str):
    return lambda server: pgbench(server, "-S", "-M", mode, "-c", "4", "-T", str(SECONDS))


def bank(mode: str):
    return lambda server: pgbench(server, "-M", mode, "-c", "4", "-T", str(SECONDS))


def copy_in(place: Path):
    """Rows per second of a file that is copied into a table with a primary key."""
    source = place / "copied.csv"
    source.write_text("".join(f'{n},"item number {n}",{n * 7919 % 100003},{n / 4}\n' for n in range(COPIED)))

    def measure(server) -> float:
        psql(server, "DROP TABLE IF EXISTS copied")
        psql(server, "CREATE TABLE copied (id int PRIMARY KEY, name text, number int, price double precision)")
        return COPIED / seconds(lambda: psql(server, rf"\copy copied FROM {source} WITH (FORMAT csv)"))

    return measure


def copy_out(place: Path):
    return lambda server: COPIED / seconds(lambda: psql(server, rf"\copy copied TO {place / 'out.csv'} WITH (FORMAT csv)"))


def stream(server) -> tuple[int, float]:
    """Reads all rows of a query in the extended protocol without keeping any; rows and seconds."""
    with Wire(server.port, timeout=600) as wire:
        started = time.perf_counter()
        wire.send(parse("", STREAMED), bind("", ""), describe("P"), execute("", 0), SYNC)
        tail = b""
        buffer = bytearray(MB)
        # Whatever came before is in no hurry: the last bytes are CommandComplete and ReadyForQuery.
        while not tail.endswith(b"Z" + struct.pack("!I", 5) + b"I"):
            count = wire.socket.recv_into(buffer)
            if count == 0:
                sys.exit("the server hung up")
            tail = (tail + buffer[max(0, count - 64) : count])[-64:]
        took = time.perf_counter() - started
    return int(re.search(rb"SELECT (\d+)\0", tail)[1]), took


def processor_seconds(server) -> float:
    """User's and system's time of a server, with those of its processes that have ended."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def processor_per_select(server) -> float:
    """Microseconds of the server's processor time for a prepared select of a row by its key: one client, all of it."""
    count = 100_000
    before = processor_seconds(server)
    pgbench(server, "-S", "-M", "prepared", "-c", "1", "-t", str(count))
    # PostgreSQL's process of the connection is counted when it has ended.
    time.sleep(0.5)
    return (processor_seconds(server) - before) / count * 1e6


def sqlite_per_select(file: Path) -> float:
    """Microseconds of the same in a loop on the same file, with SQLite in this process."""
    db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    count = 100_000
    cursor = db.cursor()
    started = time.process_time()
    for n in range(count):
        cursor.execute("SELECT abalance FROM pgbench_accounts WHERE aid = ?", (n * 7919 % (SCALE * 100_000) + 1,)).fetchall()
    took = (time.process_time() - started) / count * 1e6
    db.close()
    return took


def resident(server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024 / MB


def stripped(place: Path) -> float:
    subprocess.run(["strip", "-o", place / "stripped", PROGRAM], check=True)
    return (place / "stripped").stat().st_size / MB


def main() -> None:
    if not available():
        sys.exit("PostgreSQL 15 is not installed: apt-get install postgresql-15")
    good = []
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)
        theirs = Reference(place / "theirs")
        ours = PgFrontend(place / "ours")
        try:
            psql(ours, "SELECT 1")
            good.append(report("idle server, resident", resident(ours), "MB", 30, 15, less=True))
            good.append(report("program, stripped", stripped(place), "MB", 50, 35, less=True))
            for server in (ours, theirs):
                run(server, str(REFERENCE / "pgbench"), "-i", "-q", "-s", str(SCALE))
            waits = [psql(server, "SHOW synchronous_commit").strip() for server in (ours, theirs)]
            print(f"pgbench at scale {SCALE}; synchronous_commit: {' and '.join(waits)}", flush=True)
            good.append(report("pgbench -S -M prepared -c 4, by PostgreSQL's", ratio(select_only("prepared"), ours, theirs), "x", 0.9, 1.2))
            good.append(report("pgbench -S -M simple -c 4, by PostgreSQL's", ratio(select_only("simple"), ours, theirs), "x", 0.9, 1.2))
            good.append(report("pgbench -c 4 (TPC-B-like), by PostgreSQL's", ratio(bank("simple"), ours, theirs), "x", 0.7, 1.5))
            good.append(report("pgbench -c 4 -M prepared, by PostgreSQL's", ratio(bank("prepared"), ours, theirs), "x", 0.7, 1.5))
            good.append(report("COPY FROM, rows/s by PostgreSQL's", ratio(copy_in(place), ours, theirs), "x", 0.7, 1.2))
            good.append(report("COPY TO, rows/s by PostgreSQL's", ratio(copy_out(place), ours, theirs), "x", 0.7, 1.2))
            ours.stop()
            ours = PgFrontend(place / "ours")
            rows, took = stream(ours)
            report("rows streamed in the extended protocol", rows / 1e6, "M")
            good.append(report("  the server's memory at most", ours.memory() / MB, "MB", 100, 40, less=True))
            report("  rows/s by PostgreSQL's", rows / took / (rows / stream(theirs)[1]), "x")
            select, direct = processor_per_select(ours), sqlite_per_select(ours.directory / "data" / "postgres.sqlite")
            report("a prepared select by key, processor time of the server", select, "us")
            report("  the same in SQLite itself", direct, "us")
            good.append(report("  what the server adds", select - direct, "us", 15, 8, less=True))
            report("  PostgreSQL's, whole", processor_per_select(theirs), "us")
        finally:
            ours.stop()
            theirs.stop()
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
