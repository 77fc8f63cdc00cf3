"""Lists whose items are counted before they are read: an item may take three bytes in a record, and 200 in memory.

Counting costs as much as reading. So only a value is counted that is long enough to hold many times the items that its
list may have, which no sound one is unless the list is nearly full.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

from fastavro import schemaless_reader
from fastavro.schema import parse_schema

from stream.schemas.version import Json

UNCOUNTED_TIMES = 4
"""The most items that may be read uncounted, in times of those that are allowed: some megabytes for a moment."""

NUMBER_BYTES = {"null": 0, "float": 4, "double": 8}
"""The least bytes of a value; of every other type it is one, for a length, a number or a branch."""


@dataclass(frozen=True)
class BoundedList:
    """A field of a writer schema that lists items."""

    field: str
    items_max: int
    item: Json
    before: Json
    """The record's fields up to the list."""
    nothing: Json
    """The same record without fields: to be read with, so that what stands before is passed over."""

    @cached_property
    def uncounted_bytes_max(self) -> int:
        """The longest value whose items are read uncounted."""
        return UNCOUNTED_TIMES * self.items_max * _bytes_min(self.item)

    def is_exceeded(self, buffer: BytesIO) -> bool:
        """Whether the datum at the buffer's position has more items; False as well where it can't be read that far."""
        count = 0
        try:
            schemaless_reader(buffer, self.before, self.nothing)
            while block := _number(buffer):
                if block < 0:  # then the block's length in bytes follows
                    block = -block
                    _number(buffer)
                count += block
                if count > self.items_max:
                    break
                for _ in range(block):
                    schemaless_reader(buffer, self.item, None)
        except Exception:  # noqa: BLE001 - whoever reads the datum stumbles over the same byte, and says what is wrong
            return False
        return count > self.items_max


def bounded_lists(writer: Json, items_max: Mapping[str, int], renamed: Mapping[str, str]) -> Iterator[BoundedList]:
    """The lists of a writer's record whose fields, by our names, may have so many items. Raises SchemaParseException
    where an item can't be understood by itself."""
    for place, field in enumerate(writer["fields"]):
        name = renamed.get(field["name"], field["name"])
        if name in items_max and isinstance(field["type"], dict) and field["type"]["type"] == "array":
            nothing = {"type": "record", "name": writer["name"], "fields": []}
            before = {**nothing, "fields": writer["fields"][:place]}
            item = parse_schema(field["type"]["items"])
            yield BoundedList(name, items_max[name], item, parse_schema(before), parse_schema(nothing))


def _number(buffer: BytesIO) -> int:
    number = schemaless_reader(buffer, "long", None)
    assert isinstance(number, int)
    return number


def _bytes_min(schema: Json) -> int:
    if isinstance(schema, list):
        return 1 + min(map(_bytes_min, schema))
    kind = schema if isinstance(schema, str) else schema["type"]
    match kind:
        case "record":
            return sum(_bytes_min(field["type"]) for field in schema["fields"])
        case "fixed":
            return int(schema["size"])
    return NUMBER_BYTES.get(kind, 1)
