"""The readers of a topic: for each writer schema, how its data become data of our newest version.

The schema store makes readers for the versions in `schemas/`. A topic learns further writer schemas from a registry,
but none whose data would be misread: Avro checks neither the scale of a decimal nor the unit of a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from fastavro.schema import fullname, parse_schema, to_parsing_canonical_form

from stream.declaration.persons import PersonKind
from stream.declaration.routes import Route
from stream.errors import ConfigurationError, Reason
from stream.hashing import Hasher
from stream.records import Record
from stream.schemas.bounds import UnboundedSchema, load_schema, require_bounded
from stream.schemas.framing import CONFLUENT_HEADER_BYTES, CONFLUENT_MAGIC
from stream.schemas.lists import BoundedList, bounded_lists
from stream.schemas.version import Json, SchemaVersion, without_logical_types

END = "stream_end_of_datum"
"""The field that is added behind each datum of an array."""
END_BYTES = 8

Digits = tuple[int, int]
"""A decimal's precision and scale."""


@dataclass(frozen=True)
class Reader:
    """A writer schema, resolved to our newest version, for one route."""

    name: str
    """The writer schema for people: `TripRated.v2`, or its full name where it is no file of ours."""
    route: Route
    writer_schema: Json
    reader_schema: Json | None
    """None where the writer has our newest: resolution would cost and change nothing."""
    lists: tuple[BoundedList, ...] = ()
    """The lists whose items are bounded."""
    has_unread_fields: bool = False
    """Whether fastavro passes over some of the writer's fields, without noticing there that the bytes are at an end."""

    @cached_property
    def array(self) -> tuple[Json, Json | None] | None:
        """The writer's and the reader's schema of an array of data, behind each of which stands an end; None where a
        datum has to be read by itself."""
        if self.has_unread_fields:
            return None
        return _array(self.writer_schema), None if self.reader_schema is None else _array(self.reader_schema)

    @classmethod
    def of(cls, name: str, route: Route, writer: Json, newest: SchemaVersion) -> Self:
        """The reader for a parsed writer schema without logical types."""
        lists = tuple(bounded_lists(writer, route.items_max, newest.renamed))
        if writer is newest.plain:
            return cls(name, route, writer, None, lists)
        has_unread_fields = not _fields(writer) <= _fields(newest.plain)
        return cls(name, route, writer, newest.plain, lists, has_unread_fields)


@dataclass(frozen=True)
class Readers:
    """The readers of one topic."""

    by_header: dict[bytes, Reader]
    """By the bytes that stand before a datum."""
    refused: dict[bytes, Reason]
    """Headers that name a schema whose data this topic can't take, and why."""
    newest: Sequence[tuple[Route, SchemaVersion]]
    """The records that the topic carries."""
    tombstones: Mapping[PersonKind, Route]
    """The routes of records without a value; empty where such records mean nothing."""
    hasher: Hasher | None = None
    """Makes the hashes of research participants."""

    def learn(self, header: bytes, text: str) -> None:
        """Take in the writer schema that a registry has under a header's id. Any thread may do so at any time: each
        look-up sees it or doesn't."""
        try:
            source = load_schema(text)
        except UnboundedSchema:
            self.refused[header] = Reason.INCOMPATIBLE_SCHEMA
            return
        except ValueError:
            source = None
        for route, newest in self.newest:
            if _is_record(source) and fullname(source) in newest.full_names:
                reader = _foreign_reader(source, route, newest)
                if reader is None:
                    self.refused[header] = Reason.INCOMPATIBLE_SCHEMA
                else:
                    self.by_header[header] = reader
                return
        self.refused[header] = Reason.UNEXPECTED_RECORD

    def unknown_headers(self, records: Iterable[Record]) -> dict[bytes, int]:
        """Confluent headers that only a registry can explain, each with the latest Kafka timestamp of its records."""
        latest_ms: dict[bytes, int] = {}
        for record in records:
            value = record.value
            if value and value[:1] == CONFLUENT_MAGIC and len(value) >= CONFLUENT_HEADER_BYTES:
                header = value[:CONFLUENT_HEADER_BYTES]
                if header not in self.by_header and header not in self.refused:
                    latest_ms[header] = max(record.timestamp_ms, latest_ms.get(header, record.timestamp_ms))
        return latest_ms


def refuse_other_decimals(version: SchemaVersion, route: Route, newest: SchemaVersion) -> None:
    """Raises ConfigurationError where a decimal of one of our versions has other digits than the catalog."""
    differing = _differing_decimal(version.source, route, newest)
    if differing is not None:
        name, written, digits = differing
        raise ConfigurationError(
            f"schema {version.topic}/{version.name}: {name} is a decimal of {written}, "
            f"but the catalog has {digits} (precision, scale)"
        )


def _array(record: Json) -> Json:
    fields = [*record["fields"], {"name": END, "type": {"type": "fixed", "name": END, "size": END_BYTES}}]
    own = {name: value for name, value in record.items() if not name.startswith("__")}  # those are fastavro's notes
    return parse_schema({"type": "array", "items": {**own, "fields": fields}})


def _is_record(source: Json) -> bool:
    return isinstance(source, dict) and source.get("type") == "record" and isinstance(source.get("name"), str)


def _foreign_reader(source: Json, route: Route, newest: SchemaVersion) -> Reader | None:
    """The reader of a writer schema that is no file of ours; None where its data might be misread. Types that differ
    are no matter here: Avro resolves, or refuses, each datum by the branches that it takes."""
    try:
        plain = parse_schema(without_logical_types(source))
        require_bounded(plain)
        if _differing_decimal(source, route, newest) or _has_other_unit(source, newest):
            return None
        is_newest = to_parsing_canonical_form(plain) == to_parsing_canonical_form(newest.plain)
        return Reader.of(fullname(source), route, newest.plain if is_newest else plain, newest)
    except Exception:  # noqa: BLE001 - it is what somebody has put into a registry, and fastavro stumbles over
        return None


def _fields(schema: Json) -> set[tuple[str, str]]:
    """The names that fields of records go by, each with its record's name, without a namespace."""
    if isinstance(schema, list):
        return set().union(*map(_fields, schema))
    if not isinstance(schema, dict):
        return set()
    fields = schema.get("fields", ())
    record_name = str(schema.get("name")).rpartition(".")[2]
    own = {(record_name, name) for field in fields for name in (field["name"], *field.get("aliases", ()))}
    inner = (schema.get("type"), schema.get("items"), schema.get("values"), *(field["type"] for field in fields))
    return own.union(*map(_fields, inner))


def _differing_decimal(source: Json, route: Route, newest: SchemaVersion) -> tuple[str, Digits | None, Digits] | None:
    """The first decimal whose digits differ from the catalog's: the field's name, its digits and the catalog's. A
    decimal's bytes mean nothing without its scale, so every version must have the catalog's digits."""
    types = _logical_types(source, newest)
    for name, digits in route.decimals:
        if (logical := types.get(name)) is not None:
            is_decimal = logical.get("logicalType") == "decimal"
            written = (logical["precision"], logical.get("scale", 0)) if is_decimal else None
            if written != digits:
                return name, written, digits
    return None


def _has_other_unit(source: Json, newest: SchemaVersion) -> bool:
    """Whether a field counts in another unit than ours: resolution would take milliseconds for microseconds."""
    written, ours = _logical_types(source, newest), _logical_types(newest.source, newest)
    units = [(written[name].get("logicalType"), ours[name].get("logicalType")) for name in written.keys() & ours.keys()]
    return any(writer and reader and writer != reader for writer, reader in units)


def _logical_types(source: Json, newest: SchemaVersion) -> dict[str, Json]:
    """By our name of each field the part of its type that has a logical type; empty where none has."""
    types: dict[str, Json] = {}
    for field in source["fields"]:
        parts = field["type"] if isinstance(field["type"], list) else [field["type"]]
        logical = [part for part in parts if isinstance(part, dict) and "logicalType" in part]
        types[newest.renamed.get(field["name"], field["name"])] = logical[0] if logical else {}
    return types
