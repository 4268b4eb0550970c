"""psycopg 3: parameters and results in text and binary, pipelines, COPY both ways, prepared after five runs."""

import datetime
import decimal
import uuid
from pathlib import Path

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb

db = psycopg.connect("", autocommit=True)
print(db.info.encoding, db.info.server_version >= 130000, db.info.parameter_status("DateStyle"))
db.execute((Path(__file__).parent / "kinds.sql").read_text())

for binary in (False, True):
    cursor = db.cursor(binary=binary)
    cursor.execute("SELECT * FROM kinds ORDER BY id")
    print(binary, [(column.name, column.type_code) for column in cursor.description])
    for row in cursor:
        for value in row:
            print(repr(value))

columns = "truth, small, number, big, double, exact, words, day, clock, moment, span, code, plain, document, bytes, numbers, names"
values = (
    False, 7, -1, 2**40, 2.5, decimal.Decimal("-0.125"), "it's \\ ü", datetime.date(1999, 12, 31), datetime.time(1, 2, 3),
    datetime.datetime(2000, 1, 1, 0, 0, 0, 5), datetime.timedelta(days=3, seconds=5),
    uuid.UUID("12345678-1234-5678-1234-567812345678"), Json([1]), Jsonb({"k": [1, 2]}), b"\x01\x00'\\", [1, 2], ["x", None],
)
for placeholder in ("%s", "%b", "%t"):
    cursor = db.execute(
        f"INSERT INTO kinds ({columns}) VALUES ({', '.join([placeholder] * len(values))}) RETURNING {columns}", values
    )
    print(placeholder, cursor.fetchone())
print(db.execute("SELECT %s, %s, %s, %s::text, %s", (1, 2.5, True, "a", datetime.date(2020, 1, 1))).fetchone())
print(db.execute("SELECT instant AT TIME ZONE 'UTC' FROM kinds WHERE id = 1").fetchone())

# Prepared from the sixth run on, executemany in a pipeline.
db.execute("CREATE TABLE item (id bigint PRIMARY KEY, name text, price numeric(8,2))")
for n in range(1, 21):
    db.execute("INSERT INTO item VALUES (%s, %s, %s)", (n, f"item {n}", decimal.Decimal(n) / 4))
cursor = db.cursor()
cursor.executemany("INSERT INTO item VALUES (%s, %s, %s)", [(n, "many", None) for n in range(21, 121)])
print(cursor.rowcount)
cursor.executemany("INSERT INTO item VALUES (%s, %s) RETURNING id", [(n, "more") for n in range(121, 124)], returning=True)
made = []
while True:
    made.append(cursor.fetchone())
    if not cursor.nextset():
        break
print(made)
for n in range(1, 9):
    row = db.execute("SELECT name, price FROM item WHERE id = %s", (n,), prepare=True).fetchone()
print(row)

# A pipeline; an error in it takes what follows with it.
with db.pipeline():
    first = db.execute("SELECT %s::int + 1", (1,))
    second = db.execute("SELECT count(*) FROM item")
    print(first.fetchone(), second.fetchone())
try:
    with db.pipeline() as pipeline:
        db.execute("INSERT INTO item VALUES (1001, 'a')")
        db.execute("INSERT INTO item VALUES (1001, 'b')")
        db.execute("INSERT INTO item VALUES (1002, 'c')")
        pipeline.sync()
except psycopg.errors.UniqueViolation as error:
    print(error.sqlstate)
print(db.execute("SELECT count(*) FROM item WHERE id > 1000").fetchone())

# COPY.
with db.cursor() as cursor:
    with cursor.copy("COPY item (id, name) FROM STDIN") as copy:
        for n in range(2001, 2006):
            copy.write_row((n, f"tab\t{n}\nline \\"))
    print(cursor.rowcount)
    with cursor.copy("COPY item (id, name, price) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "text", "numeric"])
        for n in range(2006, 2010):
            copy.write_row((n, None, decimal.Decimal("1.25")))
    print(cursor.rowcount)
    with cursor.copy("COPY (SELECT id, name, price FROM item WHERE id > 2004 ORDER BY id) TO STDOUT") as copy:
        copy.set_types(["int8", "text", "numeric"])
        print(list(copy.rows()))
    with cursor.copy("COPY (SELECT id, name, price FROM item WHERE id > 2004 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "text", "numeric"])
        print(list(copy.rows()))
    with cursor.copy("COPY (SELECT * FROM item WHERE id < 3 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)") as copy:
        print(b"".join(copy))
try:
    with db.cursor().copy("COPY item (id) FROM STDIN") as copy:
        copy.write("3000\n3001\nthree\n")
except psycopg.errors.InvalidTextRepresentation as error:
    print(error.sqlstate, error.diag.message_primary)
print(db.execute("SELECT count(*) FROM item WHERE id >= 3000").fetchone())

# Cursors of the server's, transactions, rows as dictionaries.
with db.transaction():
    with db.cursor("named", row_factory=dict_row) as named:
        named.execute("SELECT id, name FROM item WHERE id <= %s ORDER BY id", (10,))
        print(named.fetchone(), len(named.fetchmany(4)), len(named.fetchall()))
    with db.cursor("binary", binary=True) as named:
        named.execute("SELECT id, price FROM item WHERE id <= 3 ORDER BY id")
        print(named.fetchall())
with db.transaction():
    db.execute("INSERT INTO item VALUES (4001, 'kept')")
    try:
        with db.transaction():
            db.execute("INSERT INTO item VALUES (4002, 'lost')")
            db.execute("INSERT INTO item VALUES (4001, 'twice')")
    except psycopg.errors.UniqueViolation as error:
        print(error.diag.constraint_name, error.diag.table_name)
print(db.execute("SELECT id FROM item WHERE id > 4000").fetchall())
print(db.execute("SELECT n FROM generate_series(1, 5) AS n", binary=True).fetchall())
for row in db.cursor().stream("SELECT id FROM item WHERE id < %s ORDER BY id", (4,)):
    print(row)

# A type of the database's own.
db.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
info = psycopg.types.enum.EnumInfo.fetch(db, "mood")
print(info.name, list(info.labels))
psycopg.types.enum.register_enum(info, db)
db.execute("CREATE TABLE person (name text, mood mood)")
db.execute("INSERT INTO person VALUES ('a', 'sad')")
print(db.execute("SELECT mood FROM person").fetchone())
db.close()
