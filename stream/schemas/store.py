"""The schema store: every version of every event's Avro schema, found by what stands before a record's bytes.

Two framings name the writer schema: Confluent's wire format (magic byte 0 and an id, from a schema registry where one
is configured, else from `schemas/ids.json`) and Avro's single-object encoding (C3 01 and the schema's fingerprint, for
which `schemas/` itself is the store).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fastavro
import msgspec
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from stream.catalog import STREAMS
from stream.declaration.persons import PersonKind
from stream.declaration.streams import Route, Stream
from stream.errors import ConfigurationError, Reason
from stream.hashing import Hasher
from stream.paths import SCHEMAS_FOLDER

CONFLUENT_MAGIC = b"\x00"
CONFLUENT_HEADER_BYTES = 5
SINGLE_OBJECT_MARKER = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10

FILE_NAME = re.compile(r"(?P<record>\w+)\.v(?P<version>\d+)\.avsc")

NO_SCHEMA = (ValueError, fastavro.schema.SchemaParseException)
"""What fastavro raises on what is no Avro schema."""

Json = Any
Digits = tuple[int, int]
"""A decimal's precision and scale."""


@dataclass(frozen=True)
class SchemaVersion:
    """One file `schemas/<topic>/<Record>.v<N>.avsc`."""

    topic: str
    record_name: str
    version: int
    source: Json
    """The schema as it is written, logical types included."""

    @property
    def name(self) -> str:
        return f"{self.record_name}.v{self.version}"

    @property
    def file_name(self) -> str:
        """The file, as `ids.json` names it."""
        return f"{self.topic}/{self.name}.avsc"

    @cached_property
    def full_names(self) -> frozenset[str]:
        """The record's name with its namespace, and those that it had before (aliases)."""
        namespace = self.source.get("namespace", "")
        aliases = [_full_name(alias, namespace) for alias in self.source.get("aliases", ())]
        return frozenset([full_name(self.source), *aliases])

    @cached_property
    def plain(self) -> Json:
        """The parsed schema without logical types: decoding leaves times, ids and decimals as they are on the
        wire, which costs half as much, and fastavro would round a decimal that is too long."""
        return parse_schema(_without_logical_types(self.source))

    @cached_property
    def header(self) -> bytes:
        """What stands before a datum of this schema in single-object encoding."""
        return SINGLE_OBJECT_MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(self.source), "CRC-64-AVRO"))


@dataclass(frozen=True)
class Reader:
    """How to read the data of one writer schema: resolved to our newest version, for one route."""

    name: str
    """What people call the writer schema: `TripRated.v2`, or the full name where it is no file of ours."""
    route: Route
    writer_schema: Json
    reader_schema: Json | None
    """None where the writer has our newest: resolution would cost and change nothing."""


@dataclass(frozen=True)
class Readers:
    """How to read the records of one topic."""

    by_header: dict[bytes, Reader]
    """By the bytes that stand before a datum."""
    refused: dict[bytes, Reason]
    """Those that name a schema whose data this topic can't take, and why."""
    newest: Sequence[tuple[Route, SchemaVersion]]
    """What the topic carries."""
    tombstones: Mapping[PersonKind, Route]
    """What becomes of records without a value; empty where they mean nothing."""
    hasher: Hasher | None = None
    """Makes the hashes of research participants."""

    def learn(self, header: bytes, source: Json) -> None:
        """Take in the writer schema that a registry has under a header's id.

        Any thread may do so at any time: each look-up sees it or doesn't.
        """
        for route, newest in self.newest:
            if _is_record(source) and full_name(source) in newest.full_names:
                reader = _foreign_reader(source, route, newest)
                if reader is None:
                    self.refused[header] = Reason.INCOMPATIBLE_SCHEMA
                else:
                    self.by_header[header] = reader
                return
        self.refused[header] = Reason.UNEXPECTED_RECORD


class SchemaStore:
    """The schemas of a folder.

    Raises ConfigurationError where two schemas can't be told apart, a version is missing, or a decimal's digits
    differ from the catalog's.
    """

    def __init__(
        self,
        folder: Path = SCHEMAS_FOLDER,
        streams: Mapping[str, Stream] = STREAMS,
        hasher: Hasher | None = None,
        ids: Mapping[int, str] | None = None,
    ) -> None:
        """`ids` says which file has which id in Confluent's wire format; without it, the folder's `ids.json` does."""
        self.folder = folder
        self.hasher = hasher
        self.streams = streams
        self.versions = {path: _load(path) for path in sorted(folder.glob("*/*.avsc"))}
        self._refuse_equal_fingerprints()
        self._ids = _load_ids(folder) if ids is None else ids

    def versions_of(self, topic: str, record_name: str) -> list[SchemaVersion]:
        """All versions of a record's schema, the oldest first."""
        found = [one for one in self.versions.values() if (one.topic, one.record_name) == (topic, record_name)]
        return sorted(found, key=lambda one: one.version)

    def newest(self, topic: str, record_name: str) -> SchemaVersion:
        """The newest version of a record's schema; the one we read with."""
        found = self.versions_of(topic, record_name)
        if not found:
            raise ConfigurationError(
                f"no schema for {record_name}: add {self.folder.name}/{topic}/{record_name}.v1.avsc"
            )
        return found[-1]

    def readers(self, topic: str) -> Readers:
        """How to read the records of a topic."""
        routes = {route.record_name: route for route in self.streams[topic].bound_routes}
        newest = {name: self.newest(topic, name) for name in routes}
        found: dict[bytes, Reader] = {}
        refused: dict[bytes, Reason] = {}
        for header, version in self._headers():
            if version.topic != topic:
                refused[header] = Reason.UNEXPECTED_RECORD
                continue
            if version.record_name not in routes:
                raise ConfigurationError(
                    f"schema {topic}/{version.name} belongs to no event of the catalog: "
                    f"declare {version.record_name} in its stream, or remove the schema"
                )
            route, ours = routes[version.record_name], newest[version.record_name]
            _refuse_other_decimals(version, route, ours)
            found[header] = Reader(version.name, route, version.plain, None if version is ours else ours.plain)
        carried = [(route, newest[name]) for name, route in routes.items()]
        return Readers(found, refused, carried, self.streams[topic].tombstone_routes, self.hasher)

    def confluent_header(self, version: SchemaVersion) -> bytes:
        """What stands before a datum of this schema in Confluent's wire format."""
        for schema_id, name in self._ids.items():
            if name == version.file_name:
                return confluent_header(schema_id)
        raise ConfigurationError(
            f"schema {version.name} has no id: run `stream schemas register` where there is a schema registry, "
            f"else add it to {self.folder.name}/ids.json"
        )

    def _headers(self) -> Iterator[tuple[bytes, SchemaVersion]]:
        for version in self.versions.values():
            yield version.header, version
        for schema_id, name in self._ids.items():
            path = self.folder / name
            if path not in self.versions:
                raise ConfigurationError(f"{self.folder.name}/ids.json names {name}, which is not there")
            yield confluent_header(schema_id), self.versions[path]

    def _refuse_equal_fingerprints(self) -> None:
        """Fingerprints ignore defaults and logical types, so schemas that differ only there look the same."""
        seen: dict[bytes, SchemaVersion] = {}
        for version in self.versions.values():
            other = seen.setdefault(version.header, version)
            if other is not version:
                raise ConfigurationError(
                    f"schemas {other.topic}/{other.name} and {version.topic}/{version.name} have one fingerprint: "
                    "a new version must differ in more than defaults, docs and logical types"
                )


def confluent_header(schema_id: int) -> bytes:
    """What stands before a datum whose writer schema a registry has under this id."""
    return CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")


def confluent_id(header: bytes) -> int:
    """The id that stands in front of a datum in Confluent's wire format."""
    return int.from_bytes(header[len(CONFLUENT_MAGIC) :], "big")


def full_name(source: Json) -> str:
    """A named schema's name with its namespace."""
    return _full_name(source["name"], source.get("namespace", ""))


def _is_record(source: Json) -> bool:
    return isinstance(source, dict) and source.get("type") == "record" and isinstance(source.get("name"), str)


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _load(path: Path) -> SchemaVersion:
    matched = FILE_NAME.fullmatch(path.name)
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
        parse_schema(source)
    except NO_SCHEMA as error:
        raise ConfigurationError(f"{path.name} is not an Avro schema: {error}") from error
    if matched is None or not isinstance(source, dict) or source.get("name") != matched["record"]:
        raise ConfigurationError(f"{path.name} must be named <Record>.v<N>.avsc after the record that it declares")
    return SchemaVersion(path.parent.name, matched["record"], int(matched["version"]), source)


def _load_ids(folder: Path) -> dict[int, str]:
    path = folder / "ids.json"
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[int, str])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path.name} must map schema ids to files of this folder: {error}") from error


def _without_logical_types(schema: Json) -> Json:
    if isinstance(schema, dict):
        if "logicalType" in schema and isinstance(schema["type"], str) and schema["type"] != "fixed":
            return schema["type"]  # the bare name is what fastavro reads quickest
        return {name: _without_logical_types(part) for name, part in schema.items() if name != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    return schema


def _foreign_reader(source: Json, route: Route, newest: SchemaVersion) -> Reader | None:
    """How to read the data of a writer schema that is not a file of ours; None where that can't be told.

    Types that differ are no matter here: Avro resolves, or refuses, each datum by the branches that it takes.
    """
    try:
        plain = parse_schema(_without_logical_types(source))
        if _differing_decimal(source, route, newest) or _differing_unit(source, newest):
            return None
    except (*NO_SCHEMA, KeyError, TypeError, AttributeError):  # it is what somebody has put into a registry
        return None
    is_newest = to_parsing_canonical_form(plain) == to_parsing_canonical_form(newest.plain)
    return Reader(full_name(source), route, plain, None if is_newest else newest.plain)


def _refuse_other_decimals(version: SchemaVersion, route: Route, newest: SchemaVersion) -> None:
    differing = _differing_decimal(version.source, route, newest)
    if differing is not None:
        name, found, digits = differing
        raise ConfigurationError(
            f"schema {version.topic}/{version.name}: {name} is a decimal of {found}, "
            f"but the catalog has {digits} (precision, scale)"
        )


def _differing_decimal(source: Json, route: Route, newest: SchemaVersion) -> tuple[str, Digits | None, Digits] | None:
    """A decimal's bytes mean nothing without its scale, so every version must have the catalog's digits: the field's
    name, the digits found and those of the catalog where they differ."""
    written = _logical_types(source, newest)
    for name, digits in route.decimals:
        part = written.get(name)
        is_decimal = part is not None and part.get("logicalType") == "decimal"
        found = (part["precision"], part.get("scale", 0)) if part and is_decimal else None
        if part is not None and found != digits:
            return name, found, digits
    return None


def _differing_unit(source: Json, newest: SchemaVersion) -> bool:
    """Whether a field counts in another unit than ours: resolution would take milliseconds for microseconds."""
    ours = _logical_types(newest.source, newest)
    for name, part in _logical_types(source, newest).items():
        theirs, mine = part.get("logicalType"), ours.get(name, {}).get("logicalType")
        if theirs and mine and theirs != mine:
            return True
    return False


def _logical_types(source: Json, newest: SchemaVersion) -> dict[str, Json]:
    """By our name of each field the part of its type that has a logical type; empty where none has."""
    renamed = {alias: field["name"] for field in newest.source["fields"] for alias in field.get("aliases", ())}
    found: dict[str, Json] = {}
    for field in source["fields"]:
        parts = field["type"] if isinstance(field["type"], list) else [field["type"]]
        having = [part for part in parts if isinstance(part, dict) and "logicalType" in part]
        found[renamed.get(field["name"], field["name"])] = having[0] if having else {}
    return found
