"""Changes of a schema that leave old data readable: Avro's rules, on every pair of our own versions too."""

from __future__ import annotations

from typing import Any

import pytest

from stream.schemas.compatibility import incompatibilities
from stream.schemas.store import SchemaStore


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "a.R", "fields": list(fields)}


def of(schema: Any, name: str = "x", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": schema, **more}


MICROS = {"type": "long", "logicalType": "timestamp-micros"}
LETTERS = {"type": "enum", "name": "a.E", "symbols": ["A", "B"]}
FEWER = {"type": "enum", "name": "a.E", "symbols": ["A"]}
INNER = {"type": "record", "name": "a.I", "fields": [of("int", "y"), of("int", "z")]}

READABLE = [
    (of("int"), of("long")),
    (of("int"), of("double")),
    (of("float"), of("double")),
    (of("string"), of("bytes")),
    (of("long"), of(MICROS)),
    (of("int"), of(["null", "long"])),
    (of(["int", "long"]), of(["null", "long"])),
    (of("int", "old"), of("int", aliases=["older", "old"])),
    (of("int", "gone"), of("int", default=3)),
    (of(FEWER), of(LETTERS)),
    (of(LETTERS), of({**FEWER, "default": "A"})),
    (of({"type": "array", "items": "int"}), of({"type": "array", "items": "long"})),
    (of({"type": "map", "values": "int"}), of({"type": "map", "values": "long"})),
    (of(INNER), of({**INNER, "fields": INNER["fields"][:1]})),
    (of({"type": "fixed", "name": "a.F", "size": 2}), of({"type": "fixed", "name": "a.F", "size": 2})),
]

UNREADABLE = [
    (of("long"), of("int"), "x: long can't be read as int"),
    (of("string"), of("long"), "x: string can't be read as long"),
    (of("int", "gone"), of("int"), "x: the writer lacks it"),
    (of(["null", "long"]), of("long"), "x: null can't be read as long"),
    (of("string"), of(["null", "long"]), "x: string is no branch"),
    (of(LETTERS), of(FEWER), "x: the reader lacks the symbols B"),
    (of({"type": "array", "items": "long"}), of({"type": "array", "items": "int"}), "x: long"),
    (of({"type": "map", "values": "long"}), of({"type": "map", "values": "int"}), "x: long"),
    (of({**INNER, "fields": INNER["fields"][:1]}), of(INNER), "x.z: the writer lacks it"),
    (of({"type": "fixed", "name": "a.F", "size": 2}), of({"type": "fixed", "name": "a.F", "size": 3}), "x: 2 bytes"),
]


@pytest.mark.parametrize(("writer", "reader"), READABLE)
def test_what_avro_resolves_is_compatible(writer: Any, reader: Any) -> None:
    assert incompatibilities(record(writer), record(reader)) == []


@pytest.mark.parametrize(("writer", "reader", "said"), UNREADABLE)
def test_what_avro_does_not_resolve_is_said_with_its_place(writer: Any, reader: Any, said: str) -> None:
    (incompatibility,) = incompatibilities(record(writer), record(reader))
    assert incompatibility.startswith(said)


def test_our_newest_schemas_read_what_all_older_ones_wrote() -> None:
    store = SchemaStore()
    for version in store.versions.values():
        newest = store.newest(version.topic, version.record_name)
        assert incompatibilities(version.source, newest.source) == []
