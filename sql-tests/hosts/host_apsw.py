"""python3 host_apsw.py LIBRARY URI SQL...   with apsw, which brings its own SQLite"""
import sys

import apsw

library, uri, *statements = sys.argv[1:]
first = apsw.Connection(":memory:")
first.enable_load_extension(True)
first.load_extension(library)
flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
db = apsw.Connection(uri, flags=flags)
for sql in statements:
    for row in db.execute(sql):
        print(*row, sep="|")
db.close()
