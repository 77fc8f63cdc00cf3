"""A schema's fingerprints: Avro's own, and those of libraries that have a canonical form of their own.

A canonical form is a schema's text without what reading doesn't need. Producers in Go put other fingerprints before
their data than those in Java, Python or JavaScript, and can't help it. Tried with the versions that the test names.
"""

import json
from collections.abc import Iterator
from typing import Any, Protocol

from fastavro.schema import to_parsing_canonical_form

EMPTY = 0xC15D213AA4D7A795
"""The fingerprint of nothing, as the specification has it."""


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (EMPTY if byte & 1 else 0)
    return byte


CRC_TABLE = tuple(map(_crc_of, range(256)))

AVRO, HAMBA, GOAVRO = "Avro", "hamba/avro", "linkedin/goavro"


class _Library(Protocol):
    full_names: dict[str, str]
    """Those of the named types so far, by their short ones."""

    def namespace(self, outer: str, own: str | None) -> str:
        """The namespace inside a named type that states its own, or none."""

    def primitive(self, schema: Any) -> Any:
        """A primitive type that is written as an object."""


class _Hamba:
    """Keeps logical types."""

    def __init__(self) -> None:
        self.full_names: dict[str, str] = {}

    def namespace(self, outer: str, own: str | None) -> str:
        return outer if own is None else own

    def primitive(self, schema: Any) -> Any:
        kept = {name: schema[name] for name in ("type", "logicalType", "precision", "scale") if schema.get(name)}
        return kept if "logicalType" in kept else schema["type"]


class _Goavro:
    """Leaves an object where there was a logical type that it knows, gives the first decimal of each size a name, and
    puts a namespace behind the outer one."""

    unknown = ("uuid",)

    def __init__(self) -> None:
        self.full_names: dict[str, str] = {}
        self._decimals: set[tuple[int, int]] = set()

    def namespace(self, outer: str, own: str | None) -> str:
        return outer if own is None else f"{outer}.{own}".lstrip(".")

    def primitive(self, schema: Any) -> Any:
        logical_type = schema.get("logicalType")
        if logical_type is None or logical_type in self.unknown:
            return schema["type"]
        digits = (schema.get("precision", 0), schema.get("scale", 0))
        if logical_type != "decimal" or digits in self._decimals:
            return {"type": schema["type"]}
        self._decimals.add(digits)
        return {"name": "bytes.decimal", "type": schema["type"]}


def fingerprints(schema: Any) -> Iterator[tuple[str, bytes]]:
    """Each library with the eight bytes that it has for the schema in single-object encoding."""
    yield AVRO, _digest(to_parsing_canonical_form(schema))
    for name, library in ((HAMBA, _Hamba()), (GOAVRO, _Goavro())):
        yield name, _digest(json.dumps(_form(schema, "", library), separators=(",", ":")))


def _digest(form: str) -> bytes:
    """CRC-64-AVRO. fastavro's takes four times as long, and every command begins with three for each schema."""
    crc = EMPTY
    for byte in form.encode():
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(8, "little")


def _form(schema: Any, namespace: str, library: _Library) -> Any:
    if isinstance(schema, str):
        return library.full_names.get(schema, schema)
    if isinstance(schema, list):
        return [_form(branch, namespace, library) for branch in schema]
    kind = schema["type"]
    if kind in ("array", "map"):
        part = "items" if kind == "array" else "values"
        return {"type": kind, part: _form(schema[part], namespace, library)}
    if "name" not in schema:
        return library.primitive(schema)
    namespace = library.namespace(namespace, schema.get("namespace"))
    full_name = library.full_names[schema["name"]] = f"{namespace}.{schema['name']}".lstrip(".")
    form = {"name": full_name, "type": kind}
    if "fields" in schema:
        fields = ((field["name"], _form(field["type"], namespace, library)) for field in schema["fields"])
        form["fields"] = [{"name": name, "type": of} for name, of in fields]
    return {**form, **{name: schema[name] for name in ("symbols", "size") if name in schema}}
