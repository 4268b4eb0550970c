"""Random but repeatable SQL, applied to any number of connections alike."""

import random


def statements(seed: int, count: int):
    """`count` statements from one seed; the first make the tables."""
    rng = random.Random(seed)
    yield "CREATE TABLE item(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, size REAL, body BLOB)"
    yield "CREATE TABLE note(item INTEGER REFERENCES item(id), text TEXT, PRIMARY KEY(item, text)) WITHOUT ROWID"
    yield "CREATE INDEX item_kind ON item(kind, size)"
    extra = 0
    for step in range(count):
        choice = rng.random()
        key = rng.randrange(400)
        seeded = f"substr(hex({rng.getrandbits(62)}) || hex({rng.getrandbits(62)}), 1, {rng.randrange(4, 30)})"
        if choice < 0.40:
            body = f"zeroblob({rng.choice([0, 10, 300, 5000, 70000])})"
            yield f"INSERT OR REPLACE INTO item VALUES({key}, {seeded}, {rng.random()}, {body})"
        elif choice < 0.55:
            yield f"INSERT OR IGNORE INTO note SELECT id, {seeded} || id FROM item WHERE id % 7 = {rng.randrange(7)}"
        elif choice < 0.70:
            yield f"UPDATE item SET size = size + {rng.random()}, kind = {seeded} WHERE id BETWEEN {key} AND {key + 40}"
        elif choice < 0.82:
            yield f"DELETE FROM item WHERE id BETWEEN {key} AND {key + rng.choice([0, 5, 100])}"
        elif choice < 0.86:
            yield f"DELETE FROM note WHERE item % 5 = {rng.randrange(5)}"
        elif choice < 0.90:
            extra += 1
            yield f"CREATE TABLE extra{extra} AS SELECT id, kind FROM item WHERE id > {key}"
        elif choice < 0.93 and extra:
            yield f"DROP TABLE IF EXISTS extra{rng.randrange(extra) + 1}"
        elif choice < 0.96:
            yield "VACUUM"
        else:
            yield f"INSERT OR REPLACE INTO item SELECT id + 1000, kind, size, body FROM item WHERE id < {key}"


def run(seed: int, count: int, *connections) -> None:
    """Each statement is a transaction of its own on every connection."""
    for sql in statements(seed, count):
        for connection in connections:
            connection.execute(sql)
