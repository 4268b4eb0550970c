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


def report(what: str, ratio: float, must: float | None) -> bool:
    """A line; without a bound it only informs."""
    good = must is None or ratio >= must
    bound = "" if must is None else f">= {must}"
    print(f"{what:<58} {ratio:>9.2f} {bound:>9}  {'' if must is None else 'ok' if good else 'MISSED'}".rstrip(), flush=True)
    return good


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


def recording(db: apsw.Connection, native: bool):
    """Begins to record; gives what ends it with a changeset."""
    if native:
        session = apsw.Session(db, "main")
        session.attach()
        return session.changeset
    db.execute("SELECT session_create('main')")
    db.execute("SELECT session_attach(1, NULL)")
    return lambda: db.execute("SELECT session_changeset(1)").get


def in_transaction(db: apsw.Connection, *work) -> None:
    with db:
        for sql, bindings in work:
            db.executemany(sql, bindings) if bindings else db.execute(sql)


def capturing() -> bool:
    base = filled()
    keys = [(number * 7919 % ROWS + 1,) for number in range(ROWS)]
    new = [(ROWS + number + 1, "a new item", number, 1.5, b"bytes") for number in range(ROWS)]
    insert = ("INSERT INTO item VALUES (?, ?, ?, ?, ?)", new)
    update = ("UPDATE item SET price = price + 1 WHERE id = ?", keys[: ROWS // 2])
    delete = ("DELETE FROM item WHERE id = ?", keys[ROWS // 2 :])
    good = True
    for what, must, work in [
        ("writes one by one, half of them inserts", 0.7, (insert, update, delete)),
        ("inserts, one by one", None, (insert,)),
        ("updates, one by one", None, (update,)),
        ("deletes, one by one", None, (delete,)),
        ("writes by one statement each", None, (
            ("UPDATE item SET price = price + 1", None), ("DELETE FROM item WHERE id % 2", None),
            (f"INSERT INTO item SELECT id + {ROWS}, name, number, price, image FROM item", None),
        )),
    ]:
        def run(native):
            return lambda db: (recording(db, native), in_transaction(db, *work))

        ratio = speed(lambda: clone(base), run(False), run(True))
        good &= report(f"capture, {what}, by native", ratio, must)
    for what, work in [
        ("inserted", insert), ("updated", ("UPDATE item SET price = price + 1", None)), ("deleted", ("DELETE FROM item", None)),
    ]:
        def recorded():
            """Records both ways at once, so that the work to be timed is the last step only."""
            db = clone(base)
            ends = [recording(db, native) for native in (False, True)]
            in_transaction(db, work)
            return ends

        ratio = speed(recorded, lambda ends: ends[0](), lambda ends: ends[1]())
        good &= report(f"session_changeset, {ROWS} rows {what}, by native", ratio, 0.8)
    return good


if __name__ == "__main__":
    print(f"{'what':<58} {'measured':>9} {'must':>9}")
    sys.exit(0 if all([capturing(), applying(), transforming()]) else 1)
