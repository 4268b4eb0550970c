"""Where things are. Everything can be moved with an environment variable."""

import os
import shutil
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()

#: The library without its suffix, as `.load` wants it.
EXTENSION = os.environ.get("SQLBRIDGE_EXTENSION", str(TARGET / "release" / "libsqlbridge"))
S3GATE = Path(os.environ.get("SQLBRIDGE_S3GATE", TARGET / "release" / "s3gate"))
NODE_MODULES = Path(os.environ.get("SQLBRIDGE_NODE_MODULES", TESTS / "hosts/node/node_modules"))
JDBC = Path(os.environ.get("SQLBRIDGE_JDBC", ROOT / ".venv/java"))
PYTHON = sys.executable
LITESTREAM = Path(sys.executable).parent / "litestream"


def library() -> Path:
    """The shared object itself."""
    return Path(EXTENSION + ".so")


def tool(name: str) -> str | None:
    """A program on PATH."""
    return shutil.which(name)
