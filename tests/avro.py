"""Avro's binary encoding, read in the plainest way, straight from the specification: the model's own decoder.

Only what our schemas use. It is not fastavro on purpose: a model that shares a library shares its faults.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any


class Unreadable(Exception):
    """The bytes are not a datum of the schema; the one argument is the reason."""


class Tolerated(Exception):
    """Bytes that the specification forbids and fastavro lets pass: a number of more than 64 bits (it wraps), a union's
    negative branch (it counts from the end), a boolean that is neither 0 nor 1, and a block of an array whose size is
    not the declared one. The product's judgement is left open there."""


class Bytes:
    """Bytes that are read from front to back."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.position + count > len(self.content):
            raise Unreadable("truncated")
        taken = self.content[self.position : self.position + count]
        self.position += count
        return taken

    def number(self) -> int:
        """A long: base 128, least significant group first, zigzag."""
        result = shift = 0
        while True:
            byte = self.take(1)[0]
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if result >= 2**64 or shift > 70:
            raise Tolerated
        return (result >> 1) ^ -(result & 1)


def read(schema: Any, content: Bytes) -> Any:
    """The next datum of a schema; logical types are left aside."""
    if isinstance(schema, list):
        branch = content.number()
        if -len(schema) <= branch < 0:
            raise Tolerated
        if not 0 <= branch < len(schema):
            raise Unreadable("malformed")
        return read(schema[branch], content)
    if not isinstance(schema, dict):
        return PRIMITIVES[schema](content)
    if schema["type"] == "record":
        return {field["name"]: read(field["type"], content) for field in schema["fields"]}
    if schema["type"] == "array":
        return _items(schema["items"], content)
    return read(schema["type"], content)


def _items(schema: Any, content: Bytes) -> list[Any]:
    """Blocks, each of so many items, up to one of none; a negative count is followed by the block's size in bytes."""
    items: list[Any] = []
    while count := content.number():
        if count == -(2**63):
            raise Tolerated  # as a positive number it has more than 64 bits
        size = content.number() if count < 0 else None
        begins = content.position
        items += [read(schema, content) for _ in range(abs(count))]
        if size not in (None, content.position - begins):
            raise Tolerated
    return items


def _boolean(content: Bytes) -> bool:
    byte = content.take(1)[0]
    if byte > 1:
        raise Tolerated
    return byte == 1


def _text(content: Bytes) -> str:
    try:
        return content.take(content.number()).decode()
    except UnicodeDecodeError:
        raise Unreadable("invalid_text") from None


PRIMITIVES: dict[str, Callable[[Bytes], Any]] = {
    "null": lambda _content: None,
    "boolean": _boolean,
    "int": Bytes.number,
    "long": Bytes.number,
    "double": lambda content: struct.unpack("<d", content.take(8))[0],
    "bytes": lambda content: content.take(content.number()),
    "string": _text,
}
