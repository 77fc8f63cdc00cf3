"""Whether data of one schema can be read with another, by Avro's rules: BACKWARD, as registries call it.

Stricter than reading: here every branch of a union must find its like, whether or not anybody ever writes it.
"""

from collections.abc import Iterator, Mapping

from stream.schemas.version import Json

PROMOTIONS: Mapping[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
"""The types that a reader may have where the writer has this type."""


def incompatibilities(writer: Json, reader: Json) -> list[str]:
    """Places where the reader can't read the writer's data; empty where it always can. Both are sources of schemas that
    fastavro has parsed once, so they are sound."""
    return list(_compare(writer, reader, ""))


def _compare(writer: Json, reader: Json, path: str) -> Iterator[str]:
    if isinstance(writer, list):
        for branch in writer:
            yield from _compare(branch, reader, path)
    elif isinstance(reader, list):
        if all(any(True for _ in _compare(writer, branch, path)) for branch in reader):
            yield f"{path or 'schema'}: {_kind(writer)} is no branch of the reader's union"
    elif _kind(writer) != _kind(reader):
        if _kind(reader) not in PROMOTIONS.get(_kind(writer), ()):
            yield f"{path or 'schema'}: {_kind(writer)} can't be read as {_kind(reader)}"
    else:
        yield from _compare_alike(writer, reader, path)


def _compare_alike(writer: Json, reader: Json, path: str) -> Iterator[str]:
    """Two types of one kind."""
    match _kind(reader):
        case "record":
            yield from _compare_fields(writer, reader, path)
        case "array":
            yield from _compare(writer["items"], reader["items"], path)
        case "map":
            yield from _compare(writer["values"], reader["values"], path)
        case "enum":
            unknown = set(writer["symbols"]) - set(reader["symbols"])
            if unknown and "default" not in reader:
                yield f"{path}: the reader lacks the symbols {', '.join(sorted(unknown))}"
        case "fixed":
            if writer["size"] != reader["size"]:
                yield f"{path}: {writer['size']} bytes can't be read as {reader['size']}"


def _compare_fields(writer: Json, reader: Json, path: str) -> Iterator[str]:
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        here = f"{path}.{field['name']}" if path else field["name"]
        names = [field["name"], *field.get("aliases", ())]
        counterpart = next((written[name] for name in names if name in written), None)
        if counterpart is not None:
            yield from _compare(counterpart["type"], field["type"], here)
        elif "default" not in field:
            yield f"{here}: the writer lacks it, and it has no default"


def _kind(schema: Json) -> str:
    """`long`, `record` and so on; a name that was declared before stands for itself."""
    return str(schema if isinstance(schema, str) else schema["type"])
