"""Fingerprints of Go's libraries: the bytes that these wrote, for our schemas and for one of every shape.

Printed by linkedin/goavro v2.15.0 (`Codec.Rabin`, least byte first) and hamba/avro v2.31.0 (`soe.BuildHeader`).
"""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stream.catalog import STREAMS
from stream.cli.main import app
from stream.schemas.fingerprints import AVRO, GOAVRO, HAMBA, fingerprints
from stream.schemas.framing import SINGLE_OBJECT_HEADER_BYTES
from stream.stages.decode import decode_record
from tests import events
from tests.stores import STORE

EVERY_SHAPE = """
{"type": "record", "name": "All", "namespace": "a.b", "doc": "x", "fields": [
  {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
  {"name": "f", "type": ["null", {"type": "fixed", "name": "F", "size": 16}], "default": null},
  {"name": "m", "type": {"type": "map", "values": {"type": "long", "logicalType": "time-micros"}}},
  {"name": "d", "type": {"type": "int", "logicalType": "date"}},
  {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "p", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
  {"name": "q", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
  {"name": "r", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 0}},
  {"name": "n", "type": {"type": "record", "name": "N", "namespace": "a.c", "fields": [
    {"name": "x", "type": {"type": "string"}}]}},
  {"name": "o", "type": {"type": "array", "items": {"type": "record", "name": "O", "fields": [
    {"name": "y", "type": "E"}]}}},
  {"name": "z", "type": ["null", "O", "F"]}
]}
"""

GO_HEADERS = {
    "bytemark.pass/BytemarkPassLogged.v1.avsc": ("c301e567aa64aee528fd", "c301011ef958cccae221"),
    "bytemark.order/OrderPaid.v1.avsc": ("c301a400e5d7967eee83", "c3018664e1c796a7d57f"),
    "message/MessageSaved.v1.avsc": ("c30133367b41f4963958", "c301d9d000f3627a0585"),
    "rewards.points/PointsTransacted.v1.avsc": ("c301633d761a45e7d8c8", "c301d5b134867414b78a"),
    "trip/TripRated.v1.avsc": ("c3014384dff812c2378e", "c301fd26e9841d05517e"),
    "trip/TripRecorded.v1.avsc": ("c30188f0b5c0b869b919", "c301f673d352729da07b"),
    "trip/TripRecorded.v2.avsc": ("c30127414bbff5ff12fd", "c301f1121c4436a8ca79"),
}
"""By file what stands before its data: goavro's, then hamba's."""


def test_a_schema_of_every_shape_has_the_fingerprints_that_go_writes() -> None:
    digests = {library: digest.hex() for library, digest in fingerprints(json.loads(EVERY_SHAPE))}
    assert digests == {AVRO: "e1b6a957028f2681", HAMBA: "7cb24cc9b01aa535", GOAVRO: "334e94b98084994b"}


@pytest.mark.parametrize("file_name", GO_HEADERS)
def test_our_schemas_have_the_headers_that_go_writes(file_name: str) -> None:
    (version,) = (version for version in STORE.versions.values() if version.file_name == file_name)
    assert (version.headers[GOAVRO].hex(), version.headers[HAMBA].hex()) == GO_HEADERS[file_name]


def test_each_header_of_a_schema_leads_to_it() -> None:
    readers = {topic: STORE.readers(topic) for topic in STREAMS}
    for version in STORE.versions.values():
        for header in version.headers.values():
            assert readers[version.topic].by_header[header].name == version.name
            assert all(header in readers[topic].refused for topic in STREAMS if topic != version.topic)


def test_the_headers_of_each_schema_are_listed() -> None:
    listed = CliRunner().invoke(app, ["schemas", "list", "--topic", "trip", "--format", "json"])
    rows = {(row["schema"], row["written_by"]): row["header"] for row in json.loads(listed.stdout)}
    assert rows["TripRated.v1", GOAVRO] == "c3 01 43 84 df f8 12 c2 37 8e"
    assert rows["TripRated.v1", AVRO] == events.single_object_header("TripRated").hex(" ")
    assert rows["TripRated.v1", "Confluent's, by ids.json"] == events.confluent_header("TripRated").hex(" ")
    assert len(rows) == 3 * 4


@pytest.mark.parametrize("library", [AVRO, HAMBA, GOAVRO])
def test_an_event_of_a_producer_in_go_is_read(library: str) -> None:
    record = events.record("TripRecorded", events.trip())
    version = STORE.newest("trip", "TripRecorded")
    value = version.headers[library] + (record.value or b"")[SINGLE_OBJECT_HEADER_BYTES:]
    readers = STORE.readers("trip")
    assert decode_record(record._replace(value=value), readers)[1] == decode_record(record, readers)[1]
