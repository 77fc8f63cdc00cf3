"""Bounds of writer schemas: a datum must cost no more than its bytes can pay for.

A schema comes from whoever may write to the registry. fastavro reads what it says, in C: a record that holds itself
overflows the stack, and a list of nulls, whose items take no byte, goes on for as long as its count says.
"""

import json
from collections.abc import Iterable
from typing import Any

TEXT_CHARACTERS_MAX = 256 * 1024
"""Our largest schema has some 5,000."""

DEPTH_MAX = 64
"""Lists and objects within each other, in the text and in a datum. Ours have 10. Python's limit is 1000 calls, which
fastavro, in C, doesn't count."""


NULLS = ("null", {"type": "null"})


class UnboundedSchema(ValueError):
    """A schema that we don't read with. The message says why, and names nothing in it."""


def load_schema(text: str) -> Any:
    """The schema of a text that others wrote. Raises UnboundedSchema where it is too large to be looked at, and
    ValueError where it is no JSON."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise UnboundedSchema(f"it has more than {TEXT_CHARACTERS_MAX} characters")
    try:
        source = json.loads(text)
    except RecursionError:
        raise UnboundedSchema(f"it is nested deeper than {DEPTH_MAX}") from None
    _require_shallow(source)
    return source


def require_bounded(plain: Any) -> None:
    """Look through a parsed schema, in which references are full names. Raises UnboundedSchema."""
    if _depth(plain, {}) > DEPTH_MAX:
        raise UnboundedSchema(f"its data are nested deeper than {DEPTH_MAX}")


def _require_shallow(source: Any) -> None:
    level = [source]
    for _ in range(DEPTH_MAX):
        level = [part for each in level if isinstance(each, dict | list) for part in _parts(each)]
        if not level:
            return
    raise UnboundedSchema(f"it is nested deeper than {DEPTH_MAX}")


def _parts(source: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return source.values() if isinstance(source, dict) else source


def _depth(schema: Any, depths: dict[str, int | None]) -> int:
    """The depth of the schema's data. `depths` has that of each named type, and None while the type is looked at."""
    if isinstance(schema, list):  # the branch's number takes a byte, so it may be null
        return 1 + max((_depth(branch, depths) for branch in schema if branch not in NULLS), default=0)
    if isinstance(schema, str):
        return _depth_of_name(schema, depths)
    match schema["type"]:
        case "record" | "error":
            depths[schema["name"]] = None
            if not schema["fields"]:
                raise UnboundedSchema("it has a record without fields")
            depth = depths[schema["name"]] = 1 + max(_depth(field["type"], depths) for field in schema["fields"])
            return depth
        case "array":
            return 1 + _depth(schema["items"], depths)
        case "map":
            return 1 + _depth(schema["values"], depths)
        case "fixed" | "enum":
            if schema["type"] == "fixed" and not (isinstance(schema["size"], int) and schema["size"] > 0):
                raise UnboundedSchema("it has a type of no bytes")
            depths[schema["name"]] = 1
            return 1
    return _depth(schema["type"], depths)


def _depth_of_name(name: str, depths: dict[str, int | None]) -> int:
    if name == "null":
        raise UnboundedSchema("it has a null outside a union")
    depth = depths.get(name, 1)  # a primitive type
    if depth is None:
        raise UnboundedSchema("it has a type that holds itself")
    return depth
