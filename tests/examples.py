"""The examples of `schemas/<topic>/examples/<Record>`: the contract with the producers, as records to consume.

A valid example is a file of its own, `<name>.json`:

    {
      "schema": "TripRecorded.v2",              the writer's
      "key": "42",                              the Kafka key, or null
      "timestamp": "2026-11-02T08:20:01.000Z",  Kafka's
      "value": {…},                             as on the wire: moments in microseconds; decimals and numbers that
                                                JSON lacks ("NaN", "Infinity") as text
      "rows": {"trip": {"id": 42, …}, …}        what becomes of it, by table, without version and lineage; where a
                                                table gets several rows, a list of them in the order of its key
      "erases": "app:7"                         the person whom it erases; then rows may be left out
    }

A tombstone has "value": null and no schema; its folder is `tombstone`.

Rejected examples are a table, `rejected.json`: by the valid example that they differ from, in what each differs and
the reason and field of the rejection that it meets. Key and timestamp may differ too, or the whole value as bytes
(`value_hex`). `{"after": "app:", "repeat": "7", "times": 5000}` stands for a long text.

    {
      "trip_under_way": [
        {"name": "trip_id_zero", "key": "0", "with": {"trip_id": 0}, "reason": "out_of_range", "field": "trip_id"},
        …
      ]
    }

Bytes that are unfit in the same way for every topic have no examples: `tests/test_framing.py` makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from fastavro import schemaless_reader, schemaless_writer

from stream.errors import Reason
from stream.paths import SCHEMAS_FOLDER
from stream.produce.topics.declaration import unscaled
from stream.records import Record
from stream.schemas.version import SchemaVersion
from tests.stores import STORE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REJECTED_TABLE = "rejected.json"

_Row = dict[str, Any]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A valid example as it is written."""

    key: str | None
    timestamp: datetime
    schema: str | None = None
    value: dict[str, Any] | None = None
    rows: dict[str, _Row | list[_Row]] = {}
    erases: str | None = None
    returns: str | None = None


class _LongText(msgspec.Struct, forbid_unknown_fields=True):
    """A text that is long because a part of it repeats."""

    repeat: str
    times: int
    after: str = ""
    before: str = ""

    def __str__(self) -> str:
        return self.after + self.repeat * self.times + self.before


class _Rejected(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of a table of rejected examples."""

    name: str
    reason: Reason
    field: str | None = None
    key: str | _LongText | msgspec.UnsetType | None = msgspec.UNSET
    timestamp: datetime | msgspec.UnsetType = msgspec.UNSET
    changes: dict[str, Any] = msgspec.field(name="with", default_factory=dict)
    value_hex: str | None = None


@dataclass(frozen=True)
class Example:
    """An example, ready to be consumed."""

    topic: str
    folder: str
    """The folder that holds it, named after its record."""
    name: str
    version: SchemaVersion | None
    """The writer's; None for a tombstone."""
    record: Record
    rows: dict[str, list[dict[str, Any]]]
    erases: str | None = None
    """The person whom it erases, as a Kafka key names them."""
    returns: str | None = None
    """The person who it says is back."""
    reason: Reason | None = None
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.topic}-{self.name}"


@cache
def valid_examples() -> Sequence[Example]:
    paths = sorted(SCHEMAS_FOLDER.glob("*/examples/*/*.json"))
    return [_valid(path) for path in paths if path.name != REJECTED_TABLE]


@cache
def rejected_examples() -> Sequence[Example]:
    paths = sorted(SCHEMAS_FOLDER.glob(f"*/examples/*/{REJECTED_TABLE}"))
    return [example for path in paths for example in _rejected(path)]


def _valid(path: Path) -> Example:
    topic = _topic(path)
    file = _read(path)
    version = _version(file, topic)
    rows = {table: row if isinstance(row, list) else [row] for table, row in file.rows.items()}
    return Example(topic, path.parent.name, path.stem, version, _record(file, version), rows, file.erases, file.returns)


def _rejected(path: Path) -> Iterator[Example]:
    table = msgspec.json.decode(path.read_bytes(), type=dict[str, list[_Rejected]])
    for sound_name, entries in table.items():
        sound = _read(path.with_name(f"{sound_name}.json"))
        version = _version(sound, _topic(path))
        for entry in entries:
            record = _record(_changed(sound, entry), version)
            if entry.value_hex is not None:
                record = record._replace(value=bytes.fromhex(entry.value_hex))
            yield Example(
                _topic(path), path.parent.name, entry.name, version, record, {}, reason=entry.reason, field=entry.field
            )


def _changed(sound: _File, entry: _Rejected) -> _File:
    """A sound example with an entry's differences."""
    changes = {name: _unfolded(value) for name, value in entry.changes.items()}
    return _File(
        schema=sound.schema,
        key=sound.key if entry.key is msgspec.UNSET else None if entry.key is None else str(entry.key),
        timestamp=sound.timestamp if entry.timestamp is msgspec.UNSET else entry.timestamp,
        value=None if sound.value is None else {**sound.value, **changes},
    )


def _unfolded(value: Any) -> Any:
    return str(msgspec.convert(value, _LongText)) if isinstance(value, dict) else value


def _topic(path: Path) -> str:
    return path.relative_to(SCHEMAS_FOLDER).parts[0]


def _read(path: Path) -> _File:
    return msgspec.json.decode(path.read_bytes(), type=_File)


def _version(file: _File, topic: str) -> SchemaVersion | None:
    return None if file.schema is None else STORE.versions[SCHEMAS_FOLDER / topic / f"{file.schema}.avsc"]


def _record(file: _File, version: SchemaVersion | None) -> Record:
    return Record(
        offset=0,
        timestamp_ms=(file.timestamp - EPOCH) // timedelta(milliseconds=1),
        key=None if file.key is None else file.key.encode(),
        value=None if version is None else _value(file, version),
    )


def datum_of(example: Example) -> dict[str, Any]:
    """An example's value as the writer's schema has it."""
    version, value = example.version, example.record.value
    assert version is not None, "only what has a schema has a datum"
    assert value is not None, "only what has a value has a datum"
    datum: Any = schemaless_reader(BytesIO(value[len(version.header) :]), version.plain, None)
    return dict(datum)


def in_confluent_framing(example: Example) -> Record:
    """A valid example's record as a producer with a schema registry writes it."""
    version, value = example.version, example.record.value
    assert version is not None, "only what has a schema has a framing"
    assert value is not None, "only what has a value has a framing"
    return example.record._replace(value=STORE.confluent_header(version) + value[len(version.header) :])


def _value(file: _File, version: SchemaVersion) -> bytes:
    assert file.value is not None, "an example with a schema has a value"
    fields = {field["name"]: field["type"] for field in version.source["fields"]}
    assert set(file.value) == set(fields), "an example states every field of its schema"
    datum = {name: _on_the_wire(value, fields[name]) for name, value in file.value.items()}
    buffer = BytesIO()
    buffer.write(version.header)
    schemaless_writer(buffer, version.plain, datum)
    return buffer.getvalue()


def _on_the_wire(value: Any, schema: Any) -> Any:
    """A value as the plain schema has it: JSON writes some of them as text."""
    for branch in schema if isinstance(schema, list) else [schema]:
        if branch == "double" and isinstance(value, str):
            return float(value)
        if isinstance(branch, dict) and branch.get("logicalType") == "decimal" and value is not None:
            return unscaled(int(Decimal(value).scaleb(branch["scale"])))
    return value
