"""The schema store: which header names which schema, and which folders of schemas are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream.catalog import STREAMS
from stream.errors import ConfigurationError, Reason
from stream.schemas.bounds import DEPTH_MAX, TEXT_CHARACTERS_MAX
from stream.schemas.readers import Readers
from stream.schemas.store import SchemaStore
from tests import events
from tests.events import SCHEMAS

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of our schemas, to be spoilt."""
    return Path(shutil.copytree(SCHEMAS, tmp_path / "schemas"))


def change(path: Path, edit: Change, to: Path | None = None) -> None:
    schema = json.loads(path.read_text())
    edit(schema)
    (to or path).write_text(json.dumps(schema))


def fields_of(schema: Any) -> list[str]:
    return [field["name"] for field in schema["fields"]]


def use(folder: Path) -> None:
    """Look at all that the engine looks at when it starts."""
    store = SchemaStore(folder)
    for topic in STREAMS:
        store.readers(topic)
        for route in STREAMS[topic].bound_routes:
            store.newest(topic, route.record_name)


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        use(folder)
    return str(refused.value)


@pytest.mark.parametrize(("name", "version"), [("TripRecorded", 1), *events.NEWEST.items()])
def test_both_framings_lead_to_the_schema(name: str, version: int) -> None:
    readers = SchemaStore().readers(events.TOPICS[name]).by_header
    for header in (events.single_object_header(name, version), events.confluent_header(name, version)):
        reader = readers[header]
        assert reader.route.record_name == name
        assert fields_of(reader.writer_schema) == fields_of(events.plain_schema(name, version))


def test_only_an_older_version_is_resolved() -> None:
    readers = SchemaStore().readers("trip").by_header
    old, new = (readers[events.single_object_header("TripRecorded", version)] for version in (1, 2))
    assert fields_of(old.reader_schema) == list(events.trip())
    assert new.reader_schema is None


def test_a_schema_of_another_topic_is_known_and_not_expected() -> None:
    header = events.single_object_header("BytemarkPassLogged")
    readers = SchemaStore().readers("trip")
    assert header not in readers.by_header
    assert readers.refused[header] is Reason.UNEXPECTED_RECORD


def test_only_where_keys_name_persons_does_a_tombstone_mean_something() -> None:
    store = SchemaStore()
    assert {topic for topic in STREAMS if store.readers(topic).tombstones} == {"user.lifecycle"}
    routes = store.readers("user.lifecycle").tombstones
    assert {kind: route.erases and route.erases.kind for kind, route in routes.items()} == {
        "app": "app",
        "clerk": "clerk",
        "telegram": "telegram",
    }


def test_each_schema_has_an_id_and_each_id_a_schema() -> None:
    for topic in STREAMS:
        ids: dict[str, str] = json.loads((SCHEMAS / topic / "ids.json").read_text())
        assert sorted(ids.values()) == sorted(path.name for path in SCHEMAS.glob(f"{topic}/*.avsc"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda schema: schema.update(doc="another"),
        lambda schema: schema["fields"][0].update(type="string"),
        lambda schema: schema["fields"][5].update(default=None),
    ],
)
def test_schemas_with_equal_fingerprints_are_refused(folder: Path, edit: Change) -> None:
    first = folder / "bytemark.pass" / "BytemarkPassLogged.v1.avsc"
    change(first, edit, to=first.with_name("BytemarkPassLogged.v2.avsc"))
    assert "one fingerprint" in refusal(folder)


def test_an_event_without_a_schema_is_refused(folder: Path) -> None:
    (folder / "trip" / "TripRated.v1.avsc").unlink()
    (folder / "trip" / "ids.json").unlink()
    assert "no schema for TripRated" in refusal(folder)


def test_an_id_without_its_schema_is_refused(folder: Path) -> None:
    (folder / "trip" / "TripRecorded.v1.avsc").unlink()
    assert "schemas/trip/ids.json names TripRecorded.v1.avsc, which is not there" in refusal(folder)


def test_a_schema_without_an_event_is_refused(folder: Path) -> None:
    stranger = folder / "trip" / "TripPlanned.v1.avsc"
    change(folder / "trip" / "TripRated.v1.avsc", lambda schema: schema.update(name="TripPlanned"), to=stranger)
    assert "TripPlanned" in refusal(folder)


@pytest.mark.parametrize(("precision", "scale"), [(10, 3), (12, 2)])
def test_a_decimal_with_other_digits_than_the_catalogs_is_refused(folder: Path, precision: int, scale: int) -> None:
    def edit(schema: dict[str, Any]) -> None:
        (fare,) = [field for field in schema["fields"] if field["name"] == "fare"]
        fare["type"][1].update(precision=precision, scale=scale)

    change(folder / "trip" / "TripRecorded.v2.avsc", edit)
    assert "fare is a decimal" in refusal(folder)


def test_a_decimal_whose_schema_says_only_bytes_is_refused(folder: Path) -> None:
    def edit(schema: dict[str, Any]) -> None:
        (fare,) = [field for field in schema["fields"] if field["name"] == "fare"]
        fare["type"] = ["null", "bytes"]

    change(folder / "trip" / "TripRecorded.v2.avsc", edit)
    assert "fare" in refusal(folder)


@pytest.mark.parametrize("name", ["TripRated.avsc", "TripRated.vX.avsc", "Other.v2.avsc"])
def test_a_file_that_is_not_named_after_its_record_is_refused(folder: Path, name: str) -> None:
    path = folder / "trip" / "TripRated.v1.avsc"
    path.rename(path.with_name(name))
    assert "must be named" in refusal(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "record"}', '"strin"'])
def test_what_is_no_schema_is_refused(folder: Path, text: str) -> None:
    (folder / "trip" / "TripRated.v1.avsc").write_text(text)
    refusal(folder)


@pytest.mark.parametrize("schema_id", [0, 5, 2**30 - 1, 2**31])
def test_an_id_that_a_registry_could_give_to_another_schema_is_refused(folder: Path, schema_id: int) -> None:
    (folder / "trip" / "ids.json").write_text(json.dumps({schema_id: "TripRated.v1.avsc"}))
    assert f"schemas/trip/ids.json has the id {schema_id}, which a schema registry could give" in refusal(folder)


@pytest.mark.parametrize("text", ["{", '{"one": "x"}', "[1]"])
def test_ids_that_are_no_ids_are_refused(folder: Path, text: str) -> None:
    (folder / "trip" / "ids.json").write_text(text)
    assert "trip/ids.json must map schema ids" in refusal(folder)


def test_an_id_that_two_topics_have_is_refused(folder: Path) -> None:
    taken = next(iter(json.loads((folder / "learner" / "ids.json").read_text())))
    (folder / "trip" / "ids.json").write_text(json.dumps({taken: "TripRated.v1.avsc"}))
    assert f"schemas/learner/ids.json and schemas/trip/ids.json both have the id {taken}" in refusal(folder)


HEADER = b"\x00\x00\x01\x00\x00"
STORE = SchemaStore(ids={})


def learned(edit: Change, record_name: str = "TripRecorded") -> Readers:
    """The readers of trips, once they have learned a registry's edited schema."""
    source = json.loads(events.schema_file(record_name).read_text())
    edit(source)
    readers = STORE.readers("trip")
    readers.learn(HEADER, json.dumps(source))
    return readers


def field(schema: dict[str, Any], name: str) -> Any:
    return next(schema_field for schema_field in schema["fields"] if schema_field["name"] == name)


def test_ids_of_a_registry_take_the_place_of_the_files() -> None:
    store = SchemaStore(ids={77: "trip/TripRated.v1.avsc"})
    assert store.confluent_header(store.newest("trip", "TripRated")) == b"\x00\x00\x00\x00\x4d"
    assert events.confluent_header("TripRated") not in store.readers("trip").by_header
    with pytest.raises(ConfigurationError, match="stream schemas register"):
        store.confluent_header(store.newest("trip", "TripRecorded"))


def test_our_newest_from_a_registry_is_not_resolved() -> None:
    readers = learned(lambda schema: schema.update(doc="said otherwise"))
    assert readers.by_header[HEADER].reader_schema is None


def test_another_writer_schema_is_resolved_to_our_newest() -> None:
    def edit(schema: dict[str, Any]) -> None:
        schema["fields"].append({"name": "weather", "type": "string"})
        schema["fields"].remove(field(schema, "ended_on"))
        field(schema, "distance")["type"] = "float"

    reader = learned(edit).by_header[HEADER]
    assert fields_of(reader.reader_schema) == list(events.trip())
    assert "weather" in fields_of(reader.writer_schema)


@pytest.mark.parametrize(
    "edit",
    [
        lambda schema: schema.update(name="TripPlanned"),
        lambda schema: schema.update(namespace="elsewhere"),
        lambda schema: schema.update(type="enum", symbols=["A"]),
        lambda schema: schema.clear(),
    ],
)
def test_a_schema_of_another_name_is_unexpected(edit: Change) -> None:
    assert learned(edit).refused == {**STORE.readers("trip").refused, HEADER: Reason.UNEXPECTED_RECORD}


def scale_three(schema: dict[str, Any]) -> None:
    field(schema, "fare")["type"][1]["scale"] = 3


def only_bytes(schema: dict[str, Any]) -> None:
    field(schema, "fare")["type"] = ["null", "bytes"]


def no_precision(schema: dict[str, Any]) -> None:
    del field(schema, "fare")["type"][1]["precision"]


def milliseconds(schema: dict[str, Any]) -> None:
    field(schema, "started_on")["type"]["logicalType"] = "timestamp-millis"


def no_fields(schema: dict[str, Any]) -> None:
    del schema["fields"]


def a_name_of_elsewhere(schema: dict[str, Any]) -> None:
    field(schema, "distance")["type"] = "some.Other"


def extra(of: Any) -> Change:
    """A field more, of some type."""
    return lambda schema: schema["fields"].append({"name": "weather", "type": of})


def record(name: str, *types: Any) -> Any:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": of} for n, of in enumerate(types)]}


def list_of(of: Any) -> Any:
    return {"type": "array", "items": of}


def nested(depth: int) -> Any:
    return list_of(nested(depth - 1)) if depth else "int"


def many(count: int) -> Any:
    """Records in each other, though the text is flat."""
    return record("Last", record("R0", "int"), *(record(f"R{n}", f"R{n - 1}") for n in range(1, count)))


@pytest.mark.parametrize(
    "of",
    [
        record("Node", ["null", "Node"]),
        list_of(record("Node", list_of("Node"))),
        {"type": "map", "values": record("Node", {"type": "map", "values": "Node"})},
        list_of("null"),
        list_of({"type": "null"}),
        {"type": "map", "values": "null"},
        list_of(record("Empty")),
        list_of(record("Nulls", "null", "null")),
        list_of({"type": "fixed", "name": "Nothing", "size": 0}),
        list_of({"type": "fixed", "name": "Everything", "size": -1}),
        list_of({"type": "fixed", "name": "Half", "size": 0.5}),
        nested(DEPTH_MAX),
        nested(900),
        many(DEPTH_MAX - 2),
        ["null", *(record(f"R{n}", "null") for n in range(3))],
    ],
)
def test_a_schema_whose_data_could_cost_anything_is_incompatible(of: Any) -> None:
    """Nothing is read with it: in C it would end the process, or go on for hours."""
    readers = learned(extra(of))
    assert readers.refused[HEADER] is Reason.INCOMPATIBLE_SCHEMA
    assert HEADER not in readers.by_header


@pytest.mark.parametrize("text", ["[" * 100_000, '{"doc": ' * 70 + "{}" + "}" * 70, " " * TEXT_CHARACTERS_MAX + "{}"])
def test_a_text_that_is_too_large_to_be_looked_at_is_incompatible(text: str) -> None:
    readers = STORE.readers("trip")
    readers.learn(HEADER, text)
    assert readers.refused[HEADER] is Reason.INCOMPATIBLE_SCHEMA


@pytest.mark.parametrize("text", ["", "null", "7", "[]", "nonsense", '{"type": "record", "name": []}'])
def test_a_text_that_is_no_record_is_unexpected(text: str) -> None:
    readers = STORE.readers("trip")
    readers.learn(HEADER, text)
    assert readers.refused[HEADER] is Reason.UNEXPECTED_RECORD


@pytest.mark.parametrize(
    "of",
    [
        list_of("double"),
        ["null", record("Node", ["null", "int"])],
        {"type": "map", "values": list_of("string")},
        list_of({"type": "fixed", "name": "Id", "size": 16}),
        nested(10),
        record("Twice", record("Part", "int"), "Part", list_of("Part")),
        many(DEPTH_MAX - 3),
    ],
)
def test_a_field_more_of_any_bounded_type_is_passed_over(of: Any) -> None:
    assert learned(extra(of)).by_header[HEADER].has_unread_fields


def test_one_of_our_schemas_that_holds_itself_is_refused(folder: Path) -> None:
    change(folder / "trip" / "TripRated.v1.avsc", extra(record("Node", ["null", "Node"])))
    assert "holds itself" in refusal(folder)


def test_only_a_writer_with_fields_that_we_lack_is_watched_where_they_are_passed_over() -> None:
    readers = SchemaStore().readers("trip").by_header.values()
    assert not any(reader.has_unread_fields for reader in readers)


@pytest.mark.parametrize("edit", [scale_three, only_bytes, no_precision, milliseconds, no_fields, a_name_of_elsewhere])
def test_a_schema_whose_data_would_be_misread_is_incompatible(edit: Change) -> None:
    readers = learned(edit)
    assert readers.refused[HEADER] is Reason.INCOMPATIBLE_SCHEMA
    assert HEADER not in readers.by_header
