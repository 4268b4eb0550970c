"""Procedures: the compiled examples, modules written as text, and making them."""

import base64
import json
import os
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from .database import one
from .paths import ROOT

MODULES = Path(os.environ.get("SQLBRIDGE_PROCEDURES", ROOT / "build/procedures"))


def example(name: str) -> bytes:
    """A compiled example; its test is skipped where its language's toolchain is missing."""
    path = MODULES / f"{name}.wasm"
    if not path.exists():
        pytest.skip(f"{path.name} is not built: make procedures says which toolchain is missing")
    return path.read_bytes()


def wat(text: str) -> bytes:
    """A module in WebAssembly's text format, compiled by a tool that is not ours."""
    return bytes(wat2wasm(text))


def params(*types: str, nullable: bool = False) -> list:
    """Parameters named a, b, c, ... of these types."""
    return [
        {"name": chr(97 + n) if len(types) <= 26 else f"p{n}", "data_type": t, **({"nullable": True} if nullable else {})}
        for n, t in enumerate(types)
    ]


def create(connection, procedure: str, module, **definition):
    """`proc_create` with the definition as JSON."""
    return one(connection, "SELECT proc_create(?, ?, ?)", procedure, module, json.dumps(definition))


def create_sql(procedure: str, module: bytes, **definition) -> str:
    """The same as a statement that a shell takes."""
    text = base64.b64encode(module).decode()
    return f"SELECT proc_create('{procedure}', '{text}', '{json.dumps(definition)}')"


#: What the examples need to be told, by procedure: module and definition.
EXAMPLES = {
    "calculate_discount": ("discount", dict(
        params=[{"name": "price", "data_type": "FLOAT"}, {"name": "tier", "data_type": "INT"}],
        return_type="FLOAT", deterministic=True)),
    "validate_credit_card": ("card", dict(
        params=[{"name": "number", "data_type": "BIGINT"}], return_type="BOOL", deterministic=True)),
    "fib": ("fib", {}),
    "reverse_string": ("text", dict(params=params("TEXT"), return_type="TEXT")),
    "shout": ("text", dict(params=[{"name": "text", "data_type": "TEXT"}], return_type="TEXT")),
    "greet": ("text", dict(params=params("TEXT", nullable=True), return_type="TEXT")),
    "initial": ("text", dict(params=params("TEXT"), return_type="TEXT")),
    "nth_word": ("text", dict(params=params("TEXT", "INT"), return_type="TEXT")),
    "my_median": ("median", dict(kind="window", params=[{"name": "x", "data_type": "FLOAT"}], return_type="FLOAT")),
    "split": ("split", dict(
        kind="table", params=[{"name": "text", "data_type": "TEXT"}, {"name": "separator", "data_type": "TEXT"}],
        columns=[{"name": "position", "data_type": "INT"}, {"name": "part", "data_type": "TEXT"}])),
    "letters": ("split", dict(
        kind="table", params=params("TEXT"), columns=[{"name": "letter", "data_type": "TEXT"}])),
    "visits": ("visits", {}),
    "type_name": ("values", dict(params=params("ANY"), return_type="TEXT")),
    "same": ("values", dict(params=params("ANY"), return_type="ANY")),
    "same_int": ("values", dict(params=params("BIGINT"), return_type="BIGINT")),
    "same_small": ("values", dict(params=params("INT"), return_type="INT")),
    "same_real": ("values", dict(params=params("DOUBLE"), return_type="DOUBLE")),
    "same_bool": ("values", dict(params=params("BOOL"), return_type="BOOL")),
    "same_text": ("values", dict(params=params("TEXT"), return_type="TEXT")),
    "same_blob": ("values", dict(params=params("BLOB"), return_type="BLOB")),
    "or_zero": ("values", dict(params=params("BIGINT", nullable=True), return_type="BIGINT")),
    "byte_count": ("values", dict(params=params("BLOB", nullable=True), return_type="BIGINT")),
    "as_object": ("values", dict(params=params("TEXT", "DOUBLE"), return_type="JSON")),
    "no_result": ("values", {}),
    "square_root": ("values", {}),
    "squares": ("series", dict(
        kind="table", params=params("BIGINT", "BIGINT"),
        columns=[{"name": "n", "data_type": "BIGINT"}, {"name": "square", "data_type": "BIGINT"}])),
    "describe": ("describe", dict(params=params("ANY"), return_type="TEXT")),
    "ratio": ("describe", {}),
    "how_many": ("describe", dict(params=params("BIGINT", "DOUBLE", "TEXT", nullable=True), return_type="INT")),
    "product": ("describe", dict(kind="aggregate", params=params("DOUBLE"), return_type="DOUBLE")),
    "slugify": ("go", dict(params=params("TEXT"), return_type="TEXT")),
    "first_word": ("go", dict(params=params("TEXT"), return_type="TEXT")),
    "gcd": ("go", {}),
    "pad": ("assemblyscript", dict(params=params("TEXT", "INT", "TEXT"), return_type="TEXT")),
    "extension": ("assemblyscript", dict(params=params("TEXT"), return_type="TEXT")),
    "celsius": ("assemblyscript", {}),
    "order_total": ("shop", {}),
    "title": ("shop", {}),
    "parse_amount": ("shop", {}),
    "checksum": ("shop", {}),
    "kind": ("shop", {}),
    "words": ("shop", {}),
    "geometric_mean": ("shop", {}),
}


def add(connection, *procedures: str, **more) -> None:
    """Creates procedures of the examples."""
    for procedure in procedures:
        module, definition = EXAMPLES[procedure]
        create(connection, procedure, example(module), **{**definition, **more})
