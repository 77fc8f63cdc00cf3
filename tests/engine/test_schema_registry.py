"""`stream run` with a schema registry: whose ids count, and what a registry's faults cost (time, and nothing else)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import fastavro
import pytest

from deploy.local import Registry as RegistryServer
from stream.schemas.framing import confluent_header
from stream.schemas.registry import Registry
from stream.schemas.version import SchemaVersion
from tests import stores
from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied
from tests.events import Datum, body, encode, plain_schema, rating, trip, uuid_text
from tests.events import confluent_header as local_header
from tests.proxy import SlowProxy
from tests.waiting import wait_for

Settings = dict[str, str]


@pytest.fixture
def registered(registry_server: RegistryServer, stream_settings: Settings) -> Mapping[str, bytes]:
    """As `tests.stores.registered`. Consumers are told the URL."""
    stream_settings["STREAM_SCHEMA_REGISTRY_URL"] = registry_server.url
    return stores.registered(registry_server.url)


def foreign(server: RegistryServer, record_name: str, edit: Callable[[dict[str, Any]], None]) -> tuple[bytes, Any]:
    """A schema that others registered: the header of its id, and the schema to write with."""
    source = copy.deepcopy(stores.STORE.newest("trip", record_name).source)
    edit(source)
    with Registry(server.url) as registry:
        (one,) = registry.register([SchemaVersion(f"others-{time.time_ns()}", record_name, 1, source)])
    plain = copy.deepcopy(plain_schema(record_name))
    edit(plain)
    return confluent_header(one.schema_id or 0), fastavro.parse_schema(plain)


def written(header: bytes, schema: Any, datum: Datum) -> bytes:
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, schema, datum)
    return header + buffer.getvalue()


def rated(number: int, header: bytes) -> tuple[str, bytes, bytes]:
    datum = rating(rating_id=number, trip_id=number, event_id=uuid_text(number))
    return "trip", str(number).encode(), header + body("TripRated", datum)


def add_weather(schema: dict[str, Any]) -> None:
    """What a newer version of theirs might have: one field more, one less, and a narrower type."""
    schema["fields"].append({"name": "weather", "type": "string"})
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "ended_on"]
    next(field for field in schema["fields"] if field["name"] == "distance")["type"] = "float"


def rename(schema: dict[str, Any]) -> None:
    schema["name"] = "TripPlanned"


def coarser(schema: dict[str, Any]) -> None:
    fare = next(field for field in schema["fields"] if field["name"] == "fare")
    if isinstance(fare["type"][1], dict):
        fare["type"][1]["scale"] = 1


def test_ids_are_the_registrys_and_each_record_finds_its_writers_schema(
    broker: Broker,
    mysql: Database,
    stream_settings: Settings,
    start_service: StartService,
    registry_server: RegistryServer,
    registered: Mapping[str, bytes],
) -> None:
    newer, renamed, scaled = (foreign(registry_server, "TripRecorded", edit) for edit in (add_weather, rename, coarser))
    datum = {**trip(), "weather": "fair"}
    broker.put(
        [
            ("trip", b"11", registered["TripRecorded.v1"] + body("TripRecorded", trip(), 1)),
            ("trip", b"12", registered["TripRecorded.v2"] + body("TripRecorded", trip(trip_id=12))),
            ("trip", b"13", written(*newer, {**datum, "trip_id": 13, "distance": 0.5})),
            ("trip", b"14", encode("TripRecorded", trip(trip_id=14))),
            ("trip", b"15", written(*renamed, {**datum, "trip_id": 15})),
            ("trip", b"16", written(*scaled, {**datum, "trip_id": 16})),
            ("trip", b"17", registered["BytemarkPassLogged.v1"] + b"any"),
            ("trip", b"18", confluent_header(77_777) + b"any"),
            ("trip", b"19", confluent_header(2**32 - 1) + b"any"),
            ("trip", b"20", local_header("TripRecorded") + body("TripRecorded", trip(trip_id=20))),
        ]
    )
    start_service("--until-caught-up").assert_ends(0)
    rows = {row["id"]: row for row in mysql.rows("trip")}
    assert set(rows) == {11, 12, 13, 14, 20}, "an id of ids.json means what it did without a registry"
    assert rows[13]["distance"] == 0.5
    assert rows[13]["ended_on"] is None, "our newest has a default for what they left out"
    reasons = {row["record_key"]: row["reason"] for row in mysql.rows("dead_letter")}
    assert reasons == {
        b"15": "unexpected_record",
        b"16": "incompatible_schema",
        b"17": "unexpected_record",
        b"18": "unknown_schema",
        b"19": "unknown_schema",
    }


def test_what_the_producer_publishes_with_the_registrys_ids_lands(
    broker: Broker,
    mysql: Database,
    stream_settings: Settings,
    start_service: StartService,
    registered: Mapping[str, bytes],
) -> None:
    produced = run_command(stream_settings, "produce", "--count", "500", "--framing", "confluent")
    assert produced.returncode == 0, produced.stderr
    headers = {record.value[:5] for record in broker.records() if record.value}
    assert headers <= set(registered.values())
    start_service("--until-caught-up").assert_ends(0)
    assert mysql.count("dead_letter") == 0
    assert applied(mysql) == 500


def test_a_registry_that_is_down_costs_time_alone(
    broker: Broker,
    mysql: Database,
    stream_settings: Settings,
    start_service: StartService,
    registry_server: RegistryServer,
    registered: Mapping[str, bytes],
) -> None:
    consumer = start_service()
    consumer.wait_ready()
    registry_server.kill()
    try:
        broker.put(rated(number, registered["TripRated.v1"]) for number in range(1, 201))
        wait_for(lambda: consumer.metric("stream_retries_total", reason="registry_unreachable") >= 3, "attempts")
        status, text = consumer.get("/readyz")
        assert status == 503
        assert "schema registry can't be reached" in text
        assert consumer.get("/livez")[0] == 200
        assert "start the registry" in consumer.wait_logged("trying again")["todo"]
        assert applied(mysql) == 0
    finally:
        registry_server.start()
    wait_for(lambda: applied(mysql) == 200, "work to go on", 30)
    consumer.wait_ready()
    registry_server.kill()
    try:
        broker.put(rated(number, registered["TripRated.v1"]) for number in range(201, 301))
        wait_for(lambda: applied(mysql) == 300, "what needs no question")
    finally:
        registry_server.start()
    assert mysql.count("user_rating") == 300
    assert mysql.count("dead_letter") == 0
    assert len(consumer.logged("assigned")) == 1, "it stayed a member of the group"
    assert "/apis/ccompat" not in consumer.log_text(), "the URL may hold a password"


def test_a_registry_that_is_slow_costs_time_alone(
    broker: Broker,
    mysql: Database,
    stream_settings: Settings,
    start_service: StartService,
    registry_server: RegistryServer,
    registered: Mapping[str, bytes],
) -> None:
    with SlowProxy(registry_server.port) as proxy:
        url = registry_server.url.replace(f":{registry_server.port}/", f":{proxy.port}/")
        consumer = start_service(schema_registry_url=url)
        consumer.wait_ready()
        broker.put(rated(number, registered["TripRated.v1"]) for number in range(1, 51))
        wait_for(lambda: consumer.metric("stream_retries_total", reason="registry_timeout") >= 1, "an attempt")
        assert applied(mysql) == 0
        proxy.is_flowing.set()
        wait_for(lambda: applied(mysql) == 50, "work to go on", 40)
    assert mysql.count("dead_letter") == 0


def test_a_stop_while_the_registry_is_down_leaves_the_work_to_the_next(
    broker: Broker,
    mysql: Database,
    stream_settings: Settings,
    start_service: StartService,
    registry_server: RegistryServer,
    registered: Mapping[str, bytes],
    short_drain: None,
) -> None:
    consumer = start_service(schema_registry_url="http://127.0.0.1:1")
    consumer.wait_ready()
    broker.put([rated(1, registered["TripRated.v1"])])
    consumer.wait_logged("trying again")
    consumer.terminate()
    consumer.assert_ends(75, 25)
    start_service("--until-caught-up").assert_ends(0)
    assert (mysql.count("user_rating"), mysql.count("dead_letter")) == (1, 0)


def test_the_check_covers_the_registry(
    broker: Broker, mysql: Database, stream_settings: Settings, registered: Mapping[str, bytes]
) -> None:
    found = run_command(stream_settings, "check", "--format", "csv")
    assert found.returncode == 0, found.stdout
    assert found.stdout.count("schema registry,") > 10
    away = run_command({**stream_settings, "STREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"}, "check")
    assert away.returncode == 1
    assert "the schema registry can't be reached" in away.stdout
