"""The schema store: every version of every event's Avro schema, found by what stands before a record's bytes.

Two framings name the writer schema: Confluent's wire format (magic byte 0 and an id, here from `schemas/ids.json`)
and Avro's single-object encoding (C3 01 and the schema's fingerprint, for which `schemas/` itself is the store).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fastavro
import msgspec
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from stream.catalog import STREAMS, Route, Stream
from stream.catalog.declaration import PersonKind
from stream.errors import ConfigurationError
from stream.files import SCHEMAS_FOLDER
from stream.hashing import Hasher

CONFLUENT_MAGIC = b"\x00"
CONFLUENT_HEADER_BYTES = 5
SINGLE_OBJECT_MARKER = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10

FILE_NAME = re.compile(r"(?P<record>\w+)\.v(?P<version>\d+)\.avsc")

Json = Any


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

    route: Route
    version: SchemaVersion
    writer_schema: Json
    reader_schema: Json | None
    """None where the writer has our newest: resolution would cost and change nothing."""


@dataclass(frozen=True)
class Readers:
    """How to read the records of one topic."""

    by_header: Mapping[bytes, Reader | None]
    """By the bytes that stand before a datum; None for a schema of another topic's record."""
    tombstones: Mapping[PersonKind, Route]
    """What becomes of records without a value; empty where they mean nothing."""
    hasher: Hasher | None = None
    """Makes the hashes of research participants."""


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
    ) -> None:
        self.folder = folder
        self.hasher = hasher
        self.streams = streams
        self.versions = {path: _load(path) for path in sorted(folder.glob("*/*.avsc"))}
        self._refuse_equal_fingerprints()
        self._ids = _load_ids(folder)

    def newest(self, topic: str, record_name: str) -> SchemaVersion:
        """The newest version of a record's schema; the one we read with."""
        found = [one for one in self.versions.values() if (one.topic, one.record_name) == (topic, record_name)]
        if not found:
            raise ConfigurationError(
                f"no schema for {record_name}: add {self.folder.name}/{topic}/{record_name}.v1.avsc"
            )
        return max(found, key=lambda one: one.version)

    def readers(self, topic: str) -> Readers:
        """How to read the records of a topic."""
        routes = {route.record_name: route for route in self.streams[topic].bound_routes}
        found: dict[bytes, Reader | None] = {}
        for header, version in self._headers():
            if version.topic != topic:
                found[header] = None
                continue
            if version.record_name not in routes:
                raise ConfigurationError(
                    f"schema {topic}/{version.name} belongs to no event of the catalog: "
                    f"declare {version.record_name} in its stream, or remove the schema"
                )
            newest = self.newest(topic, version.record_name)
            reader_schema = None if version is newest else newest.plain
            reader = Reader(routes[version.record_name], version, version.plain, reader_schema)
            _refuse_other_decimals(reader)
            found[header] = reader
        return Readers(found, self.streams[topic].tombstone_routes, self.hasher)

    def confluent_header(self, version: SchemaVersion) -> bytes:
        """What stands before a datum of this schema in Confluent's wire format."""
        for schema_id, name in self._ids.items():
            if name == f"{version.topic}/{version.name}.avsc":
                return CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")
        raise ConfigurationError(f"schema {version.name} has no id: add it to {self.folder.name}/ids.json")

    def _headers(self) -> Iterator[tuple[bytes, SchemaVersion]]:
        for version in self.versions.values():
            yield version.header, version
        for schema_id, name in self._ids.items():
            path = self.folder / name
            if path not in self.versions:
                raise ConfigurationError(f"{self.folder.name}/ids.json names {name}, which is not there")
            yield CONFLUENT_MAGIC + schema_id.to_bytes(4, "big"), self.versions[path]

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


def _load(path: Path) -> SchemaVersion:
    matched = FILE_NAME.fullmatch(path.name)
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
        parse_schema(source)
    except (ValueError, fastavro.schema.SchemaParseException) as error:
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


def _refuse_other_decimals(reader: Reader) -> None:
    """A decimal's bytes mean nothing without its scale, so every version must have the catalog's digits."""
    fields = {field["name"]: field["type"] for field in reader.version.source["fields"]}
    for name, digits in reader.route.decimals:
        found = _decimal_digits(fields[name]) if name in fields else digits
        if found != digits:
            raise ConfigurationError(
                f"schema {reader.version.topic}/{reader.version.name}: {name} is a decimal of {found}, "
                f"but the catalog has {digits} (precision, scale)"
            )


def _decimal_digits(schema: Json) -> tuple[int, int] | None:
    for part in schema if isinstance(schema, list) else [schema]:
        if isinstance(part, dict) and part.get("logicalType") == "decimal":
            return part["precision"], part.get("scale", 0)
    return None
