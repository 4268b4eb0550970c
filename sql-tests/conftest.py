"""Fixtures: servers for the session, a store, a cache directory and hosts for each test."""

import itertools
import os
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support import database, paths, servers  # noqa: E402
from support.host import Host  # noqa: E402
from support.stores import AzureStore, LocalStore, S3Store, azure_request, s3_client  # noqa: E402

LOCAL = ["file"]
REAL = ["file", "s3", "s3gate"]
EVERY = ["file", "s3", "s3gate", "azure"]

_prefixes = itertools.count(1)


def pytest_report_header(config):
    library = paths.library()
    state = "found" if library.exists() else "NOT BUILT"
    return [f"library: {library} ({state})", f"host SQLite: {sqlite3.sqlite_version}"]


def pytest_generate_tests(metafunc):
    """`store` is a local directory and both S3 servers, unless a test is marked `stores(...)`."""
    if "store" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("stores")
        metafunc.parametrize("store", list(marker.args) if marker else REAL, indirect=True)


def pytest_configure(config):
    config.addinivalue_line("markers", "stores(kind...): the stores a test runs on")
    config.addinivalue_line("markers", "soak: runs for as long as SQLBRIDGE_SOAK_SECONDS says")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Each test has a cache directory of its own, and no store by default."""
    directory = tmp_path / "cache"
    directory.mkdir()
    monkeypatch.setenv("SQLBRIDGE_CACHE_DIR", str(directory))
    monkeypatch.delenv("SQLBRIDGE_STORE", raising=False)
    return directory


@pytest.fixture(scope="session")
def gate(tmp_path_factory):
    """s3gate; `faulty` is the same with the faults removed afterwards."""
    if not paths.S3GATE.exists():
        pytest.fail(f"{paths.S3GATE} is not built: cargo build --release -p s3gate")
    server = servers.S3Gate(tmp_path_factory.mktemp("s3gate"))
    yield server
    server.stop()


@pytest.fixture
def faulty(gate):
    """s3gate for tests that ask for faults or count requests."""
    gate.reset()
    yield gate
    gate.reset()


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    server = servers.Ministack(tmp_path_factory.mktemp("ministack"))
    s3_client(server).create_bucket(Bucket="bucket")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    if not servers.Azurite.program.exists():
        pytest.skip("azurite is not installed: make test-deps (needs node and npm)")
    server = servers.Azurite(tmp_path_factory.mktemp("azurite"))
    azure_request(server, "PUT", "container", {"restype": "container"})
    yield server
    server.stop()


@pytest.fixture
def new_store(request, tmp_path):
    """Makes further stores of a kind: `new_store("s3")`."""

    def make(kind: str):
        number = next(_prefixes)
        if kind == "file":
            return LocalStore(tmp_path / f"bucket{number}")
        if kind == "azure":
            return AzureStore(request.getfixturevalue("azurite"), f"test{number}/databases")
        server = request.getfixturevalue("ministack" if kind == "s3" else "gate")
        return S3Store(server, f"test{number}/databases")

    return make


@pytest.fixture
def store(request, new_store):
    return new_store(request.param)


@pytest.fixture
def local(new_store):
    """A local directory store."""
    return new_store("file")


@pytest.fixture
def connect():
    """`database.connect`, whose connections are closed after the test."""
    opened = []

    def open_one(uri, **settings):
        connection = database.connect(uri, **settings)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def host(tmp_path):
    """Starts other hosts, each with a cache directory of its own; they end with the test."""
    started = []

    def start(uri: str | None = None, **settings) -> Host:
        cache = tmp_path / f"host{len(started)}"
        cache.mkdir(exist_ok=True)
        settings.setdefault("cache", cache)
        other = Host(**settings)
        started.append(other)
        return other.open(uri) if uri else other

    yield start
    for other in started:
        other.kill()


@pytest.fixture
def model():
    """A plain database in memory that does the same and says what must come out."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def seconds(short: float) -> float:
    """How long a workload runs: `short`, or SQLBRIDGE_SOAK_SECONDS in a soak."""
    return float(os.environ.get("SQLBRIDGE_SOAK_SECONDS", short))
