"""One version of a record's schema, as its file `schemas/<topic>/<Record>.v<N>.avsc` declares it."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fastavro.schema import SchemaParseException, fullname, parse_schema

from stream.errors import ConfigurationError
from stream.schemas.bounds import require_bounded
from stream.schemas.fingerprints import AVRO, fingerprints
from stream.schemas.framing import single_object_header

FILE_NAME = re.compile(r"(?P<record>\w+)\.v(?P<version>\d+)\.avsc")

NO_SCHEMA = (ValueError, SchemaParseException)
"""Errors of fastavro on text that is no Avro schema."""

Json = Any


@dataclass(frozen=True)
class SchemaVersion:
    """A version of a record's schema."""

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
        """The file by its place in the folder of schemas."""
        return f"{self.topic}/{self.name}.avsc"

    @cached_property
    def full_names(self) -> frozenset[str]:
        """The record's name with its namespace, and its earlier names (aliases)."""
        names = (self.source["name"], *self.source.get("aliases", ()))
        return frozenset(fullname({**self.source, "name": name}) for name in names)

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The earlier names of fields (aliases), each with the name of now."""
        return {alias: field["name"] for field in self.source["fields"] for alias in field.get("aliases", ())}

    @cached_property
    def plain(self) -> Json:
        """The parsed schema without logical types. Decoding with it leaves times, ids and decimals as they are on the
        wire. That costs half as much, and fastavro would round a decimal that is too long."""
        return parse_schema(without_logical_types(self.source))

    @property
    def header(self) -> bytes:
        """The header of a datum of this schema in single-object encoding. Defaults and logical types don't change
        it."""
        return self.headers[AVRO]

    @cached_property
    def headers(self) -> dict[str, bytes]:
        """The headers that stand before such data in single-object encoding, by the library that writes them."""
        return {library: single_object_header(digest) for library, digest in fingerprints(self.source)}


def load_version(path: Path) -> SchemaVersion:
    """Read a schema's file. Raises ConfigurationError where it is no schema, or is named after another record."""
    matched = FILE_NAME.fullmatch(path.name)
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
        require_bounded(parse_schema(source))
    except NO_SCHEMA as error:
        raise ConfigurationError(f"{path.name} is not an Avro schema: {error}") from error
    if matched is None or not isinstance(source, dict) or source.get("name") != matched["record"]:
        raise ConfigurationError(f"{path.name} must be named <Record>.v<N>.avsc after the record that it declares")
    return SchemaVersion(path.parent.name, matched["record"], int(matched["version"]), source)


def without_logical_types(schema: Json) -> Json:
    """The same schema, whose values stay as they are on the wire."""
    if isinstance(schema, dict):
        if "logicalType" in schema and isinstance(schema["type"], str) and schema["type"] != "fixed":
            return schema["type"]  # the bare name is what fastavro reads quickest
        return {name: without_logical_types(part) for name, part in schema.items() if name != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(part) for part in schema]
    return schema
