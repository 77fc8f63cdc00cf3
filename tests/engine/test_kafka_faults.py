"""Kafka fails or changes while the engine works: it waits, says so, and goes on by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.balance import assert_drained
from tests.broker import PARTITIONS, Broker
from tests.conftest import StartConsumer
from tests.consumers import Running
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.group import PROTOCOLS, held
from tests.engine.logs import applied, put, some_events, synthetic, wait_applied
from tests.events import encode, message_saved, trip, uuid_text
from tests.waiting import measure, wait_for

STOP_SECONDS_MAX = 30
"""After that Kubernetes kills."""


@contextmanager
def away(broker: Broker, how: str) -> Iterator[None]:
    """Kafka is killed or stopped, and started again at the end of the block."""
    {"kill": broker.server.kill, "stop": broker.server.stop}[how]()
    try:
        yield
    finally:
        broker.server.start()


def assert_says_that_kafka_is_away(consumer: Running) -> None:
    wait_for(lambda: "Kafka: " in consumer.get("/readyz")[1], "/readyz to say it")
    assert consumer.get("/readyz")[0] == 503
    assert consumer.get("/livez")[0] == 200
    # A question is told as unanswered in the very second in which it is given up, and counted then.
    retries = "stream_retries_total"
    wait_for(lambda: consumer.metric(retries, reason="kafka_unavailable") >= 1, "a retry to be counted")


def test_work_goes_on_when_kafka_is_back(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Killed while topics drain, stopped while there is nothing to do."""
    put(broker, synthetic(3000, seed=41))
    consumer = start_service(batch_records_max=20)
    wait_for(lambda: applied(mysql) > 300, "some progress")
    with away(broker, "kill"):
        assert_says_that_kafka_is_away(consumer)
        before = applied(mysql)
    assert before < 3000, "it was to happen in the middle"
    measure(lambda: applied(mysql) > before, "progress after a kill of Kafka")
    wait_applied(mysql, 3000)
    consumer.wait_ready()
    with away(broker, "stop"):
        assert_says_that_kafka_is_away(consumer)
    broker.publish(some_events(10, first=900_000))
    measure(lambda: applied(mysql) == 3000 + 30, "an idle consumer's records after a stop of Kafka")
    consumer.wait_ready()
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_sigterm_while_kafka_is_away_ends_in_time(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """What was polled is applied; only Kafka's own note of the offsets is missing."""
    consumer = start_consumer()
    consumer.wait_ready()
    broker.publish(some_events(20))
    wait_applied(mysql, 60)
    with away(broker, "kill"):
        assert_says_that_kafka_is_away(consumer)
        consumer.terminate()
        measure(lambda: not consumer.is_running, "the end after SIGTERM while Kafka is away", STOP_SECONDS_MAX)
        consumer.assert_ends(0)
    start_consumer("--until-caught-up").assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


@pytest.mark.parametrize("protocol", ["eager", "consumer"])
def test_an_added_partition_is_read_from_its_first_record(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService, protocol: str
) -> None:
    consumer = start_service(**PROTOCOLS[protocol])
    consumer.wait_ready()
    number = broker.add_partition("trip")
    producer = broker.producer()
    for n in range(1, 21):
        event = trip(trip_id=n, event_id=uuid_text(n))
        producer.produce("trip", encode("TripRecorded", event), str(n).encode(), partition=number)
    assert producer.flush(30) == 0
    measure(lambda: mysql.count("trip") == 20, f"an added partition's records, {protocol}")
    consumer.wait_ready()
    assert held(consumer) == PARTITIONS + 1
    (spans,) = (part for part in consumer.logged("assigned")[-1]["partitions"] if part.startswith("trip/"))
    assert spans.endswith(str(number))
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


@pytest.mark.parametrize("operation", ["ALL", "READ"])
def test_a_topic_that_may_not_be_read_holds_up_no_other(
    broker: Broker, mysql: Database, start_service: StartService, operation: str
) -> None:
    with broker.denied("message", operation):
        start_service("--until-caught-up").assert_ends(78)
        start_service("--topic", "message").assert_ends(78)
        consumer = start_service()
        broker.publish(some_events(10))
        wait_applied(mysql, 30)
        told = "topic message may not be read: grant our Kafka account READ on it\n"
        wait_for(lambda: told in consumer.get("/readyz")[1], "/readyz to say which topic isn't read")
        assert consumer.get("/livez")[0] == 200
        assert consumer.logged("topic not read")
    broker.publish([("MessageSaved", message_saved())])
    wait_for(lambda: mysql.count("message_history") == 1, "the topic to be read once it may be")
    consumer.wait_ready()


@pytest.mark.timeout(120)
def test_kafka_that_came_back_without_its_newest_records_stops_the_partitions(
    broker: Broker, mysql: Database, start_service: StartService
) -> None:
    """Its disk lost them, and they are applied already: their offsets may soon mean other records."""
    data, backup = broker.server.folder / "data", broker.server.folder / "backup"
    consumer = start_service()
    broker.publish(some_events(20))
    wait_applied(mysql, 60)
    with away(broker, "stop"):
        for log in data.glob("trip-*"):
            shutil.copytree(log, backup / log.name)
    broker.publish(some_events(20, first=500))
    wait_applied(mysql, 120)
    with away(broker, "stop"):
        for log in backup.iterdir():
            shutil.rmtree(data / log.name)
            log.rename(data / log.name)
    stopped = consumer.wait_logged("partition stopped")
    assert stopped["reason"] == "log_is_shorter"
    wait_for(lambda: "rests: log_is_shorter" in consumer.get("/readyz")[1], "/readyz to say it")
    assert consumer.get("/livez")[0] == 200
    assert consumer.metric("stream_partitions_stopped", reason="log_is_shorter") >= 1
    assert (mysql.count("trip"), mysql.count("dead_letter")) == (40, 0)
