"""The real Litestream: restore what we wrote, write what we open."""

import json
import os
import subprocess
from pathlib import Path

from .paths import LITESTREAM
from .stores import Store


class LitestreamError(Exception):
    """What the program said."""


def run(*arguments, seconds: float = 60) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "AWS_CA_BUNDLE"}
    done = subprocess.run(
        [LITESTREAM, *map(str, arguments)], capture_output=True, text=True, timeout=seconds, env=environment
    )
    if done.returncode != 0:
        raise LitestreamError(done.stderr + done.stdout)
    return done.stdout + done.stderr


def configuration(store: Store, name: str, database: Path, directory: Path, **settings) -> Path:
    """A configuration file for one database and its replica. JSON is YAML."""
    path = directory / f"litestream-{database.name}.yml"
    content = {"dbs": [{"path": str(database), "replica": store.replica(name)}], **settings}
    path.write_text(json.dumps(content))
    return path


def restore(store: Store, name: str, out: Path, txid: int | None = None, timestamp: str | None = None) -> bytes:
    """Restores a database of the store into `out` and returns its bytes."""
    out.unlink(missing_ok=True)
    original = out.with_name(out.name + ".original")
    config = configuration(store, name, original, out.parent)
    arguments = ["restore", "-config", config, "-o", out]
    if txid is not None:
        arguments += ["-txid", f"{txid:016x}"]
    if timestamp is not None:
        arguments += ["-timestamp", timestamp]
    run(*arguments, original)
    return out.read_bytes()


def replicate_once(store: Store, name: str, database: Path, directory: Path, snapshot: bool = False) -> None:
    """One sync of a local WAL database into the store, as `litestream replicate` does it."""
    config = configuration(store, name, database, directory)
    run("replicate", "-once", *(["-force-snapshot"] if snapshot else []), "-config", config)
