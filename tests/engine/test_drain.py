"""`stream run` from log to tables, when nothing goes wrong around it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

from confluent_kafka import ConsumerGroupTopicPartitions

from stream.produce import Kind
from tests.balance import assert_drained
from tests.broker import PARTITIONS, Broker
from tests.commands import run_command
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied, colliding_events, put, some_events, synthetic, wait_applied
from tests.events import encode, key_of, trip, uuid_text
from tests.waiting import wait_for

QUIET_EVENT_SECONDS_MAX = 5.0
"""A lone event is in MySQL after tens of milliseconds; a busy machine gets a hundred times as long."""


def test_until_caught_up_drains_everything_and_ends_with_0(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    messages = synthetic(2500)
    assert {one.kind for one in messages} == set(Kind)
    put(broker, messages)
    start_service("--until-caught-up").assert_ends(0)
    expected = assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
    broken = [one for one in messages if one.kind is Kind.BROKEN]
    assert len(expected.dead_letters) == len(broken) > 100
    assert len({dict(one.headers)["synthetic-flaw"] for one in broken}) > 30, "too few kinds of flaws to mean much"


def test_small_batches_and_many_lanes_give_the_same(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    put(broker, synthetic(800, seed=2))
    broker.publish(colliding_events(300, seed=2))
    start_service("--until-caught-up", lanes=5, batch_records_max=37).assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_nothing_to_do_ends_with_0(start_service: StartService, mysql: Database) -> None:
    start_service("--until-caught-up").assert_ends(0)
    assert applied(mysql) == 0


def test_only_the_topics_asked_for_are_consumed(broker: Broker, mysql: Database, start_service: StartService) -> None:
    broker.publish(some_events(20))
    start_service("--topic", "trip", "--until-caught-up").assert_ends(0)
    assert (mysql.count("trip"), mysql.count("user_rating"), mysql.count("bytemark_pass")) == (20, 20, 0)


def test_a_second_run_finds_nothing_to_do_and_changes_nothing(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    put(broker, synthetic(500))
    start_service("--until-caught-up").assert_ends(0)
    tables = ("trip", "user_rating", "bytemark_pass", "dead_letter", "ledger")
    before = {table: mysql.rows(table) for table in tables}
    start_service("--until-caught-up").assert_ends(0)
    assert {table: mysql.rows(table) for table in tables} == before
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_another_group_reads_everything_again_and_changes_no_row(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish(colliding_events(200, seed=3))
    start_service("--until-caught-up").assert_ends(0)
    before = mysql.rows("trip")
    start_service("--until-caught-up", group_id="another").assert_ends(0)
    assert mysql.rows("trip") == before
    changed = mysql.value("SELECT SUM(rows_inserted + rows_updated) FROM ledger WHERE group_id = 'another'")
    assert changed == 0


def test_a_quiet_topics_event_is_seen_within_seconds(
    broker: Broker, mysql: Database, start_service: StartService
) -> None:
    consumer = start_service()
    consumer.wait_ready()
    for number in range(1, 4):
        broker.publish([("TripRecorded", trip(trip_id=number, event_id=uuid_text(number)))])
        started = time.monotonic()
        wait_for(lambda: mysql.count("trip") == number, "the event's row", 20)  # noqa: B023 - called at once
        assert time.monotonic() - started < QUIET_EVENT_SECONDS_MAX


def test_sigterm_drains_and_ends_with_0_and_a_restart_goes_on(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    put(broker, synthetic(2500, seed=4))
    consumer = start_consumer(batch_records_max=20)
    wait_for(lambda: applied(mysql) > 200, "some progress")
    consumer.terminate()
    consumer.assert_ends(0)
    part = applied(mysql)
    assert part < 2500, "it was to be stopped in the middle"
    assert consumer.logged("ended")[0]["how"] == "drained"
    start_consumer("--until-caught-up").assert_ends(0)
    assert applied(mysql) == 2500
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_kafka_is_informed_of_the_offsets(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish(some_events(30))
    start_service("--until-caught-up").assert_ends(0)
    group = stream_settings["STREAM_GROUP_ID"]
    (answer,) = broker.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
    committed = {(one.topic, one.partition): one.offset for one in answer.result().topic_partitions}
    ends = {(one.topic, one.partition): end for one, end in broker.ends().items() if end}
    assert committed == ends


def test_lag_is_told_and_reaches_0(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish(some_events(20))
    before = json.loads(run_command(stream_settings, "lag", "--format", "json").stdout)
    assert sum(one["lag_records"] for one in before) == 60
    assert {one["owner"] for one in before} == {None}
    start_service("--until-caught-up").assert_ends(0)
    after = json.loads(run_command(stream_settings, "lag", "--format", "json").stdout)
    assert len(after) == PARTITIONS
    assert sum(one["lag_records"] for one in after) == 0
    assert Counter(one["lag_seconds"] for one in after) == {0.0: PARTITIONS}


# --- Offsets that nobody can read


def test_aborted_records_at_the_end_do_not_hold_up_the_end(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish(some_events(10))
    phantoms = [
        ("trip", key_of(name, datum), encode(name, datum))
        for name, datum in some_events(20, first=1000)
        if name == "TripRecorded"
    ]
    broker.abort(phantoms)
    start_service("--until-caught-up").assert_ends(0)
    lags = json.loads(run_command(stream_settings, "lag", "--format", "json").stdout)
    assert sum(one["lag_records"] for one in lags) == 0
    assert sum(one["end_offset"] for one in lags) > 30 + 20, "the gaps are in the log"
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_running_consumers_lag_is_told_behind_an_open_transaction_and_reaches_0_behind_a_gap(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    consumer = start_service()
    consumer.wait_ready()
    never = "SELECT COUNT(*) FROM progress WHERE complete_through IS NULL"
    wait_for(lambda: mysql.value(never) == 0, "the empty partitions to be complete")
    with broker.transaction() as producer:
        for name, datum in some_events(20):
            if name == "TripRecorded":
                producer.produce("trip", encode(name, datum), key_of(name, datum))
        producer.flush(30)
        wait_for(lambda: consumer.metric("stream_lag_records") == 20, "the lag behind an open transaction")
        wait_for(lambda: consumer.metric("stream_lag_seconds") > 0, "its age")
        assert lag_records(stream_settings) == 20
    wait_for(lambda: mysql.count("trip") == 20, "the committed events")
    ends = {(one.topic, one.partition): end for one, end in broker.ends().items()}
    progress = "SELECT topic, kafka_partition, next_offset FROM progress"
    wait_for(
        lambda: {(row.topic, row.kafka_partition): row.next_offset for row in mysql.query(progress)} == ends,
        "progress behind the markers",
    )
    wait_for(lambda: consumer.metric("stream_lag_records") == 0, "the lag metric")


def test_aborted_records_between_others_are_passed_over_by_a_running_consumer(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    consumer = start_service()
    consumer.wait_ready()
    for first in range(1, 401, 100):
        broker.publish(some_events(10, first=first))
        broker.abort(encoded_trips(20, first=first + 20))
        with broker.transaction() as producer:
            for topic, key, value in encoded_trips(20, first=first + 50):
                producer.produce(topic, value, key)
    broker.abort(encoded_trips(20, first=900))
    wait_applied(mysql, 4 * (30 + 20))
    assert mysql.count("trip") == 4 * (10 + 20)
    wait_for(lambda: lag_records(stream_settings) == 0, "no lag behind what was aborted")
    wait_for(lambda: consumer.metric("stream_lag_records") == 0, "the lag metric")
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def lag_records(settings: dict[str, str]) -> int:
    lags = json.loads(run_command(settings, "lag", "--format", "json").stdout)
    return sum(lag["lag_records"] for lag in lags)


def encoded_trips(count: int, first: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Topic, key and value of trips that are sound."""
    for name, datum in some_events(count, first):
        if name == "TripRecorded":
            yield "trip", key_of(name, datum), encode(name, datum)
