"""A Postgres client that sends single messages and shows each answer, for tests of the protocol itself.

    with Wire(port, user="postgres", database="postgres") as wire:
        wire.send(parse("s", "SELECT $1::int4"), bind("", "s", [b"1"]), execute(""), SYNC)
        assert wire.until_ready() == "1 2 D[1] C[SELECT 1] Z[I]"

An answer is a `Message`; `show` writes a list of them as one line.
"""

import contextlib
import socket
import ssl
import struct

LOOPBACK = "127.0.0.1"
BINARY, TEXT = 1, 0


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def text(*strings: str) -> bytes:
    return b"".join(string.encode() + b"\0" for string in strings)


def query(sql: str) -> bytes:
    return message(b"Q", text(sql))


def parse(name: str, sql: str, types=()) -> bytes:
    return message(b"P", text(name, sql) + struct.pack(f"!H{len(types)}I", len(types), *types))


def bind(portal: str, statement: str, values=(), formats=(), results=()) -> bytes:
    body = text(portal, statement) + struct.pack(f"!H{len(formats)}H", len(formats), *formats)
    body += struct.pack("!H", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message(b"B", body + struct.pack(f"!H{len(results)}H", len(results), *results))


def describe(kind: str, name: str = "") -> bytes:
    return message(b"D", kind.encode() + text(name))


def close(kind: str, name: str = "") -> bytes:
    return message(b"C", kind.encode() + text(name))


def execute(portal: str = "", rows: int = 0) -> bytes:
    return message(b"E", text(portal) + struct.pack("!I", rows))


def copy_data(data: bytes) -> bytes:
    return message(b"d", data)


def copy_fail(why: str) -> bytes:
    return message(b"f", text(why))


SYNC, FLUSH, TERMINATE, COPY_DONE = message(b"S"), message(b"H"), message(b"X"), message(b"c")
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


class Message:
    """One answer: `kind` is its type, `body` its bytes."""

    def __init__(self, kind: str, body: bytes):
        self.kind, self.body = kind, body

    def strings(self) -> list[str]:
        return [part.decode(errors="replace") for part in self.body.split(b"\0")]

    @property
    def fields(self) -> dict[str, str]:
        """Of an error or a notice, by letter."""
        return {part[0]: part[1:] for part in self.strings() if part}

    @property
    def values(self) -> list[bytes | None]:
        """Of a row."""
        (count,) = struct.unpack_from("!H", self.body)
        values, place = [], 2
        for _ in range(count):
            (length,) = struct.unpack_from("!i", self.body, place)
            place += 4
            values.append(None if length < 0 else self.body[place : place + length])
            place += max(length, 0)
        return values

    @property
    def columns(self) -> list[dict]:
        """Of a description of rows."""
        (count,) = struct.unpack_from("!H", self.body)
        columns, place = [], 2
        for _ in range(count):
            end = self.body.index(b"\0", place)
            name = self.body[place:end].decode()
            table, number, oid, size, modifier, form = struct.unpack_from("!IhIhih", self.body, end + 1)
            columns.append(
                {"name": name, "table": table, "number": number, "oid": oid, "size": size, "mod": modifier, "format": form}
            )
            place = end + 19
        return columns

    def __str__(self) -> str:
        if self.kind == "D":
            shown = ",".join("NULL" if value is None else value.decode(errors="replace") for value in self.values)
        elif self.kind in "EN":
            shown = self.fields["C"]
        elif self.kind == "C":
            shown = self.strings()[0]
        elif self.kind == "Z":
            shown = self.body.decode()
        elif self.kind == "T":
            shown = ",".join(column["name"] for column in self.columns)
        elif self.kind == "t":
            (count,) = struct.unpack_from("!H", self.body)
            shown = ",".join(map(str, struct.unpack_from(f"!{count}I", self.body, 2)))
        elif self.kind == "S":
            shown = "=".join(self.strings()[:2])
        elif self.kind == "d":
            shown = self.body.decode(errors="replace").rstrip("\n")
        else:
            return self.kind
        return f"{self.kind}[{shown}]"

    __repr__ = __str__


def show(messages) -> str:
    return " ".join(map(str, messages))


class Closed(Exception):
    """The server has closed the connection."""


class Wire(contextlib.AbstractContextManager):
    """A connection. `options=None` sends no startup message."""

    def __init__(self, port: int, user="postgres", database="postgres", options: dict | None = {}, timeout=20, tls=False):  # noqa: B006
        self.socket = socket.create_connection((LOOPBACK, port), timeout=timeout)
        self.rest = b""
        self.port = port
        self.startup = []
        if tls:
            self.socket.sendall(SSL_REQUEST)
            assert self.socket.recv(1) == b"S"
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        if options is not None:
            self.start(user, database, **options)
            self.startup = self.read_until("Z")

    def __exit__(self, *_) -> None:
        self.socket.close()

    def start(self, user: str, database: str, version: int = 196608, **options) -> None:
        words = ["user", user, "database", database, *(word for pair in options.items() for word in pair)]
        body = struct.pack("!I", version) + text(*words) + b"\0"
        self.send(struct.pack("!I", len(body) + 4) + body)

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def _take(self, count: int) -> bytes:
        while len(self.rest) < count:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                raise Closed
            self.rest += more
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def read(self) -> Message:
        kind, length = struct.unpack("!cI", self._take(5))
        return Message(kind.decode(), self._take(length - 4))

    def read_until(self, *kinds: str) -> list[Message]:
        """Messages up to the first of one of these kinds."""
        messages = [self.read()]
        while messages[-1].kind not in kinds:
            messages.append(self.read())
        return messages

    def until_ready(self) -> str:
        return show(self.read_until("Z"))

    def until_closed(self) -> list[Message]:
        messages = []
        with contextlib.suppress(Closed):
            while True:
                messages.append(self.read())
        return messages

    def ask(self, *messages: bytes) -> str:
        """Sends messages and shows the answer up to the next ReadyForQuery."""
        self.send(*messages)
        return self.until_ready()

    def run(self, sql: str) -> str:
        return self.ask(query(sql))

    @property
    def key(self) -> tuple[int, int]:
        """What a cancel request needs."""
        (data,) = [message for message in self.startup if message.kind == "K"]
        return struct.unpack("!iI", data.body)

    def cancel(self, pid: int | None = None, secret: int | None = None) -> None:
        own = self.key
        packet = struct.pack("!IIiI", 16, 80877102, own[0] if pid is None else pid, own[1] if secret is None else secret)
        with socket.create_connection((LOOPBACK, self.port)) as other:
            other.sendall(packet)
            assert other.recv(1) == b""
