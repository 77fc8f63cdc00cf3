"""Writer schemas that somebody might have put into a registry, of ours and bent, for the fuzz of records."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from random import Random
from typing import Any

from fastavro import schemaless_writer
from fastavro.utils import generate_many

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
LOGICAL_TYPES = ("decimal", "uuid", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "x")
KINDS = ("primitive", "primitive", "primitive", "name", "array", "map", "union", "record", "fixed", "enum", "object")
NAMES = ("A", "B", "C", "Recipient", "user_id", "a.b.C", "", "1", "null", "long")
"""Few, so that they meet: two types of one name, a type within itself."""

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "null",
    "nothing",
    [],
    {},
    [[]],
    {"type": {}},
    {"type": "array"},
    "\ud800",
)
SIZES = (-1, 0, 1, 16, 2**40, 2**70, 1.5, "x", None)

PARTS_MAX = 10_000
"""The most that fastavro is to make of a schema: each list gets ten items, and a fixed type all of its bytes."""


class SchemaMutator:
    """Texts of schemas like none that a producer would register, each made from one of these."""

    def __init__(self, sources: list[Any], chance: Random) -> None:
        self._sources = sources
        self._chance = chance
        self._changes: list[Callable[[Any], None]] = [
            self._add_field,
            self._add_field,
            self._drop_field,
            self._retype_field,
            self._wrap_type,
            self._rename,
            self._shuffle,
            self._bend_logical_type,
            self._replace_anything,
        ]

    def __iter__(self) -> Iterator[str]:
        while True:
            source = copy.deepcopy(self._chance.choice(self._sources))
            for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3, 5))):
                try:
                    self._chance.choice(self._changes)(source)
                except (KeyError, TypeError, AttributeError, IndexError, ValueError):
                    continue  # an earlier change left nothing to be changed
            try:
                text = json.dumps(source)
            except RecursionError:
                text = "[" * 3000  # as deep as Python would have written
            yield text if self._chance.random() < 0.95 else self._bent(text)

    def _bent(self, text: str) -> str:
        at = self._chance.randint(0, len(text))
        return (
            text[:at]
            + self._chance.choice(("", "[" * 3000, "{", "9" * 5000, "\x00", '"', " " * 300_000))
            + text[at + 1 :]
        )

    def _field(self, source: Any) -> Any:
        return self._chance.choice(source["fields"])

    def _add_field(self, source: Any) -> None:
        at = self._chance.randint(0, len(source["fields"]))
        source["fields"].insert(at, {"name": f"extra_{at}", "type": self._type(0)})

    def _drop_field(self, source: Any) -> None:
        source["fields"].remove(self._field(source))

    def _retype_field(self, source: Any) -> None:
        self._field(source)["type"] = self._type(0)

    def _wrap_type(self, source: Any) -> None:
        field = self._field(source)
        for _ in range(self._chance.choice((1, 1, 2, 70, 900))):
            of = field["type"]
            field["type"] = self._chance.choice(({"type": "array", "items": of}, {"type": "map", "values": of}))
        if self._chance.random() < 0.5:
            field["type"] = ["null", field["type"]]

    def _rename(self, source: Any) -> None:
        what = self._chance.choice((source, self._field(source)))
        what["aliases"] = [what["name"]]
        if self._chance.random() < 0.5:
            what["name"] = self._chance.choice(NAMES)

    def _shuffle(self, source: Any) -> None:
        self._chance.shuffle(source["fields"])

    def _bend_logical_type(self, source: Any) -> None:
        of = self._field(source)["type"]
        part = of[-1] if isinstance(of, list) else of
        part["logicalType"] = self._chance.choice(LOGICAL_TYPES)
        part[self._chance.choice(("precision", "scale"))] = self._chance.choice((0, 2, 3, 30, -1, "x", None))

    def _replace_anything(self, source: Any) -> None:
        """Put something that nobody expects at a place drawn by lot."""
        place = source
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = self._chance.choice(keys)
            if not isinstance(place[key], dict | list) or self._chance.random() < 0.3:
                place[key] = copy.deepcopy(self._chance.choice(JUNK))
                return
            place = place[key]

    def _type(self, depth: int) -> Any:
        chance = self._chance
        kind = chance.choice(KINDS)
        if depth > 5 or kind == "primitive":
            return chance.choice(PRIMITIVES)
        inner = depth + 1
        match kind:
            case "name":
                return chance.choice(NAMES)
            case "array":
                return {"type": "array", "items": self._type(inner)}
            case "map":
                return {"type": "map", "values": self._type(inner)}
            case "union":
                return [self._type(inner) for _ in range(chance.randint(0, 4))]
            case "record":
                fields = [{"name": f"f{number}", "type": self._type(inner)} for number in range(chance.randint(0, 4))]
                return {"type": "record", "name": chance.choice(NAMES), "fields": fields}
            case "fixed":
                return {"type": "fixed", "name": chance.choice(NAMES), "size": chance.choice(SIZES)}
            case "enum":
                return {"type": "enum", "name": chance.choice(NAMES), "symbols": ["A", "B"][: chance.randint(0, 2)]}
        return {"type": chance.choice(PRIMITIVES), "logicalType": chance.choice(LOGICAL_TYPES)}


def data_of(schema: Any) -> list[bytes]:
    """Some data of a parsed schema; none where fastavro can't write what it makes up itself."""
    if _parts(schema, {}) > PARTS_MAX:
        return []
    written = []
    try:
        for datum in generate_many(schema, 3):
            buffer = BytesIO()
            schemaless_writer(buffer, schema, datum)
            written.append(buffer.getvalue())
    except Exception:  # noqa: BLE001 - not what is tested
        return []
    return written


def _parts(schema: Any, named: dict[str, int]) -> int:
    """The number of parts that fastavro would make, by the names of types whose size is known."""
    if isinstance(schema, list):
        return sum(_parts(branch, named) for branch in schema)
    if isinstance(schema, str):
        return named.get(schema, 1)
    kind = schema["type"]
    if kind in ("array", "map"):
        return 10 * _parts(schema["items" if kind == "array" else "values"], named)
    if "name" not in schema:
        return 1
    fields = sum(_parts(field["type"], named) for field in schema.get("fields", ()))
    return named.setdefault(schema["name"], 1 + fields + (schema["size"] if kind == "fixed" else 0))
