"""The bank: transfers between accounts, by a process that may be killed at any moment.

    bank.py EXTENSION URI WORKER SEED SECONDS DIARY CONNECTIONS

Each transfer has an id nobody else uses. The diary, appended to with single
writes, holds what became of each: `try` before BEGIN, then `done` once COMMIT
returned, `refused` if it surely did not happen, `unknown` if nobody can tell.
Every read checks the sum, and a wrong one ends the process with status 3.
"""

import os
import random
import sqlite3
import sys
import threading
import time

ACCOUNTS = 20
START = 1000
SCHEMA = """
CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE transfer(id TEXT NOT NULL, source INTEGER, target INTEGER, amount INTEGER);
CREATE INDEX transfer_id ON transfer(id);
"""

CONFLICTS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def prepare(connection) -> None:
    connection.execute("BEGIN")
    for statement in filter(str.strip, SCHEMA.split(";")):
        connection.execute(statement)
    connection.executemany("INSERT INTO account VALUES(?, ?)", [(i, START) for i in range(ACCOUNTS)])
    connection.execute("COMMIT")


class Diary:
    def __init__(self, path: str):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, word: str, transfer: str) -> None:
        os.write(self.file, f"{word} {transfer}\n".encode())


def transfer(connection, rng, name: str, diary: Diary) -> None:
    source, target = rng.sample(range(ACCOUNTS), 2)
    amount = rng.randrange(1, 50)
    diary.write("try", name)
    try:
        connection.execute(rng.choice(["BEGIN", "BEGIN IMMEDIATE"]))
        total = connection.execute("SELECT sum(balance) FROM account").fetchone()[0]
        if total != ACCOUNTS * START:
            fail(f"the sum is {total}")
        connection.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, source))
        connection.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, target))
        connection.execute("INSERT INTO transfer VALUES(?, ?, ?, ?)", (name, source, target, amount))
        connection.execute("COMMIT")
        diary.write("done", name)
    except sqlite3.OperationalError as error:
        refused = getattr(error, "sqlite_errorcode", 0) & 0xFF in CONFLICTS
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        diary.write("refused" if refused else "unknown", name)
        # The loser steps back, so that somebody gets on.
        time.sleep(rng.random() * 0.02)


def look(connection) -> None:
    try:
        total, rows = connection.execute("SELECT sum(balance), count(*) FROM account").fetchone()
    except sqlite3.OperationalError:
        return
    if (total, rows) != (ACCOUNTS * START, ACCOUNTS):
        fail(f"a reader saw {rows} accounts with {total}")


def fail(why: str) -> None:
    os.write(2, (why + "\n").encode())
    os._exit(3)


def work(uri: str, worker: str, seed: int, until: float, diary: Diary) -> None:
    rng = random.Random(seed)
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=1)
    number = 0
    while time.monotonic() < until:
        if rng.random() < 0.2:
            look(connection)
        else:
            number += 1
            transfer(connection, rng, f"{worker}-{seed}-{number}", diary)
    connection.close()


def main() -> None:
    extension, uri, worker, seed, seconds, path, connections = sys.argv[1:]
    first = sqlite3.connect(":memory:")
    first.enable_load_extension(True)
    first.load_extension(extension)
    first.close()
    until = time.monotonic() + float(seconds)
    diary = Diary(path)
    # The process id keeps the ids of a restarted worker apart from its predecessor's.
    threads = [
        threading.Thread(target=work, args=(uri, f"{worker}-{os.getpid()}", int(seed) + n, until, diary))
        for n in range(int(connections))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
