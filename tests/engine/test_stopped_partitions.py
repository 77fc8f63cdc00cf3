"""A log that changes under a running consumer: its partitions stop, the others go on, and an operator decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stream.catalog import STREAMS
from tests.balance import assert_drained, assert_tables
from tests.broker import Broker
from tests.commands import run_command
from tests.consumers import Running
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.faults import locked_progress
from tests.engine.logs import applied, some_events, wait_applied
from tests.events import Datum, pass_logged, trip, uuid_text
from tests.model import LogRecord, expect
from tests.waiting import measure, wait_for

ONE_KEY = 11


def versions_of_one_trip(count: int, first: int = 1) -> Iterator[tuple[str, Datum]]:
    """All in one partition, for they have one key."""
    for number in range(first, first + count):
        yield "TripRecorded", trip(trip_id=ONE_KEY, event_id=uuid_text(number))


def fullest_partition(broker: Broker, topic: str) -> int:
    return int(max((end, one.partition) for one, end in broker.ends().items() if one.topic == topic)[1])


def accept(settings: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    """What `stream offsets accept` plans, or does."""
    done = run_command(settings, "offsets", "accept", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    planned: list[dict[str, Any]] = json.loads(done.stdout)
    return planned


def assert_stopped(consumer: Running, reason: str, partitions: list[str]) -> None:
    assert {line["reason"] for line in consumer.logged("partition stopped")} == {reason}
    assert all("stream offsets accept" in line["todo"] for line in consumer.logged("partition stopped"))
    rests = sorted(f"{one} rests: {reason}" for one in partitions)
    wait_for(lambda: sorted(consumer.get("/readyz")[1].splitlines()) == rests, "/readyz to name these alone")
    assert consumer.get("/readyz")[0] == 503
    assert consumer.get("/livez")[0] == 200
    assert consumer.metric("stream_partitions_stopped", reason=reason) == len(partitions)


def test_retention_that_overtakes_a_running_consumer_stops_one_partition(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    consumer = start_service(batch_records_max=50)
    consumer.wait_ready()
    broker.publish(versions_of_one_trip(1))
    wait_applied(mysql, 1)
    number = fullest_partition(broker, "trip")
    with locked_progress(mysql, f"topic = 'trip' AND kafka_partition = {number}"):
        broker.publish(versions_of_one_trip(3000, first=2))
        wait_for(lambda: consumer.metric("stream_partitions_paused") > 0, "a pause, which forgets what was fetched")
        before = broker.records()
        broker.delete_records("trip", number, 2900)
    consumer.wait_logged("partition stopped")
    broker.publish([("BytemarkPassLogged", pass_logged(bytemark_pass_id=n)) for n in range(1, 13)])
    wait_for(lambda: mysql.count("bytemark_pass") == 12, "the other partitions' records")
    assert_stopped(consumer, "retention_overtook", [f"trip/{number}"])
    lost = accept_what_retention_took(stream_settings, consumer, number)
    broker.publish(versions_of_one_trip(1, first=5000))
    wait_applied(mysql, lost.start + len(range(lost.stop, 3001 + 1)) + 12)
    kept = [one for one in before if one.offset not in lost]
    assert_drained(mysql, united(broker.records(), kept), stream_settings["STREAM_GROUP_ID"])


def accept_what_retention_took(settings: dict[str, str], consumer: Running, number: int) -> range:
    """The offsets that the plan says were lost."""
    (plan,) = accept(settings)
    assert (plan["partition"], plan["reason"]) == (f"trip/{number}", "retention_overtook")
    assert 1 <= plan["stored_offset"] < plan["log_begins"] == plan["goes_on_at"] == 2900
    assert plan["records_never_applied_max"] == 2900 - plan["stored_offset"]
    assert accept(settings) == [plan], "a plan changes nothing"
    assert accept(settings, f"trip/{number}", "--execute") == [plan]
    measure(lambda: consumer.get("/readyz")[0] == 200, "reading again after `stream offsets accept`")
    assert consumer.metric("stream_partitions_stopped") == 0
    assert consumer.logged("partition reads again")[0]["rested_for"] == "retention_overtook"
    return range(plan["stored_offset"], plan["goes_on_at"])


def united(now: list[LogRecord], kept: list[LogRecord]) -> list[LogRecord]:
    """What the log has, and what it had and was applied before it was deleted."""
    there = {one.coordinates for one in now}
    return sorted([*now, *(one for one in kept if one.coordinates not in there)])


def test_a_topic_that_is_made_anew_under_a_running_consumer_stops_its_partitions(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    consumer = start_service()
    consumer.wait_ready()
    broker.publish(some_events(40))
    wait_applied(mysql, 120)
    old = broker.records()
    broker.delete_topic("trip")
    broker.create_topic("trip")
    broker.publish(("TripRecorded", trip(trip_id=n, event_id=uuid_text(n))) for n in range(500, 600))
    partitions = [f"trip/{n}" for n in range(STREAMS["trip"].partitions)]
    stopped = "stream_partitions_stopped"
    measure(lambda: consumer.metric(stopped) == len(partitions), "noticing that a topic was made anew")
    broker.publish([("BytemarkPassLogged", pass_logged(bytemark_pass_id=900))])
    wait_for(lambda: mysql.count("bytemark_pass") == 41, "the other topics' records")
    assert_stopped(consumer, "topic_recreated", partitions)
    assert mysql.count("trip") == 40, "nothing of the new topic passes for the old one's"
    plan = accept(stream_settings)
    assert [(one["partition"], one["goes_on_at"]) for one in plan] == [(one, 0) for one in partitions]
    accept(stream_settings, "--execute")
    measure(lambda: applied(mysql) == 120 + 1 + 100, "a new topic's records after `stream offsets accept`")
    consumer.wait_ready()
    assert_tables(mysql.snapshot(), expect([*old, *(one for one in broker.records() if one not in old)]))


def test_accepting_some_partitions_leaves_the_others_stopped(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish(some_events(10))
    start_service("--until-caught-up").assert_ends(0)
    mysql.execute("UPDATE progress SET next_offset = 1000 WHERE topic = 'trip' AND kafka_partition IN (1, 3)")
    consumer = start_service()
    wait_for(lambda: consumer.metric("stream_partitions_stopped") == 2, "two stopped partitions")
    assert [one["partition"] for one in accept(stream_settings, "trip/1", "--execute")] == ["trip/1"]
    untouched = "SELECT next_offset FROM progress WHERE topic = 'trip' AND kafka_partition = 3"
    assert mysql.value(untouched) == 1000
    wait_for(lambda: consumer.metric("stream_partitions_stopped") == 1, "one stopped partition")
    wait_for(lambda: consumer.get("/readyz")[1] == "trip/3 rests: log_is_shorter\n", "/readyz to name the other")
    refused = run_command(stream_settings, "offsets", "accept", "trip/1", "--execute")
    assert refused.returncode != 0
    assert "trip/1" in refused.stderr
