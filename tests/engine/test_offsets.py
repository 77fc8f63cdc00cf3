"""`stream offsets show` and `reset`: where partitions stand, and where an operator sends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions

from stream.errors import TerminalError
from stream.operate.offsets import Reset, reset
from tests.balance import assert_drained
from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import some_events, wait_applied
from tests.events import trip, uuid_text
from tests.waiting import wait_for

Settings = dict[str, str]
Place = tuple[str, int]


def command(settings: Settings, *arguments: str) -> Any:
    done = run_command(settings, "offsets", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def progress(database: Database) -> dict[Place, dict[str, Any]]:
    return {(row["topic"], row["kafka_partition"]): dict(row) for row in database.rows("progress")}


def committed(broker: Broker, group_id: str) -> dict[Place, int]:
    wanted = [ConsumerGroupTopicPartitions(group_id)]
    found = broker.admin.list_consumer_group_offsets(wanted)[group_id].result()
    return {(one.topic, one.partition): one.offset for one in found.topic_partitions}


def assert_ledger_explains_the_log(database: Database, group_id: str) -> None:
    """What was consumed is what lies in the log, and what resets had read again, without what they skipped."""
    moved: dict[Place, int] = {}
    for row in database.rows("offset_reset"):
        where = (row["topic"], row["kafka_partition"])
        moved[where] = moved.get(where, 0) + (row["from_offset"] or 0) - row["to_offset"]
    for where, row in progress(database).items():
        parts = row["records_written"] + row["records_superseded"] + row["records_dead_lettered"]
        assert row["records_consumed"] == parts
        assert row["records_consumed"] == row["next_offset"] + moved.get(where, 0), where
    assert {row["group_id"] for row in database.rows("progress")} == {group_id}


def test_a_reset_to_the_earliest_offset_reads_all_again_and_changes_no_row(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    group_id = stream_settings["STREAM_GROUP_ID"]
    broker.publish(some_events(40))
    broker.put([("trip", b"11", b"nonsense")])
    start_service("--until-caught-up").assert_ends(0)
    rows, before = mysql.rows("trip"), progress(mysql)
    reset = ("reset", "--topic", "trip", "--to-earliest")
    plan = command(stream_settings, *reset)
    assert {(one["from_offset"], one["to_offset"]) for one in plan} == {
        (row["next_offset"], 0) for (topic, _), row in before.items() if topic == "trip" and row["next_offset"]
    }
    assert [(one["read_again_max"], one["skipped_max"]) for one in plan] == [(one["from_offset"], 0) for one in plan]
    assert progress(mysql) == before
    assert command(stream_settings, *reset, "--execute") == plan
    assert command(stream_settings, *reset) == []
    told = committed(broker, group_id)
    for one in plan:
        where = (one["topic"], one["partition"])
        assert (progress(mysql)[where]["next_offset"], told[where]) == (0, 0)
        assert progress(mysql)[where]["owner_epoch"] == before[where]["owner_epoch"] + 1
    start_service("--until-caught-up").assert_ends(0)
    assert mysql.rows("trip") == rows
    (letter,) = mysql.rows("dead_letter")
    assert (letter["attempts"], letter["status"]) == (2, "waiting")
    assert_ledger_explains_the_log(mysql, group_id)
    assert sum(row["records_consumed"] for row in progress(mysql).values()) == 40 * 3 + 1 + 81


def test_offsets_are_not_reset_under_a_member_of_the_group(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.publish(some_events(10))
    consumer = start_service(kafka_client_id="tram")
    consumer.wait_ready()
    wait_applied(mysql, 30)
    shown = command(stream_settings, "show", "--topic", "trip")
    assert {one["state"] for one in shown} == {"held"}
    before = progress(mysql)
    refused = run_command(stream_settings, "offsets", "reset", "--all-topics", "--to-earliest", "--execute")
    assert refused.returncode == 1
    assert "tram on 127.0.0.1" in refused.stderr
    assert {where: row["next_offset"] for where, row in progress(mysql).items()} == {
        where: row["next_offset"] for where, row in before.items()
    }
    consumer.terminate()
    consumer.assert_ends(0)
    shown = command(stream_settings, "show", "--topic", "trip")
    assert {(one["state"], one["lag_records"]) for one in shown} == {("free", 0)}
    assert all(one["progress"] == one["latest"] == (one["committed"] or 0) for one in shown)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_reset_goes_where_it_is_told_and_no_farther_than_the_log(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    def one_trip(first: int, count: int) -> None:
        broker.publish(("TripRecorded", trip(trip_id=11, event_id=uuid_text(n))) for n in range(first, first + count))

    one_trip(1, 30)
    start_service("--until-caught-up").assert_ends(0)
    wait_for(lambda: datetime.now(UTC).microsecond < 300_000, "a new second, so that the two runs differ in time")
    between = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    wait_for(lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S") > between, "the next second")
    between = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    one_trip(31, 10)
    start_service("--until-caught-up").assert_ends(0)
    (number,) = (where[1] for where, row in progress(mysql).items() if where[0] == "trip" and row["next_offset"])
    only = ("reset", "--topic", "trip", "--partition", str(number))

    def planned(*target: str) -> tuple[int, int, int]:
        (one,) = command(stream_settings, *only, *target)
        return one["to_offset"], one["read_again_max"], one["skipped_max"]

    assert planned("--to-offset", "25") == (25, 15, 0)
    assert planned("--shift-by", "-7") == (33, 7, 0)
    assert planned("--shift-by", "-1000") == (0, 40, 0)
    assert planned("--to-datetime", between) == (30, 10, 0)
    assert command(stream_settings, *only, "--to-latest") == []
    assert command(stream_settings, *only, "--to-offset", "4000") == []
    command(stream_settings, *only, "--to-offset", "35", "--execute")
    assert planned("--to-latest") == (40, 0, 5)
    broker.delete_records("trip", number, 38)
    assert planned("--to-earliest") == (38, 0, 0)
    for arguments in ([], ["--to-latest"], ["--to-latest", "--to-earliest", "--topic", "trip"], ["--topic", "trip"]):
        assert run_command(stream_settings, "offsets", "reset", *arguments).returncode == 2
    assert command(stream_settings, "show", "--topic", "trip")[number]["state"] == "retention_overtook"


def test_what_moved_since_the_plan_is_left_as_it_is(mysql: Database) -> None:
    """A consumer that starts between the look at the group and the change fences it, as it does other consumers."""
    mysql.execute(
        "INSERT INTO progress (group_id, topic, kafka_partition, topic_id, owner_epoch, owner, next_offset, updated_on)"
        " VALUES ('g', 'trip', 0, 'x', 4, 'somebody', 5, UTC_TIMESTAMP(6))"
    )
    for epoch in (3, None):
        planned = Reset("trip", 0, 5, 0, 5, 0, None, "x", epoch)
        with pytest.raises(TerminalError, match="meanwhile"):
            reset(mysql.engine(), "g", [planned])
    assert mysql.value("SELECT next_offset FROM progress") == 5
    assert mysql.count("offset_reset") == 0
