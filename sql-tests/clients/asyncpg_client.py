"""asyncpg: everything in binary, types known before any row, prepared statements, COPY, pools."""

import asyncio
import datetime
import decimal
import uuid
from pathlib import Path

import asyncpg


async def main():
    db = await asyncpg.connect()
    print(db.get_server_version().major >= 13, db.get_settings().client_encoding)
    await db.execute((Path(__file__).parent / "kinds.sql").read_text())
    statement = await db.prepare("SELECT * FROM kinds ORDER BY id")
    print([(a.name, a.type.name, a.type.oid) for a in statement.get_attributes()])
    for row in await statement.fetch():
        for value in row:
            print(repr(value))

    columns = "truth, small, number, big, single, double, exact, words, day, clock, moment, instant, span, code, document, bytes, numbers, names"
    values = (
        False, 7, -1, 2**40, 0.5, 2.5, decimal.Decimal("-0.125"), "it's \\ ü", datetime.date(1999, 12, 31), datetime.time(1, 2, 3),
        datetime.datetime(2000, 1, 1, 0, 0, 0, 5), datetime.datetime(2001, 2, 3, tzinfo=datetime.timezone.utc),
        datetime.timedelta(days=3, seconds=5), uuid.UUID("12345678-1234-5678-1234-567812345678"), '{"k": [1, 2]}',
        b"\x01\x00'\\", [1, 2], ["x", None],
    )
    marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    insert = await db.prepare(f"INSERT INTO kinds ({columns}) VALUES ({marks}) RETURNING {columns}")
    print([type.name for type in insert.get_parameters()])
    print(tuple(await insert.fetchrow(*values)))

    # The types of parameters are told from where they stand.
    for sql, *arguments in [
        ("SELECT $1::int + 1", 41),
        ("SELECT $1::text || 'x'", "a"),
        ("SELECT id FROM kinds WHERE number = $1 AND words LIKE $2", -1, "it%"),
        ("SELECT id FROM kinds WHERE id = ANY($1::int[]) ORDER BY id LIMIT $2 OFFSET $3", [1, 2, 3], 2, 1),
        ("SELECT count(*) FROM kinds WHERE day BETWEEN $1 AND $2", datetime.date(1990, 1, 1), datetime.date(2030, 1, 1)),
        ("SELECT coalesce(exact, $1) FROM kinds ORDER BY id", decimal.Decimal("7.125")),
        ("SELECT CASE WHEN truth THEN $1::text ELSE 'no' END FROM kinds WHERE id = 1", "yes"),
        ("SELECT now() > $1, current_date >= $2", datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc), datetime.date(2000, 1, 1)),
        ("SELECT sum(number), avg(small), max(words), count(*), min(day) FROM kinds WHERE id <> 1",),
        ("SELECT document->>'b', document->'a', (document->>'b')::int FROM kinds WHERE id = 1",),
        ("SELECT array_agg(id ORDER BY id DESC), string_agg(padded, ',') FROM kinds",),
        ("SELECT upper(words), length(short), number::bigint * 2, double::numeric, exact::float8 FROM kinds WHERE id = 1",),
        ("SELECT id, row_number() OVER (ORDER BY id DESC) FROM kinds WHERE id IN ($1, $2) ORDER BY id", 1, 2),
        ("WITH x AS (SELECT id AS n FROM kinds) SELECT n FROM x UNION ALL SELECT $1 ORDER BY 1", 99),
        ("SELECT 1 WHERE EXISTS (SELECT FROM kinds WHERE code = $1)", uuid.UUID("12345678-1234-5678-1234-567812345678")),
    ]:
        print(sql, [tuple(row) for row in await db.fetch(sql, *arguments)])
    print(await db.fetchval("SELECT count(*) FROM kinds"), await db.fetchrow("SELECT 1 WHERE false"))

    # Tags, executemany, COPY.
    print(await db.execute("CREATE TABLE item (id integer PRIMARY KEY, name text, price numeric(8,2), made timestamptz DEFAULT now())"))
    await db.executemany("INSERT INTO item (id, name, price) VALUES ($1, $2, $3)", [(n, f"item {n}", decimal.Decimal(n) / 4) for n in range(1, 101)])
    print(await db.execute("UPDATE item SET price = $1 WHERE id > $2", decimal.Decimal(9), 90))
    made = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    print(await db.copy_records_to_table("item", records=[(n, None, decimal.Decimal("0.5"), made) for n in range(101, 111)]))
    print(await db.fetchrow("SELECT count(*), sum(price), count(name), max(made) > $1 FROM item", made))
    lines = []
    print(await db.copy_from_query("SELECT id, name FROM item WHERE id < $1 ORDER BY id", 3, output=lambda data: collect(lines, data), format="csv"))
    print(b"".join(lines))
    lines.clear()
    print(await db.copy_from_table("item", columns=["id"], output=lambda data: collect(lines, data), format="binary"))
    print(b"".join(lines)[:11], len(b"".join(lines)))

    # Cursors and transactions.
    async with db.transaction():
        cursor = await db.cursor("SELECT id FROM item ORDER BY id")
        print(await cursor.fetchrow(), len(await cursor.fetch(10)), await cursor.forward(5), await cursor.fetchrow())
        print(sum([row["id"] async for row in db.cursor("SELECT id FROM item WHERE id > $1", 50, prefetch=7)]))
    try:
        async with db.transaction(isolation="serializable"):
            await db.execute("INSERT INTO item (id) VALUES (1001)")
            await db.execute("INSERT INTO item (id) VALUES (1)")
    except asyncpg.UniqueViolationError as error:
        print(error.sqlstate, error.constraint_name, error.table_name)
    async with db.transaction():
        await db.execute("INSERT INTO item (id) VALUES (1002)")
        try:
            async with db.transaction():
                await db.execute("INSERT INTO item (id) VALUES (1003)")
                raise KeyError
        except KeyError:
            pass
    print(await db.fetch("SELECT id FROM item WHERE id > 1000"))
    for sql in ["SELEC 1", "SELECT * FROM nothing", "SELECT nothing FROM item", "SELECT 1/0", "INSERT INTO item (id) VALUES (NULL)"]:
        try:
            await db.fetch(sql)
        except asyncpg.PostgresError as error:
            print(type(error).__name__, error.sqlstate, error.args[0])
    try:
        await db.fetch("SELECT $1::int", "text")
    except asyncpg.DataError as error:
        print(type(error).__name__)

    # A type of the database's own, and one that a codec is set for.
    await db.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    await db.execute("CREATE TABLE person (name text, mood mood)")
    await db.execute("INSERT INTO person VALUES ($1, $2)", "a", "happy")
    print(await db.fetchrow("SELECT * FROM person"))
    await db.set_type_codec("jsonb", schema="pg_catalog", encoder=repr, decoder=len)
    print(await db.fetchval("SELECT document FROM kinds WHERE id = 1"))
    await db.close()

    async with asyncpg.create_pool(min_size=2, max_size=3) as pool:
        print(sorted(await asyncio.gather(*[pool.fetchval("SELECT $1::int", n) for n in range(10)])))
        async with pool.acquire() as one:
            await one.execute("SET application_name TO 'changed'")
        async with pool.acquire() as one:
            print(await one.fetchval("SHOW application_name"))


async def collect(lines, data):
    lines.append(data)


asyncio.run(main())
