"""A changeset reader that shares nothing with ours, and SQLite's own session extension by ctypes."""

import ctypes
import struct
from collections import Counter

#: Random triggers that call each other must not go on for ever.
TRIGGER_DEPTH, DEEPEST = 10, 4
LONGEST = 500
OPS = {18: "INSERT", 23: "UPDATE", 9: "DELETE"}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index in range(9):
        byte = data[at]
        at += 1
        if index == 8:
            return number << 8 | byte, at
        number = number << 7 | byte & 127
        if byte < 128:
            break
    return number, at


def _record(data: bytes, at: int, columns: int) -> tuple[tuple, int]:
    fields = []
    for _ in range(columns):
        kind = data[at]
        at += 1
        if kind == 0:
            fields.append(("-",))
        elif kind == 1:
            fields.append(("i", struct.unpack_from(">q", data, at)[0]))
            at += 8
        elif kind == 2:
            fields.append(("r", data[at : at + 8]))
            at += 8
        elif kind in (3, 4):
            size, at = _varint(data, at)
            fields.append(("tb"[kind - 3], data[at : at + size]))
            at += size
        else:
            assert kind == 5, kind
            fields.append(("n",))
    return tuple(fields), at


def decode(data: bytes, indirect: bool = False) -> Counter:
    """The changes as a multiset of (table, key, op, old, new)."""
    changes = Counter()
    at = 0
    table, key = None, b""
    while at < len(data):
        if data[at] == ord("T"):
            columns, at = _varint(data, at + 1)
            key = data[at : at + columns]
            end = data.index(0, at + columns)
            table = data[at + columns : end].decode()
            at = end + 1
            continue
        op, flag = OPS[data[at]], data[at + 1]
        at += 2
        old = new = None
        if op != "INSERT":
            old, at = _record(data, at, len(key))
        if op != "DELETE":
            new, at = _record(data, at, len(key))
        changes[(table, key, op, old, new) + ((flag,) if indirect else ())] += 1
    return changes


def typed(value) -> tuple:
    """A value of SQL as `decode` gives it."""
    if value is None:
        return ("n",)
    if isinstance(value, int):
        return ("i", value)
    if isinstance(value, float):
        return ("r", struct.pack(">d", value))
    return ("t", value.encode()) if isinstance(value, str) else ("b", bytes(value))


def apply(changes, rows: dict[str, dict]) -> dict[str, dict]:
    """What becomes of rows, by table and exact key; an assertion fails where a change does not fit."""
    rows = {table: dict(content) for table, content in rows.items()}
    for table, key, op, old, new in sorted(changes, key=lambda change: change[2]):
        content = rows.setdefault(table, {})
        whole = new if op == "INSERT" else old
        name = tuple(field for field, place in zip(whole, key) if place)
        if op == "DELETE":
            assert content.pop(name) == old, (table, old)
        elif op == "INSERT":
            assert name not in content, (table, new)
            content[name] = new
        else:
            before = content[name]
            assert all(field in (("-",), was) for field, was in zip(old, before)), (table, old, before)
            after = tuple(was if field == ("-",) else field for field, was in zip(new, before))
            assert after != before, (table, old)
            content[name] = after
    return rows


def rows(connection) -> dict[str, dict]:
    """All rows that can be in a changeset, by table and key."""
    found = {}
    for (table,) in connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"):
        columns = connection.execute(f"SELECT name, pk FROM pragma_table_info('{table}')")
        places = [place for _, place in columns]
        if table == "sqlite_stat1":
            places = [1, 2, 0]
        if not any(places) or table in ("sqlite_schema", "sqlite_sequence"):
            continue
        content = found[table] = {}
        names = ", ".join(f'"{name}"' for name, _ in columns)
        for row in connection.execute(f'SELECT {names} FROM "{table}"'):
            if table == "sqlite_stat1" and row[1] is None:
                row = (row[0], b"", row[2])
            fields = tuple(map(typed, row))
            key = tuple(field for field, place in zip(fields, places) if place)
            if ("n",) not in key:
                content[key] = fields
    return found


def wrong(connection, found: Counter, before: dict) -> str | None:
    """What is wrong with changes that must make `before` what the rows of a connection are."""
    after = rows(connection)
    for table, content in before.items():
        # Columns that were added hold their default in older rows; those that went are not told of.
        defaults = connection.execute(f"SELECT dflt_value FROM pragma_table_info('{table}')")
        for key, row in content.items():
            for (default,) in defaults[len(row) :]:
                row += (typed(connection.execute(f"SELECT {default or 'NULL'}")[0][0]),)
            content[key] = row[: len(defaults)] if defaults else row
    try:
        result = apply(found, before)
    except (AssertionError, KeyError) as error:
        return f"does not fit: {error!r}"
    if {t: c for t, c in result.items() if c} != {t: c for t, c in after.items() if c}:
        return f"makes {result}\nnot   {after}"
    return None


class SqliteError(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(f"{message} ({code})")
        self.code = code


class Native:
    """A connection of the system's SQLite, with its own session extension."""

    library = None

    @classmethod
    def load(cls):
        if cls.library is None:
            library = ctypes.CDLL("libsqlite3.so.0")
            for name in ("sqlite3session_create", "sqlite3session_changeset"):
                getattr(library, name)
            library.sqlite3_errmsg.restype = ctypes.c_char_p
            cls.library = library
        return cls.library

    def __init__(self, path: str = ":memory:"):
        library = self.load()
        self.db = ctypes.c_void_p()
        self.check(library.sqlite3_open(path.encode(), ctypes.byref(self.db)))
        library.sqlite3_limit(self.db, TRIGGER_DEPTH, DEEPEST)
        self.steps = 0
        self.handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self.tick)
        library.sqlite3_progress_handler(self.db, 1000, self.handler, None)

    def tick(self, _) -> int:
        self.steps += 1
        return self.steps > LONGEST

    def check(self, code: int) -> None:
        if code:
            raise SqliteError(code, self.library.sqlite3_errmsg(self.db).decode())

    def load_extension(self, path: str) -> None:
        self.check(self.library.sqlite3_enable_load_extension(self.db, 1))
        self.check(self.library.sqlite3_load_extension(self.db, path.encode(), None, None))

    def execute(self, sql: str) -> list[tuple]:
        library, statement = self.library, ctypes.c_void_p()
        self.steps = 0
        self.check(library.sqlite3_prepare_v2(self.db, sql.encode(), -1, ctypes.byref(statement), None))
        library.sqlite3_column_blob.restype = ctypes.c_void_p
        library.sqlite3_column_text.restype = ctypes.c_void_p
        library.sqlite3_column_int64.restype = ctypes.c_longlong
        library.sqlite3_column_double.restype = ctypes.c_double
        rows = []
        try:
            while (code := library.sqlite3_step(statement)) == 100:
                row = []
                for column in range(library.sqlite3_column_count(statement)):
                    row.append(self.value(statement, column))
                rows.append(tuple(row))
            if code != 101:
                self.check(code)
        finally:
            library.sqlite3_finalize(statement)
        return rows

    def value(self, statement, column: int):
        library = self.library
        kind = library.sqlite3_column_type(statement, column)
        if kind == 1:
            return library.sqlite3_column_int64(statement, column)
        if kind == 2:
            return library.sqlite3_column_double(statement, column)
        if kind == 5:
            return None
        read = library.sqlite3_column_text if kind == 3 else library.sqlite3_column_blob
        start = read(statement, column)
        content = ctypes.string_at(start, library.sqlite3_column_bytes(statement, column)) if start else b""
        return content.decode() if kind == 3 else content

    def session(self) -> "NativeSession":
        return NativeSession(self)

    def close(self) -> None:
        self.check(self.library.sqlite3_close(self.db))


class NativeSession:
    def __init__(self, connection: Native):
        self.connection, self.handle = connection, ctypes.c_void_p()
        library = connection.library
        connection.check(library.sqlite3session_create(connection.db, b"main", ctypes.byref(self.handle)))
        connection.check(library.sqlite3session_attach(self.handle, None))

    def changeset(self) -> bytes:
        size, data = ctypes.c_int(), ctypes.c_void_p()
        library = self.connection.library
        code = library.sqlite3session_changeset(self.handle, ctypes.byref(size), ctypes.byref(data))
        if code:
            raise SqliteError(code, "sqlite3session_changeset")
        changes = ctypes.string_at(data, size.value) if size.value else b""
        library.sqlite3_free(data)
        return changes

    def close(self) -> None:
        self.connection.library.sqlite3session_delete(self.handle)


class Apsw:
    """The same on apsw's copy of SQLite."""

    def __init__(self, path: str = ":memory:"):
        import apsw

        self.apsw = apsw
        self.connection = apsw.Connection(path)
        self.connection.limit(TRIGGER_DEPTH, DEEPEST)
        self.steps = 0
        self.connection.set_progress_handler(self.tick, 1000)

    def tick(self) -> bool:
        self.steps += 1
        return self.steps > LONGEST

    def load_extension(self, path: str) -> None:
        self.connection.enable_load_extension(True)
        self.connection.load_extension(path)

    def execute(self, sql: str) -> list[tuple]:
        self.steps = 0
        try:
            return list(self.connection.execute(sql))
        except self.apsw.Error as error:
            raise SqliteError(getattr(error, "extendedresult", 1), str(error)) from None

    def session(self):
        session = self.apsw.Session(self.connection, "main")
        session.attach(None)
        return session

    def close(self) -> None:
        self.connection.close()
