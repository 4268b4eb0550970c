"""sessions.py   ours against SQLite's own session extension, both in apsw's copy of SQLite

Every figure is the speed of ours as a multiple of native's: the middle one of several pairs, each of
which does the same work on the same content both ways in turn.
"""

import os
import statistics
import sys
import time

import apsw

EXTENSION = os.environ.get("SQLBRIDGE_EXTENSION", "target/release/libsqlbridge")
ROWS = 100_000
ROUNDS = 7


def connect() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    return db


def filled() -> apsw.Connection:
    """A table with an index and ROWS rows of text, numbers and blobs."""
    db = connect()
    db.execute("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, number INT, price REAL, image BLOB)")
    db.execute("CREATE INDEX item_number ON item(number)")
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO item "
        "SELECT i, 'item number ' || i, i * 7919 % 100003, i * 0.5, randomblob(20) FROM n", (ROWS,)
    )
    return db


def clone(db: apsw.Connection) -> apsw.Connection:
    other = connect()
    other.deserialize("main", db.serialize("main"))
    return other


def timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def speed(prepare, ours, native) -> float:
    """The middle one of native's time by ours, each on what `prepare` makes anew."""
    ratios = []
    for number in range(ROUNDS):
        pair = [(0, ours), (1, native)]
        seconds = [0.0, 0.0]
        for which, work in pair if number % 2 else reversed(pair):
            content = prepare()
            seconds[which] = timed(lambda work=work, content=content: work(content))
        ratios.append(seconds[1] / seconds[0])
    return statistics.median(ratios)


def report(what: str, ratio: float, must: float) -> bool:
    print(f"{what:<58} {ratio:>9.2f} {'>= ' + str(must):>9}  {'ok' if ratio >= must else 'MISSED'}", flush=True)
    return ratio >= must


def changed(db: apsw.Connection, *statements: str) -> bytes:
    """The native changeset of statements, run on a copy."""
    db = clone(db)
    session = apsw.Session(db, "main")
    session.attach()
    with db:
        for sql in statements:
            db.execute(sql)
    return session.changeset()


def apply_native(changeset):
    return lambda db: apsw.Changeset.apply(changeset, db)


def apply_ours(changeset):
    return lambda db: db.execute("SELECT changeset_apply(?)", (changeset,)).get


def applying() -> bool:
    base = filled()
    mixed = (
        "UPDATE item SET name = 'new ' || id, price = price + 1 WHERE id % 3 = 0",
        "DELETE FROM item WHERE id % 3 = 1",
        f"INSERT INTO item SELECT id + {ROWS}, name, number, price, image FROM item WHERE id % 3 = 2",
    )
    good = True
    for what, statements in [
        ("inserts", ["INSERT INTO item SELECT id + 1000000, name, number, price, image FROM item"]),
        ("updates", ["UPDATE item SET number = number + 1"]),
        ("deletes", ["DELETE FROM item"]),
        ("changes, mixed", mixed),
    ]:
        changeset = changed(base, *statements)
        ratio = speed(lambda: clone(base), apply_ours(changeset), apply_native(changeset))
        good &= report(f"changeset_apply, {ROWS} {what}, by native", ratio, 0.7)
    return good


def transforming() -> bool:
    base = filled()
    one = changed(base, "UPDATE item SET price = price * 2")
    two = changed(base, "UPDATE item SET name = 'x' WHERE id % 2", "DELETE FROM item WHERE id % 2 = 0")

    def select(sql, *arguments):
        return lambda db: db.execute(f"SELECT {sql}", arguments).get

    good = True
    for name, arguments, native in [
        ("invert", [one], lambda _: apsw.Changeset.invert(one)),
        ("concat", [one, two], lambda _: apsw.Changeset.concat(one, two)),
    ]:
        marks = ", ".join("?" * len(arguments))
        ratio = speed(connect, select(f"changeset_{name}({marks})", *arguments), native)
        good &= report(f"changeset_{name}, {ROWS} changes, by native", ratio, 0.7)
    return good


if __name__ == "__main__":
    print(f"{'what':<58} {'measured':>9} {'must':>9}")
    sys.exit(0 if all([applying(), transforming()]) else 1)
