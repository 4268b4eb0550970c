"""python3 host.py LIBRARY URI SQL...   with the standard library's sqlite3"""
import sqlite3
import sys

library, uri, *statements = sys.argv[1:]
first = sqlite3.connect(":memory:")
first.enable_load_extension(True)
first.load_extension(library)
db = sqlite3.connect(uri, uri=True, isolation_level=None)
for sql in statements:
    for row in db.execute(sql):
        print(*row, sep="|")
db.close()
