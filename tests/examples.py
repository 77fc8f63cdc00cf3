"""The examples of `schemas/<topic>/examples`: the contract with the producers, as records that a consumer may get.

    {
      "schema": "TripRecorded.v2",              the writer's; `<topic>/…` where it is another topic's
      "key": "42",                              the Kafka key, or null
      "timestamp": "2026-11-02T08:20:01.000Z",  Kafka's
      "value": {…},                             as on the wire: moments in microseconds; decimals and numbers that
                                                JSON lacks ("NaN", "Infinity") as text
      "rows": {"trip": {"id": 42, …}, …}        what becomes of it, by table, without version and lineage; where a
                                                table gets several rows, a list of them in the order of its key
      "erases": "app:7"                         the person whom it erases; then rows may be left out
    }

A tombstone has "value": null and no schema. Those in `rejected/` have, instead of rows, the `reason` and `field` of
the rejection that they meet, and where the bytes themselves are unfit, `value_hex` (or a null value) instead of schema
and value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from fastavro import schemaless_reader, schemaless_writer

from stream.paths import SCHEMAS_FOLDER
from stream.produce.topics.declaration import unscaled
from stream.records import Record
from stream.schemas.store import SchemaVersion
from tests.stores import STORE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_Row = dict[str, Any]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """An example as it is written."""

    key: str | None
    timestamp: datetime
    schema: str | None = None
    value: dict[str, Any] | None = None
    value_hex: str | None = None
    rows: dict[str, _Row | list[_Row]] | None = None
    erases: str | None = None
    reason: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class Example:
    """One example, ready to be consumed."""

    path: Path
    topic: str
    version: SchemaVersion | None
    """The writer's; None where the example is of raw bytes."""
    record: Record
    rows: dict[str, list[dict[str, Any]]]
    erases: str | None
    """The person whom it erases, as a Kafka key names them."""
    reason: str | None
    field: str | None

    def __str__(self) -> str:
        return f"{self.topic}-{self.path.stem}"


def valid_examples() -> list[Example]:
    return [load(path) for path in sorted(SCHEMAS_FOLDER.glob("*/examples/*.json"))]


def rejected_examples() -> list[Example]:
    return [load(path) for path in sorted(SCHEMAS_FOLDER.glob("*/examples/rejected/*.json"))]


def load(path: Path) -> Example:
    topic = path.relative_to(SCHEMAS_FOLDER).parts[0]
    file = msgspec.json.decode(path.read_bytes(), type=_File)
    version = None if file.schema is None else version_named(file.schema, topic)
    record = Record(
        offset=0,
        timestamp_ms=(file.timestamp - EPOCH) // timedelta(milliseconds=1),
        key=None if file.key is None else file.key.encode(),
        value=_value(file, version),
    )
    rows = {table: row if isinstance(row, list) else [row] for table, row in (file.rows or {}).items()}
    return Example(path, topic, version, record, rows, file.erases, file.reason, file.field)


def datum_of(example: Example) -> dict[str, Any]:
    """An example's value as the writer's schema has it."""
    version, value = example.version, example.record.value
    assert version is not None, "only what has a schema has a datum"
    assert value is not None, "only what has a value has a datum"
    datum: Any = schemaless_reader(BytesIO(value[len(version.header) :]), version.plain, None)
    return dict(datum)


def version_named(name: str, topic: str) -> SchemaVersion:
    """The version `TripRecorded.v2` of this topic, or `<topic>/TripRecorded.v2` of another."""
    where, _, short_name = name.rpartition("/")
    return STORE.versions[SCHEMAS_FOLDER / (where or topic) / f"{short_name}.avsc"]


def _value(file: _File, version: SchemaVersion | None) -> bytes | None:
    if version is None:
        return None if file.value_hex is None else bytes.fromhex(file.value_hex)
    assert file.value is not None, "an example with a schema has a value"
    fields = {field["name"]: field["type"] for field in version.source["fields"]}
    assert set(file.value) == set(fields), "an example states every field of its schema"
    datum = {name: _on_the_wire(value, fields[name]) for name, value in file.value.items()}
    buffer = BytesIO()
    buffer.write(version.header)
    schemaless_writer(buffer, version.plain, datum)
    return buffer.getvalue()


def _on_the_wire(value: Any, schema: Any) -> Any:
    """What JSON writes as text, as the plain schema has it."""
    for branch in schema if isinstance(schema, list) else [schema]:
        if branch == "double" and isinstance(value, str):
            return float(value)
        if isinstance(branch, dict) and branch.get("logicalType") == "decimal" and value is not None:
            return unscaled(int(Decimal(value).scaleb(branch["scale"])))
    return value
