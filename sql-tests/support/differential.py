"""Statements run on two servers, what they answer compared.

A file holds statements that end with a semicolon at a line's end. Lines of comments before a statement direct it:
`-- params: ["1", null]` gives it parameters (as text), `-- unordered` compares its rows as a set,
`-- differs: why` runs it without comparing, `-- status only` compares whether it works and the SQLSTATE only.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import pq


@dataclass
class Statement:
    text: str
    line: int
    params: list | None = None
    unordered: bool = False
    differs: str | None = None
    status_only: bool = False


@dataclass
class Answer:
    """What a server said: columns (name, type, modifier, number in their table), rows, tag; or a SQLSTATE."""

    columns: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    params: list = field(default_factory=list)
    tag: str = ""
    error: str = ""
    message: str = ""

    def comparable(self, statement: Statement):
        if self.error:
            return {"error": self.error}
        if statement.status_only:
            return {"error": ""}
        rows = sorted(self.rows, key=repr) if statement.unordered else self.rows
        return {"columns": self.columns, "rows": rows, "tag": self.tag, "params": self.params}


def read(path: Path) -> list[Statement]:
    statements, lines, notes, start = [], [], [], 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not lines and line.startswith("--"):
            notes.append(line[2:].strip())
            continue
        if not lines and not line.strip():
            continue
        if not lines:
            start = number
        lines.append(line)
        if not line.rstrip().endswith(";"):
            continue
        statement = Statement("\n".join(lines).rstrip().removesuffix(";"), start)
        for note in notes:
            word, _, rest = note.partition(":")
            if word == "params":
                statement.params = json.loads(rest)
            elif word == "unordered":
                statement.unordered = True
            elif word == "differs":
                statement.differs = rest.strip()
            elif word == "status only":
                statement.status_only = True
        statements.append(statement)
        lines, notes = [], []
    return statements


def connect(dsn: str) -> pq.PGconn:
    connection = pq.PGconn.connect(dsn.encode())
    if connection.status != pq.ConnStatus.OK:
        raise RuntimeError(connection.error_message.decode())
    return connection


def ask(connection: pq.PGconn, statement: Statement, binary: bool) -> Answer:
    text = statement.text.encode()
    answer = Answer()
    if statement.params is None and not binary:
        result = connection.exec_(text)
    else:
        prepared = connection.prepare(b"", text)
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            return failed(prepared)
        described = connection.describe_prepared(b"")
        if described.status != pq.ExecStatus.COMMAND_OK:
            return failed(described)
        answer.params = [described.param_type(index) for index in range(described.nparams)]
        values = [None if value is None else str(value).encode() for value in statement.params or []]
        result = connection.exec_prepared(b"", values, result_format=pq.Format.BINARY if binary else pq.Format.TEXT)
    if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
        return failed(result)
    answer.tag = (result.command_status or b"").decode()
    answer.columns = [column(result, index) for index in range(result.nfields)]
    answer.rows = [
        tuple(result.get_value(row, column) for column in range(result.nfields)) for row in range(result.ntuples)
    ]
    return answer


def column(result, index: int) -> tuple:
    """Tables have other oids on each server: that a column is of one is compared, and its number there."""
    number = result.ftablecol(index) if result.ftable(index) else 0
    return (result.fname(index).decode(), result.ftype(index), result.fmod(index), number)


def failed(result) -> Answer:
    code = result.error_field(pq.DiagnosticField.SQLSTATE) or b"?????"
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
    return Answer(error=code.decode(), message=message.decode())


def is_query(statement: Statement) -> bool:
    words = statement.text.split(None, 1)
    return bool(words) and words[0].upper() in ("SELECT", "VALUES", "WITH", "TABLE") and "nextval" not in statement.text


def compare(path: Path, ours: str, reference: str) -> tuple[int, list[str]]:
    """How many statements were compared, and what differs."""
    a, b = connect(ours), connect(reference)
    count, out = 0, []
    for statement in read(path):
        for binary in (False, True) if is_query(statement) else (False,):
            own, right = ask(a, statement, binary), ask(b, statement, binary)
            if statement.differs:
                continue
            count += 1
            if own.comparable(statement) != right.comparable(statement):
                form = "binary" if binary else "text"
                out.append(
                    f"{path.name}:{statement.line} ({form}) {statement.text}\n"
                    f"  ours:      {show(own)}\n  reference: {show(right)}"
                )
                break
    a.finish()
    b.finish()
    return count, out


def show(answer: Answer) -> str:
    if answer.error:
        return f"{answer.error} {answer.message}"
    return f"{answer.tag} {answer.columns} {answer.params or ''} {answer.rows[:8]}"


if __name__ == "__main__":
    own_dsn, reference_dsn, *paths = sys.argv[1:]
    total = 0
    for name in paths:
        compared, differences = compare(Path(name), own_dsn, reference_dsn)
        total += compared
        print(f"{name}: {compared} compared, {len(differences)} differ")
        for difference in differences:
            print(difference)
