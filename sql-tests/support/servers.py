"""Servers that the tests start on free ports of the loopback interface and end by process id."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from .paths import NODE_MODULES, PYTHON, S3GATE

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


class Server:
    """A child process that listens on a port; ended by `stop`."""

    start_seconds = 60

    def __init__(self, command: list, log: Path, env: dict | None = None, port: int = 0):
        self.port = port or free_port()
        self.log = log
        command = [str(word).replace("{port}", str(self.port)) for word in command]
        environment = {**os.environ, **{k: v.replace("{port}", str(self.port)) for k, v in (env or {}).items()}}
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
            )
        self._wait()

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def _wait(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.process.args[0]} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class S3Gate(Server):
    """The gate in front of s3s-fs: signatures, atomic conditional writes, faults on demand."""

    access, secret = "gate-access", "gate-secret"
    buckets = ("bucket", "other")

    def __init__(self, directory: Path, port: int = 0):
        self.data = directory / "data"
        command = [S3GATE, self.data, f"{LOOPBACK}:{{port}}", self.access, self.secret, *self.buckets]
        super().__init__(command, directory / "s3gate.log", port=port)

    def _control(self, method: str, what: str, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/-/{what}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from None
        return json.loads(text) if text else None

    def faults(self, *rules: dict) -> None:
        """Replaces the fault rules; see s3gate/src/faults.rs."""
        self._control("PUT", "faults", list(rules))

    def fault(self, action: str, method: str | None = None, key: str | None = None, **rule) -> None:
        """One rule: `nth`, `times`, `status`, `latency_ms` as in faults.rs."""
        match = {k: v for k, v in {"method": method, "key_regex": key}.items() if v is not None}
        self.faults({"match": match, "action": action, **rule})

    def hits(self) -> int:
        """Requests struck by the rules so far."""
        return sum(rule["hits"] for rule in self._control("GET", "faults"))

    def wait_for_hit(self, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while self.hits() == 0:
            assert time.monotonic() < deadline, "no request was struck by the fault rules"
            time.sleep(0.005)

    def requests(self) -> list:
        """Every request since `reset`: method (LIST for listings), bucket, key, status."""
        return self._control("GET", "log")

    def reset(self) -> None:
        """No faults, empty log."""
        self._control("DELETE", "faults")
        self._control("DELETE", "log")


class Ministack(Server):
    """An S3 server with good semantics and error codes; it checks no signatures."""

    access, secret = "test", "test"

    def __init__(self, directory: Path):
        # One worker: its conditional writes hold because one event loop serves them.
        command = [PYTHON, "-m", "hypercorn", "--bind", f"{LOOPBACK}:{{port}}", "ministack.app:app"]
        env = {"SERVICES": "s3", "GATEWAY_PORT": "{port}", "PERSIST_STATE": "0"}
        super().__init__(command, directory / "ministack.log", env)


class Azurite(Server):
    """Microsoft's Azure Blob emulator."""

    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    program = NODE_MODULES / ".bin" / "azurite-blob"

    def __init__(self, directory: Path):
        command = [
            self.program, "--silent", "--disableTelemetry", "--blobHost", LOOPBACK,
            "--blobPort", "{port}", "--location", directory / "azurite", "--skipApiVersionCheck",
        ]
        super().__init__(command, directory / "azurite.log")
