"""A second host: a process of its own that does what it is told, one JSON line at a time.

    {"do": "open", "name": "a", "uri": "file:...", "timeout": 0}
    {"do": "run", "name": "a", "sql": "SELECT ?", "arguments": [1]}
    {"do": "close", "name": "a"}
    {"do": "python", "code": "..."}      its variable `answer` comes back

Answers: {"rows": [...]}, or {"error": text, "code": extended code, "last_error": text}.
"""

import json
import sqlite3
import sys


def main(extension: str) -> None:
    if extension != "-":
        first = sqlite3.connect(":memory:")
        first.enable_load_extension(True)
        first.load_extension(extension)
        first.close()
    connections: dict = {}
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"rows": obey(order, connections)}
        except sqlite3.Error as error:
            answer = {
                "error": str(error),
                "code": getattr(error, "sqlite_errorcode", None) or 0,
                "last_error": last_error(connections.get(order.get("name"))),
            }
        sys.stdout.write(json.dumps(answer, default=lambda b: b.hex()) + "\n")
        sys.stdout.flush()


def obey(order: dict, connections: dict):
    match order["do"]:
        case "open":
            connections[order["name"]] = sqlite3.connect(
                order["uri"], uri=True, isolation_level=None, timeout=order["timeout"]
            )
            return []
        case "run":
            return connections[order["name"]].execute(order["sql"], order["arguments"]).fetchall()
        case "close":
            connections.pop(order["name"]).close()
            return []
        case "python":
            names = {"sqlite3": sqlite3, "connections": connections, "answer": None}
            exec(order["code"], names)
            return names["answer"]


def last_error(connection) -> str:
    """Of the connection, or of this thread where opening failed."""
    try:
        connection = connection or sqlite3.connect(":memory:")
        return connection.execute("SELECT sqlbridge_last_error()").fetchone()[0] or ""
    except sqlite3.Error as error:
        return f"no sqlbridge_last_error: {error}"


if __name__ == "__main__":
    main(sys.argv[1])
