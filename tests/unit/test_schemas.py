"""The schema store: which header names which schema, and which folders of schemas are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream.catalog import STREAMS
from stream.errors import ConfigurationError
from stream.schemas import SchemaStore
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
        assert reader is not None
        assert (reader.version.record_name, reader.version.version) == (name, version)


def test_only_an_older_version_is_resolved() -> None:
    readers = SchemaStore().readers("trip").by_header
    old, new = (readers[events.single_object_header("TripRecorded", version)] for version in (1, 2))
    assert old is not None
    assert new is not None
    assert [field["name"] for field in old.reader_schema["fields"]] == list(events.trip())  # type: ignore[index]
    assert new.reader_schema is None


def test_a_schema_of_another_topic_is_known_and_not_expected() -> None:
    header = events.single_object_header("BytemarkPassLogged")
    readers = SchemaStore().readers("trip").by_header
    assert header in readers
    assert readers[header] is None


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
    ids: dict[str, str] = json.loads((SCHEMAS / "ids.json").read_text())
    files = {f"{path.parent.name}/{path.name}" for path in SCHEMAS.glob("*/*.avsc")}
    assert sorted(ids.values()) == sorted(files)


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
    (folder / "ids.json").unlink()
    assert "no schema for TripRated" in refusal(folder)


def test_an_id_without_its_schema_is_refused(folder: Path) -> None:
    (folder / "trip" / "TripRecorded.v1.avsc").unlink()
    assert "TripRecorded.v1.avsc, which is not there" in refusal(folder)


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


@pytest.mark.parametrize("text", ["{", '{"one": "x"}', "[1]"])
def test_ids_that_are_no_ids_are_refused(folder: Path, text: str) -> None:
    (folder / "ids.json").write_text(text)
    assert "ids.json" in refusal(folder)
