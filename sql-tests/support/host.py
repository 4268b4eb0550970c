"""`Host`: another process, and by its cache directory another machine, under the test's control."""

import json
import os
import select
import signal
import sqlite3
import subprocess
from pathlib import Path

from .paths import EXTENSION, PYTHON, TESTS


class HostError(sqlite3.OperationalError):
    """What a statement on the other host raised there."""

    def __init__(self, answer: dict):
        super().__init__(answer["error"])
        self.sqlite_errorcode = answer["code"]
        self.last_error = answer["last_error"]


class Host:
    """Another process with connections of its own. Each call waits for its answer."""

    def __init__(self, cache: Path, env: dict | None = None, extension: str = EXTENSION, under: list = ()):
        environment = {**os.environ, "SQLBRIDGE_CACHE_DIR": str(cache), **(env or {})}
        command = [*under, PYTHON, str(TESTS / "support" / "child.py"), extension]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, do: str, **order) -> None:
        """Gives an order without waiting for the answer."""
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()

    def answer(self, seconds: float = 60):
        """Waits for the answer to the oldest order."""
        ready = select.poll()
        ready.register(self.process.stdout, select.POLLIN)
        if not ready.poll(seconds * 1000):
            raise TimeoutError(f"no answer from the other host within {seconds} s")
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"the other host ended with {self.process.wait(10)}")
        answer = json.loads(line)
        if "error" in answer:
            raise HostError(answer)
        rows = answer["rows"]
        return [tuple(r) if isinstance(r, list) else r for r in rows] if isinstance(rows, list) else rows

    def open(self, uri: str, name: str = "main", timeout: float = 0) -> "Host":
        self.send("open", uri=uri, name=name, timeout=timeout)
        self.answer()
        return self

    def start(self, sql: str, *arguments, on: str = "main") -> None:
        """Begins a statement; `answer` waits for it."""
        self.send("run", name=on, sql=sql, arguments=list(arguments))

    def run(self, sql: str, *arguments, on: str = "main", seconds: float = 60) -> list:
        self.start(sql, *arguments, on=on)
        return self.answer(seconds)

    def one(self, sql: str, *arguments, on: str = "main"):
        rows = self.run(sql, *arguments, on=on)
        return rows[0][0] if rows else None

    def roll_back(self, on: str = "main") -> None:
        """Ends a transaction, if the error that was just seen has left one open."""
        try:
            self.run("ROLLBACK", on=on)
        except sqlite3.OperationalError as error:
            if "no transaction is active" not in str(error):
                raise

    def python(self, code: str, seconds: float = 60):
        """Runs Python there; its variable `answer` comes back."""
        self.send("python", code=code)
        return self.answer(seconds)

    def close(self, on: str = "main") -> None:
        self.send("close", name=on)
        self.answer()

    def kill(self) -> None:
        """SIGKILL: what the kernel does when power or memory fails."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def end(self) -> int:
        """Lets it come to its end; returns its exit code."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        result = self.process.wait(30)
        self.process.stdout.close()
        return result
