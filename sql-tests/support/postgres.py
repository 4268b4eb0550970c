"""Postgres servers for the tests: pg-frontend, and a real PostgreSQL 15 that says what is right."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .paths import TARGET
from .servers import LOOPBACK, Server, free_port

PROGRAM = Path(os.environ.get("SQLBRIDGE_PG_FRONTEND", TARGET / "release" / "pg-frontend"))
REFERENCE = Path(os.environ.get("SQLBRIDGE_POSTGRES", "/usr/lib/postgresql/15/bin"))


class Postgres(Server):
    """What both have: how to connect."""

    user, password, database = "postgres", None, "postgres"

    def dsn(self, **more) -> str:
        words = {"host": LOOPBACK, "port": self.port, "user": self.user, "dbname": self.database, "password": self.password}
        return " ".join(f"{name}={value}" for name, value in {**words, **more}.items() if value is not None)


class PgFrontend(Postgres):
    """pg-frontend on a data directory of its own; settings by their environment names."""

    def __init__(self, directory: Path, **settings):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.password = settings.get("PG_PASSWORD")
        self.user = settings.get("PG_USER", "postgres")
        self.database = settings.get("DB_NAME", "postgres")
        environment = {
            "PG_HOST": LOOPBACK,
            "PG_PORT": "{port}",
            "DATA_DIR": str(directory / "data"),
            "DB_NAME": self.database,
            "ADMIN_PORT": "0",
            "LOG_LEVEL": "info",
            **settings,
        }
        super().__init__([PROGRAM], directory / "pg-frontend.log", environment)

    def memory(self) -> int:
        """Resident bytes, at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Reference(Postgres):
    """PostgreSQL 15. It refuses to run as root: then it runs as the user `postgres`."""

    def __init__(self, directory: Path, **settings):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        # Not in the tests' directory: that is closed to other users.
        self.place = Path(tempfile.mkdtemp(prefix="sqlbridge-reference-"))
        if self.become:
            shutil.chown(self.place, "postgres", "postgres")
        data = self.place / "data"
        initdb = [REFERENCE / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*self.become, *map(str, initdb)], check=True, stdout=subprocess.DEVNULL, cwd="/")
        port = free_port()
        options = {"listen_addresses": LOOPBACK, "port": port, "unix_socket_directories": "", "timezone": "UTC", **settings}
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        super().__init__([*self.become, REFERENCE / "postgres", "-D", data, *flags], directory / "postgres.log", port=port)
        self._until_ready()

    def _until_ready(self) -> None:
        for _ in range(200):
            if subprocess.run([REFERENCE / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)]).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(self.log.read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        if self.process.poll() is None:
            # "Fast": without waiting for clients.
            self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        shutil.rmtree(self.place, ignore_errors=True)


def available() -> bool:
    return (REFERENCE / "initdb").exists()
