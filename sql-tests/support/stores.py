"""Stores as a user names them, and a look behind their back at the objects.

`Store.uri` is the one place that knows how a database in a store is opened.
"""

import base64
import hashlib
import hmac
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from xml.etree import ElementTree

from .servers import Azurite, Ministack, S3Gate

LTX_NAME = re.compile(r"^([0-9a-f]{16})-([0-9a-f]{16})\.ltx$")


@dataclass(frozen=True)
class TransactionFile:
    """One LTX object of a database."""

    level: int
    first: int
    last: int
    key: str


@dataclass
class Store:
    """A store for one test: nothing else is in it."""

    kind: str
    url: str
    #: URI parameters that go with the URL.
    options: dict = field(default_factory=dict)
    #: Levels of transaction files: hexadecimal folders as on S3, or `ltx/<level>`.
    hex_levels: bool = False

    def uri(self, name: str, **parameters) -> str:
        """The URI under which SQLite opens a database of this store."""
        given = {"vfs": "sqlbridge", "store": self.url, **self.options, **parameters}
        query = urllib.parse.urlencode({k: v for k, v in given.items() if v is not None}, safe="/:")
        return f"file:{name}?{query}"

    def environment(self) -> dict:
        """The same as environment variables, for hosts without URI filenames."""
        names = {"s3_access_key": "AWS_ACCESS_KEY_ID", "s3_secret_key": "AWS_SECRET_ACCESS_KEY"}
        options = {names.get(k, k.upper()): str(v) for k, v in self.options.items() if k != "max_staleness"}
        return {"SQLBRIDGE_STORE": self.url, **options}

    def arguments(self, url: str | None = None) -> str:
        """The store's URL with its options, for functions that take a store."""
        options = {k: v for k, v in self.options.items() if k != "max_staleness"}
        query = urllib.parse.urlencode(options, safe="/:")
        return (url or self.url) + (f"?{query}" if query else "")

    def level_folder(self, name: str, level: int) -> str:
        return f"{name}/{level:04x}/" if self.hex_levels else f"{name}/ltx/{level}/"

    def key(self, name: str, level: int, first: int, last: int) -> str:
        return f"{self.level_folder(name, level)}{first:016x}-{last:016x}.ltx"

    def transactions(self, name: str, level: int = 0) -> list:
        """A level's transaction files, by TXID."""
        folder = self.level_folder(name, level)
        found = []
        for key in self.keys(folder):
            match = LTX_NAME.match(key[len(folder):])
            if match:
                found.append(TransactionFile(level, int(match[1], 16), int(match[2], 16), key))
        return found

    # What each kind does in its own way.

    def keys(self, prefix: str = "") -> list:
        raise NotImplementedError

    def read(self, key: str) -> bytes:
        raise NotImplementedError

    def write(self, key: str, body: bytes) -> None:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        raise NotImplementedError

    def replica(self, name: str) -> dict:
        """The database as a replica in Litestream's configuration."""
        raise NotImplementedError


class LocalStore(Store):
    """A directory."""

    def __init__(self, directory: Path):
        self.directory = directory
        super().__init__("file", f"file://{directory}")

    def keys(self, prefix=""):
        paths = (p for p in self.directory.rglob("*") if p.is_file() and not p.name.startswith("."))
        keys = (str(p.relative_to(self.directory)) for p in paths)
        return sorted(k for k in keys if k.startswith(prefix))

    def read(self, key):
        return (self.directory / key).read_bytes()

    def write(self, key, body):
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        # As a new file: a reader that has the old one open keeps what it has.
        temporary = path.with_name(f".{path.name}.test")
        temporary.write_bytes(body)
        temporary.replace(path)

    def delete(self, key):
        (self.directory / key).unlink()

    def replica(self, name):
        return {"type": "file", "path": str(self.directory / name)}


class S3Store(Store):
    """A prefix of a bucket on one of the S3 servers."""

    def __init__(self, server: Ministack | S3Gate, prefix: str, bucket: str = "bucket"):
        self.server, self.bucket, self.prefix = server, bucket, prefix
        options = {
            "s3_endpoint": server.endpoint,
            "s3_region": "us-east-1",
            "s3_access_key": server.access,
            "s3_secret_key": server.secret,
            # A second host must see a commit at once, not within a second.
            "max_staleness": 0,
        }
        kind = "s3gate" if isinstance(server, S3Gate) else "s3"
        super().__init__(kind, f"s3://{bucket}/{prefix}", options, hex_levels=True)

    def client(self):
        return s3_client(self.server)

    def keys(self, prefix=""):
        pages = self.client().get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.prefix}/{prefix}"
        )
        keys = (o["Key"][len(self.prefix) + 1 :] for page in pages for o in page.get("Contents", []))
        return sorted(keys)

    def read(self, key):
        return self.client().get_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")["Body"].read()

    def write(self, key, body):
        self.client().put_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}", Body=body)

    def delete(self, key):
        self.client().delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")

    def replica(self, name):
        return {
            "type": "s3", "bucket": self.bucket, "path": f"{self.prefix}/{name}",
            "endpoint": self.server.endpoint, "region": "us-east-1", "force-path-style": True,
            "access-key-id": self.server.access, "secret-access-key": self.server.secret,
        }


def s3_client(server, **overrides):
    """boto3, for looking behind the engine's back."""
    import boto3
    from botocore.config import Config

    settings = {
        "endpoint_url": server.endpoint, "region_name": "us-east-1",
        "aws_access_key_id": server.access, "aws_secret_access_key": server.secret,
        "config": Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"},
                         max_pool_connections=32),
    }
    return boto3.client("s3", **{**settings, **overrides})


class AzureStore(Store):
    """A prefix of a container in azurite, looked at through its REST interface."""

    def __init__(self, server: Azurite, prefix: str, container: str = "container"):
        self.server, self.container, self.prefix = server, container, prefix
        options = {
            "azure_account": server.account,
            "azure_key": server.key,
            "azure_endpoint": f"{server.endpoint}/{server.account}",
            "max_staleness": 0,
        }
        super().__init__("azure", f"az://{container}/{prefix}", options)

    def keys(self, prefix=""):
        query = {"restype": "container", "comp": "list", "prefix": f"{self.prefix}/{prefix}"}
        tree = ElementTree.fromstring(azure_request(self.server, "GET", self.container, query))
        names = (e.text or "" for e in tree.iterfind(".//Blob/Name"))
        return sorted(n[len(self.prefix) + 1 :] for n in names)

    def read(self, key):
        return azure_request(self.server, "GET", f"{self.container}/{self.prefix}/{key}")

    def write(self, key, body):
        headers = {"x-ms-blob-type": "BlockBlob"}
        azure_request(self.server, "PUT", f"{self.container}/{self.prefix}/{key}", {}, body, headers)

    def delete(self, key):
        azure_request(self.server, "DELETE", f"{self.container}/{self.prefix}/{key}")

    def replica(self, name):
        return {
            "type": "abs", "bucket": self.container, "path": f"{self.prefix}/{name}",
            "endpoint": f"{self.server.endpoint}/{self.server.account}",
            "account-name": self.server.account, "account-key": self.server.key,
        }


def azure_request(server, method, path, query=None, body=b"", headers=None) -> bytes:
    """One request signed with the account's key (Shared Key)."""
    query = query or {}
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02", **(headers or {})}
    canonical_headers = "".join(f"{k}:{headers[k]}\n" for k in sorted(headers))
    resource = f"/{server.account}/{server.account}/{path}"
    resource += "".join(f"\n{k}:{query[k]}" for k in sorted(query))
    length = str(len(body)) if body else ""
    to_sign = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{canonical_headers}{resource}"
    digest = hmac.new(base64.b64decode(server.key), to_sign.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {server.account}:{base64.b64encode(digest).decode()}"
    if body:
        headers["Content-Type"] = ""
    url = f"{server.endpoint}/{server.account}/{path}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, data=body or None, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()
