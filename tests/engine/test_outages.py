"""The network fails, or the database is away for long: nothing is counted twice, no memory and no time is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.balance import assert_drained
from tests.broker import Broker
from tests.conftest import StartConsumer
from tests.consumers import Consumer
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.faults import RESUME_SECONDS_MAX
from tests.engine.logs import applied, put, some_events, synthetic, wait_applied
from tests.events import rating, trip, uuid_text
from tests.proxy import LossyProxy
from tests.waiting import wait_for

MEMORY_GROWTH_KB_MAX = 200_000
"""Held back during an outage: two lanes' queues and what librdkafka may fetch ahead, with Python's overhead."""


def memory_kb(consumer: Consumer) -> int:
    for line in Path(f"/proc/{consumer.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the process has no memory")


def through(proxy: LossyProxy, database: Database) -> str:
    """The database's URL by way of the proxy, unencrypted, for it has to recognise a COMMIT."""
    return database.url.replace(f":{database.server.port}/", f":{proxy.port}/") + "&ssl_disabled=true"


def test_a_lost_answer_to_commit_counts_once(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """The transaction happened and nobody told: own epoch and own end say so."""
    put(broker, synthetic(1500, seed=21))
    with LossyProxy(mysql.server.port) as proxy:
        consumer = start_service(database_url=through(proxy, mysql), batch_records_max=100, lanes=2)
        wait_for(lambda: applied(mysql) > 0, "some progress")
        for lost in (2, 4, 6):
            proxy.lose_commits(2)
            wait_for(lambda: proxy.commits_lost == lost or applied(mysql) == 1500, "commits to be lost")  # noqa: B023
        wait_for(lambda: applied(mysql) == 1500, "all records", 60)
        broker.publish(some_events(10, first=900_000))
        proxy.lose_commits(1)
        wait_applied(mysql, 1530)
        assert proxy.commits_lost >= 2
        wait_for(
            lambda: sum(consumer.metric("stream_records_total", outcome=one) for one in OUTCOMES) == 1530,
            "the metrics to count each record once",
        )
        assert consumer.metric("stream_retries_total") >= 2
        assert not consumer.logged("fenced")
        consumer.terminate()
        consumer.assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


OUTCOMES = ("written", "superseded", "dead_lettered")


@pytest.mark.timeout(240)
def test_an_outage_pauses_the_partitions_and_costs_no_memory(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    consumer = start_consumer(batch_records_max=500)
    consumer.wait_ready()
    broker.publish(some_events(10))
    wait_for(lambda: applied(mysql) == 30, "the first records")
    before = memory_kb(consumer)
    mysql.server.stop()
    # 40 MB in Kafka, of which only a few may wait here.
    filler = "x" * 512
    big = (("TripRecorded", trip(trip_id=number, event_id=uuid_text(number))) for number in range(100, 20_100))
    broker.publish(big)
    broker.publish(
        ("TripRated", rating(rating_id=n, trip_id=n, feedback=filler, event_id=uuid_text(n)))
        for n in range(100, 60_100)
    )
    wait_for(lambda: consumer.metric("stream_partitions_paused") > 0, "a pause", 60)
    waits = 20_000 + 60_000
    wait_for(lambda: consumer.metric("stream_lag_records") == waits, "the lag of all that waits, fetched or not")
    assert consumer.metric("stream_lag_seconds") > 0
    peak = 0

    def has_polled_on() -> bool:
        """Long enough for a member that does not poll, or whose queues grow, to be noticed."""
        nonlocal peak
        peak = max(peak, memory_kb(consumer))
        return consumer.metric("stream_retries_total", reason="unreachable") >= 12

    wait_for(has_polled_on, "many attempts", 90)
    assert peak - before < MEMORY_GROWTH_KB_MAX
    mysql.server.start()
    mysql.hasten()
    wait_for(lambda: applied(mysql) > 30, "work to go on, though the waits have grown", RESUME_SECONDS_MAX)
    wait_for(lambda: applied(mysql) == 30 + 20_000 + 60_000, "all records", 120)
    consumer.wait_ready()
    assert consumer.metric("stream_partitions_paused") == 0
    assert len(consumer.logged("assigned")) == 1, "it stayed a member of the group"
    assert mysql.count("dead_letter") == 0
    assert (mysql.count("trip"), mysql.count("user_rating")) == (20_010, 60_010)


def test_a_stop_during_an_outage_ends_in_time(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService, short_drain: None
) -> None:
    """What is in flight can't be finished: it is left to the next run, and the exit code says so."""
    consumer = start_service()
    consumer.wait_ready()
    with mysql.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM progress FOR UPDATE")
        broker.publish(some_events(10))
        wait_for(lambda: consumer.metric("stream_records_received_total") == 30, "the records")
        consumer.terminate()
        consumer.assert_ends(75, 25)
    start_service("--until-caught-up").assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_poison_that_only_the_database_refuses_is_isolated(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Somebody has added a constraint: the record at fault is dead-lettered by the engine, the others are written."""
    broker.publish(("TripRecorded", trip(trip_id=number, event_id=uuid_text(number))) for number in range(1, 201))
    mysql.execute("ALTER TABLE trip ADD CONSTRAINT ck_poison CHECK (id <> 117)")
    try:
        start_service("--until-caught-up").assert_ends(0)
    finally:
        mysql.execute("ALTER TABLE trip DROP CONSTRAINT ck_poison")
    (letter,) = mysql.rows("dead_letter")
    assert (letter["stage"], letter["reason"], letter["record_key"]) == ("write", "constraint", b"117")
    assert mysql.count("trip") == mysql.count("hntb_trip") == 199
