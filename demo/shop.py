"""A shop's database of realistic size, made from one seed: the same on every machine."""

import random
import sqlite3
from pathlib import Path

SCHEMA = """
CREATE TABLE customer(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, country TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE product(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    stock INTEGER NOT NULL CHECK (stock >= 0));
CREATE TABLE "order"(
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer(id), placed TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE order_line(
    "order" INTEGER NOT NULL REFERENCES "order"(id), line INTEGER NOT NULL,
    product INTEGER NOT NULL REFERENCES product(id), quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL,
    PRIMARY KEY("order", line)) WITHOUT ROWID;
CREATE TABLE event(
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, customer INTEGER REFERENCES customer(id), kind TEXT NOT NULL, detail TEXT);
CREATE INDEX order_by_customer ON "order"(customer, placed);
CREATE INDEX line_by_product ON order_line(product);
CREATE INDEX event_by_customer ON event(customer, at);
CREATE INDEX event_by_kind ON event(kind) WHERE kind <> 'view';
"""

FIRST = "Ada Grace Edsger Barbara Donald Frances Alan Radia Ken Margaret Niklaus Hedy Linus Katherine Dennis Sophie".split()
LAST = "Lovelace Hopper Dijkstra Liskov Knuth Allen Turing Perlman Thompson Hamilton Wirth Lamarr Torvalds Johnson Ritchie Wilson".split()
COUNTRIES = "DE FR IT ES PL SE NL AT DK PT".split()
KINDS = ["view"] * 12 + ["search"] * 4 + ["cart"] * 3 + ["login"] * 2 + ["complaint"]
THINGS = "lamp chair desk shelf mug kettle clock radio bicycle tent rope bell drum flute kite globe".split()
COLOURS = "red green blue black white grey yellow copper".split()

CUSTOMERS, PRODUCTS, ORDERS, EVENTS = 5_000, 800, 20_000, 60_000


def moment(rng: random.Random) -> str:
    return f"2026-{rng.randrange(1, 11):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}Z"


def make(path: Path, seed: int = 1) -> dict:
    """Writes the database; gives the number of rows of each table."""
    rng = random.Random(seed)
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute("PRAGMA foreign_keys=ON")
    db.executescript(SCHEMA)
    names = [f"{rng.choice(FIRST)} {rng.choice(LAST)}" for _ in range(CUSTOMERS)]
    db.executemany(
        "INSERT INTO customer VALUES(?,?,?,?,?)",
        ((i, n, f"{n.lower().replace(' ', '.')}.{i}@example.org", rng.choice(COUNTRIES), moment(rng)[:10]) for i, n in enumerate(names, 1)),
    )
    prices = {i: rng.randrange(199, 49_999) for i in range(1, PRODUCTS + 1)}
    db.executemany(
        "INSERT INTO product VALUES(?,?,?,?)",
        ((i, f"{rng.choice(COLOURS)} {rng.choice(THINGS)} no. {i}", p, rng.randrange(5, 500)) for i, p in prices.items()),
    )
    status = ["delivered"] * 8 + ["shipped", "paid", "cancelled"]
    db.executemany(
        'INSERT INTO "order" VALUES(?,?,?,?)',
        ((i, rng.randrange(CUSTOMERS) + 1, moment(rng), rng.choice(status)) for i in range(1, ORDERS + 1)),
    )
    lines = []
    for order in range(1, ORDERS + 1):
        for line, product in enumerate(rng.sample(range(1, PRODUCTS + 1), rng.randrange(1, 6)), 1):
            lines.append((order, line, product, rng.randrange(1, 4), prices[product]))
    db.executemany("INSERT INTO order_line VALUES(?,?,?,?,?)", lines)
    db.executemany(
        "INSERT INTO event VALUES(?,?,?,?,?)",
        (
            (i, moment(rng), rng.randrange(CUSTOMERS) + 1, rng.choice(KINDS), f"session {rng.getrandbits(48):012x}, page {rng.randrange(900)}")
            for i in range(1, EVENTS + 1)
        ),
    )
    db.commit()
    tables = ["customer", "product", "order", "order_line", "event"]
    counts = {t: db.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables}
    db.close()
    return counts
