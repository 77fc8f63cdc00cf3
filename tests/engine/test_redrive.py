"""Dead letters through the commands: shown, redriven, discarded and published, beside a live consumer or not."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer as KafkaConsumer

from deploy.local import UnavailableError
from stream.errors import Reason, Rejection, Stage
from stream.mysql.dead_letters import DeadLetter, keep
from stream.records import Record, TopicPartition
from tests.balance import assert_drained, assert_tables
from tests.broker import Broker
from tests.commands import run_command
from tests.consumers import CHECKOUT, STREAM, environment
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied
from tests.events import Datum, encode, rating, target_user, trip, uuid_text
from tests.kcat import kcat
from tests.model import expect
from tests.waiting import wait_for

Settings = dict[str, str]


@contextmanager
def refused(database: Database, rule: str) -> Iterator[None]:
    """A rule of the database that is wrong, until it is mended."""
    database.execute(f"ALTER TABLE trip ADD CONSTRAINT mistaken CHECK ({rule})")
    try:
        yield
    finally:
        database.execute("ALTER TABLE trip DROP CONSTRAINT mistaken")


def trips(first: int, count: int, **changes: Any) -> Iterator[tuple[str, Datum]]:
    for number in range(first, first + count):
        yield "TripRecorded", trip(trip_id=number, event_id=uuid_text(number), **changes)


CONNECT = "__connect.errors."
"""How the headers of Kafka Connect begin: those of its `DeadLetterQueueReporter`."""


def command(settings: Settings, *arguments: str) -> Any:
    """What a command of dead letters prints."""
    done = run_command(settings, "dead-letters", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def counted(database: Database, status: str) -> int:
    return int(database.value("SELECT COUNT(*) FROM dead_letter WHERE status = :status", status=status))


def redriven_records(database: Database) -> int:
    query = "SELECT COALESCE(SUM(records_consumed), 0) FROM progress WHERE group_id = '(redrive)'"
    return int(database.value(query))


def test_a_plan_changes_nothing_and_redriving_twice_does_it_once(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.publish(trips(1, 20))
    broker.put([("trip", b"11", b"nonsense")])
    with refused(mysql, "id > 1000"):
        start_service("--until-caught-up", dead_letter_ratio_max=1).assert_ends(0)
    before = mysql.rows("dead_letter")
    plan = command(stream_settings, "redrive")
    assert [(one["reason"], one["records"]) for one in plan] == [("unknown_framing", 1), ("constraint", 20)]
    assert (mysql.rows("dead_letter"), mysql.count("trip")) == (before, 0)
    selected = ("redrive", "--topic", "trip", "--reason", "constraint", "--execute")
    assert command(stream_settings, *selected) == [
        {"topic": "trip", "resolved": 20, "rejected_again": 0, "gone_from_log": 0}
    ]
    assert command(stream_settings, *selected) == []
    (again,) = command(stream_settings, "redrive", "--execute")
    assert (again["resolved"], again["rejected_again"]) == (0, 1)
    assert redriven_records(mysql) == 21
    assert_tables(mysql.snapshot(), expect(broker.records()))
    assert len(command(stream_settings, "list", "--status", "resolved")) == 20
    assert command(stream_settings, "list", "--until", "2020-01-01") == []


def test_a_redrive_that_is_killed_is_finished_by_the_next(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    count = 1500
    broker.publish(trips(1, count))
    with refused(mysql, "id > 1000000"):
        start_service("--until-caught-up", dead_letter_ratio_max=1).assert_ends(0)
    assert counted(mysql, "waiting") == count
    killed = subprocess.Popen(
        [STREAM, "dead-letters", "redrive", "--execute"], env=environment(stream_settings), cwd=CHECKOUT
    )
    try:
        wait_for(lambda: counted(mysql, "resolved") > 0, "the first transaction")
    finally:
        killed.kill()
        killed.wait()
    done_before = counted(mysql, "resolved")
    assert done_before < count, "killed too late to be of any interest"
    assert redriven_records(mysql) == mysql.count("trip") == done_before
    (rest,) = command(stream_settings, "redrive", "--execute")
    assert rest["resolved"] == count - done_before
    assert redriven_records(mysql) == count
    assert_tables(mysql.snapshot(), expect(broker.records()))


def test_a_redrive_beside_a_live_consumer_overwrites_nothing_newer(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.publish(trips(1, 150, travel_mode="older"))
    with refused(mysql, "travel_mode <> 'older'"):
        start_service("--until-caught-up", dead_letter_ratio_max=1).assert_ends(0)
    consumer = start_service(batch_records_max=50)
    consumer.wait_ready()
    later = trip()["occurred_at"] + 1_000_000
    newer = [
        ("TripRecorded", trip(trip_id=n, event_id=uuid_text(1000 + n), occurred_at=later + m, travel_mode=f"newer-{m}"))
        for m in range(5)
        for n in range(1, 151)
    ]
    broker.publish(newer[:350])
    (done,) = command(stream_settings, "redrive", "--execute")
    broker.publish(newer[350:])
    wait_for(lambda: applied(mysql) == 150 + 750, "the newer ones")
    assert done["resolved"] == 150
    assert {row["travel_mode"] for row in mysql.rows("trip")} == {"newer-4"}
    assert_tables(mysql.snapshot(), expect(broker.records()))
    wait_for(lambda: consumer.metric("stream_dead_letters_waiting") == 0, "the gauge", seconds=40)


def test_values_that_are_never_stored_are_read_from_the_log_again(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    data = [target_user(target_user_id=n, event_id=uuid_text(n), user_id=str(500 + n)) for n in range(1, 41)]
    mysql.execute("ALTER TABLE hntb_target_user ADD CONSTRAINT mistaken CHECK (id > 1000)")
    try:
        broker.publish(("TargetUserSelected", datum) for datum in data)
        start_service("--until-caught-up", dead_letter_ratio_max=1).assert_ends(0)
    finally:
        mysql.execute("ALTER TABLE hntb_target_user DROP CONSTRAINT mistaken")
    (plan,) = command(stream_settings, "redrive")
    assert (plan["records"], plan["coordinates_only"]) == (40, 40)
    records = broker.records()
    gone = max((one.partition for one in records), key=lambda p: sum(one.partition == p for one in records))
    end = max(one.offset for one in records if one.partition == gone)
    broker.delete_records("research.target-user", gone, end)
    without_key = run_command({**stream_settings, "STREAM_HASH_KEY": ""}, "dead-letters", "redrive", "--execute")
    assert (without_key.returncode, "STREAM_HASH_KEY is not set" in without_key.stderr) == (78, True)
    done = run_command(stream_settings, "dead-letters", "redrive", "--execute", "--format", "json")
    assert "can only be discarded" in done.stderr
    assert json.loads(done.stdout) == [
        {"topic": "research.target-user", "resolved": 40 - end, "rejected_again": 0, "gone_from_log": end}
    ]
    assert mysql.count("hntb_target_user") == 40 - end
    assert counted(mysql, "waiting") == end


def test_discarding_wants_a_filter_and_a_reason_and_a_second_word(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.put([("trip", b"11", b"nonsense"), ("trip", None, encode("TripRated", rating()))])
    start_service("--until-caught-up").assert_ends(0)
    for arguments in (["--because", "why"], ["--topic", "trip"], ["--topic", "trip", "--because", "x" * 201]):
        assert run_command(stream_settings, "dead-letters", "discard", *arguments).returncode == 2
    (plan,) = command(stream_settings, "discard", "--reason", "missing_key", "--because", "a test")
    assert plan["records"] == 1
    assert counted(mysql, "waiting") == 2
    command(stream_settings, "discard", "--reason", "missing_key", "--because", "a test", "--execute")
    (row,) = command(stream_settings, "list", "--status", "discarded")
    assert (row["reason"], row["discarded_because"], row["value_bytes"]) == ("missing_key", "a test", None)
    assert_only_the_other_is_redriven(mysql, stream_settings)


def assert_only_the_other_is_redriven(database: Database, settings: Settings) -> None:
    (done,) = command(settings, "redrive", "--execute")
    assert (done["resolved"], done["rejected_again"]) == (0, 1)
    assert counted(database, "discarded") == 1


def test_a_record_is_shown_as_far_as_it_can_be_decoded(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    told = "told by nobody " * 40
    broker.put(
        [
            ("trip", b"11", encode("TripRated", rating(feedback=told))),
            ("trip", b"11", encode("TripRated", rating())[:-3]),
        ]
    )
    start_service("--until-caught-up").assert_ends(0)
    long, cut = sorted(mysql.rows("dead_letter"), key=lambda row: int(row["kafka_offset"]))
    shown = {one["name"]: one["value"] for one in command(stream_settings, "show", where(long))}
    assert shown["schema"].startswith("TripRated.v")
    assert shown["datum.feedback"] == f"(a text of {len(told)} characters)"
    assert shown["datum.event_id"] == rating()["event_id"]
    assert "too_long (field feedback)" in shown["judgement"]
    assert told.strip() not in json.dumps(shown)
    revealed = {one["name"]: one["value"] for one in command(stream_settings, "show", where(long), "--reveal")}
    assert revealed["datum.feedback"] == told
    shown = {one["name"]: one["value"] for one in command(stream_settings, "show", where(cut))}
    assert shown["schema"].startswith("TripRated.v")
    assert "truncated" in shown["judgement"]
    assert not [name for name in shown if name.startswith("datum.")]


def where(row: Any) -> str:
    return f"{row['topic']}/{row['kafka_partition']}/{row['kafka_offset']}"


def test_published_copies_are_as_any_consumer_reads_them(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    if "trip.dlq" in broker.admin.list_topics(timeout=10).topics:
        broker.delete_topic("trip.dlq")
    headers = [("a", b"\x00\xff"), ("b", None)]
    broker.put([("trip", b"11", b"nonsense", headers), ("trip", None, encode("TripRated", rating()))])
    start_service("--until-caught-up").assert_ends(0)
    assert command(stream_settings, "publish") == [{"topic": "trip.dlq", "records": 2}]
    assert command(stream_settings, "publish") == []
    broker.put([("trip", b"12", b"more")])
    start_service("--until-caught-up").assert_ends(0)
    assert command(stream_settings, "publish", "--again") == [{"topic": "trip.dlq", "records": 3}]
    assert command(stream_settings, "publish") == []
    copies = read_topic(broker, "trip.dlq")
    assert len(copies) == 5
    first = next(one for one in copies if one.value() == b"nonsense")
    found = dict(first.headers())
    assert first.key() == b"11"
    assert first.headers()[:2] == headers
    assert found["__connect.errors.topic"] == b"trip"
    assert found["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert found["__connect.errors.exception.message"] == b"decode: unknown_framing"
    assert found["stream.dead-letter.has-content"] == b"true"
    (letter,) = (row for row in mysql.rows("dead_letter") if row["record_value"] == b"nonsense")
    assert found["__connect.errors.partition"] == str(letter["kafka_partition"]).encode()
    assert found["__connect.errors.offset"] == str(letter["kafka_offset"]).encode()
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
    broker.delete_topic("trip.dlq")


def test_published_copies_are_as_kcat_reads_them(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    if "trip.dlq" in broker.admin.list_topics(timeout=10).topics:
        broker.delete_topic("trip.dlq")
    key, value = b"\xff 11", b"none\x00sense\n\xfe"
    letter = DeadLetter(
        topic_id="an id",
        topic_partition=TopicPartition("trip", 3),
        record=Record(17, 1_767_225_600_000, key, value, [("mine", b"\xff\x01"), ("none", None)]),
        rejection=Rejection(Stage.VALIDATE, Reason.TOO_LONG, "feedback"),
    )
    with mysql.engine().begin() as connection:
        keep(connection, [letter])
    assert command(stream_settings, "publish") == [{"topic": "trip.dlq", "records": 1}]
    brokers = ("-b", broker.server.bootstrap_servers)
    try:
        copy = kcat(*brokers, "-q", "-C", "-t", "trip.dlq", "-o", "beginning", "-e", "-f", "%k|%s|%h")
    except UnavailableError as error:
        pytest.skip(str(error))
    content = key + b"|" + value + b"|"
    assert copy.startswith(content)
    headers = dict(one.split(b"=", 1) for one in copy.removeprefix(content).split(b","))
    assert list(headers)[:2] == [b"mine", b"none"]
    assert (headers[b"mine"], headers[b"none"]) == (b"\xff\x01", b"NULL")
    connect = {
        name.decode().removeprefix(CONNECT): text for name, text in headers.items() if name.startswith(CONNECT.encode())
    }
    assert connect == {
        "topic": b"trip",
        "partition": b"3",
        "offset": b"17",
        "connector.name": b"stream",
        "task.id": b"0",
        "stage": b"TRANSFORMATION",
        "class.name": b"stream.validate",
        "exception.class.name": b"stream.errors.Rejection",
        "exception.message": b"validate: too_long (field feedback)",
    }
    broker.delete_topic("trip.dlq")


def read_topic(broker: Broker, topic: str) -> list[Any]:
    """All its records, as a consumer with a group finds them."""
    config = {**broker.config, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer = KafkaConsumer({**config, "enable.partition.eof": True})
    consumer.subscribe([topic])
    found: list[Any] = []

    def is_read() -> bool:
        for message in consumer.consume(100, 0.5):
            if message.error() is not None:
                return True
            found.append(message)
        return False

    try:
        wait_for(is_read, "the topic's end")
    finally:
        consumer.close()
    return found
