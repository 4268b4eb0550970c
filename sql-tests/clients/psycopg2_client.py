"""psycopg2: text results, values put into the SQL by the client."""

import csv
import datetime
import decimal
import io
import uuid
from pathlib import Path

import psycopg2
import psycopg2.extras
from psycopg2 import errors

psycopg2.extras.register_uuid()
db = psycopg2.connect("")
cursor = db.cursor()
print(db.server_version >= 130000, db.encoding, db.get_parameter_status("standard_conforming_strings"))

cursor.execute((Path(__file__).parent / "kinds.sql").read_text())
db.commit()
cursor.execute("SELECT * FROM kinds ORDER BY id")
print([(column.name, column.type_code) for column in cursor.description])
for row in cursor.fetchall():
    for value in row:
        print(repr(value if not isinstance(value, memoryview) else bytes(value)))

# Values of Python's, there and back through columns of their types.
values = (
    False, -1, 2**40, 2.5, decimal.Decimal("-0.125"), "it's \\ ü", datetime.date(1999, 12, 31), datetime.time(1, 2, 3),
    datetime.datetime(2000, 1, 1, 0, 0, 0, 5), datetime.timedelta(days=3, seconds=5),
    uuid.UUID("12345678-1234-5678-1234-567812345678"), psycopg2.extras.Json({"k": [1, 2]}), b"\x01\x00'\\", [1, 2], ["x", None],
)
columns = "truth, number, big, double, exact, words, day, clock, moment, span, code, document, bytes, numbers, names"
cursor.execute(f"INSERT INTO kinds ({columns}) VALUES ({', '.join(['%s'] * len(values))}) RETURNING id, {columns}", values)
print([bytes(value) if isinstance(value, memoryview) else value for value in cursor.fetchone()])
db.commit()

# executemany, execute_values, rowcount.
cursor.execute("CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, price numeric(8,2))")
cursor.executemany("INSERT INTO item VALUES (%s, %s, %s)", [(n, f"item {n}", decimal.Decimal(n) / 4) for n in range(1, 101)])
print(cursor.rowcount)
made = psycopg2.extras.execute_values(
    cursor, "INSERT INTO item (id, name) VALUES %s RETURNING id", [(n, "more") for n in range(101, 111)], fetch=True
)
print(made)
cursor.execute("UPDATE item SET price = price + 1 WHERE id <= 10")
print(cursor.rowcount, cursor.statusmessage)
cursor.execute("SELECT count(*), sum(price), min(name), avg(price)::numeric(10,4) FROM item WHERE id < %s AND name LIKE %s", (50, "item %"))
print(cursor.fetchone())
cursor.execute("SELECT id FROM item WHERE id = ANY(%s) ORDER BY 1", ([3, 1, 2000],))
print(cursor.fetchall())
cursor.execute("SELECT id FROM item WHERE id IN %s ORDER BY 1 DESC", ((3, 1, 2000),))
print(cursor.fetchall())
db.commit()

# A cursor of the server's.
with db.cursor("named") as named:
    named.itersize = 7
    named.execute("SELECT id FROM item ORDER BY id")
    print(named.fetchone(), named.fetchmany(3), sum(row[0] for row in named))
db.commit()
with db.cursor("scrolling", scrollable=True, withhold=True) as named:
    named.execute("SELECT id FROM item ORDER BY id")
    db.commit()
    named.scroll(5)
    print(named.fetchone())
    named.scroll(2)
    print(named.fetchone())

# COPY both ways.
out = io.StringIO()
cursor.copy_expert("COPY (SELECT id, name, price FROM item WHERE id < 4 OR id > 109 ORDER BY id) TO STDOUT WITH CSV HEADER", out)
print(list(csv.reader(io.StringIO(out.getvalue()))))
out = io.StringIO()
cursor.copy_to(out, "item", columns=("id", "price"))
print(len(out.getvalue().splitlines()), max(out.getvalue().splitlines()))
cursor.copy_from(io.StringIO("201\ttab\\there\t1.50\n202\tback\\\\slash\t\\N\n"), "item")
print(cursor.rowcount)
cursor.execute("SELECT name, price FROM item WHERE id > 200 ORDER BY id")
print(cursor.fetchall())
db.commit()

# Errors by class, and what remains of the transaction.
for sql, kind in [
    ("INSERT INTO item VALUES (1, 'again')", errors.UniqueViolation),
    ("INSERT INTO item VALUES (999, NULL)", errors.NotNullViolation),
    ("SELECT * FROM nothing", errors.UndefinedTable),
    ("SELECT nothing FROM item", errors.UndefinedColumn),
    ("SELECT nothing(1)", errors.UndefinedFunction),
    ("SELEC 1", errors.SyntaxError),
    ("SELECT 1/0", errors.DivisionByZero),
    ("SELECT 'x'::integer", errors.InvalidTextRepresentation),
    ("CREATE TABLE item (id int)", errors.DuplicateTable),
]:
    try:
        cursor.execute(sql)
        print("no error", sql)
    except kind as error:
        print(kind.__name__, error.pgcode, error.diag.message_primary)
    try:
        cursor.execute("SELECT 1")
        print("not aborted")
    except errors.InFailedSqlTransaction as error:
        print(error.pgcode)
    db.rollback()

# Savepoints, isolation, autocommit.
db.set_session(isolation_level="SERIALIZABLE")
cursor.execute("INSERT INTO item VALUES (301, 'kept')")
cursor.execute("SAVEPOINT s")
cursor.execute("INSERT INTO item VALUES (302, 'lost')")
cursor.execute("ROLLBACK TO SAVEPOINT s")
cursor.execute("SHOW transaction_isolation")
print(cursor.fetchone())
db.commit()
db.autocommit = True
cursor.execute("SELECT id FROM item WHERE id > 300")
print(cursor.fetchall(), db.get_transaction_status())
cursor.execute("SELECT 1; SELECT 2")
print(cursor.fetchall())
print(len(cursor.mogrify("%s", (None,))), db.notices)
db.close()
