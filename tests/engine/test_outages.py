"""MySQL and the network fail while the engine works: it waits, tries again, and counts everything once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.balance import assert_drained
from tests.broker import Broker
from tests.conftest import StartConsumer
from tests.consumers import Consumer
from tests.databases import Database
from tests.engine.logs import applied, put, some_events, synthetic
from tests.events import Datum, rating, trip, uuid_text
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
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """The transaction happened and nobody told: own epoch and own end say so."""
    put(broker, synthetic(1500, seed=21))
    with LossyProxy(mysql.server.port) as proxy:
        consumer = start_consumer(database_url=through(proxy, mysql), batch_records_max=100, lanes=2)
        wait_for(lambda: applied(mysql) > 0, "some progress")
        for lost in (2, 4, 6):
            proxy.lose_commits(2)
            wait_for(lambda: proxy.commits_lost == lost or applied(mysql) == 1500, "commits to be lost")  # noqa: B023
        wait_for(lambda: applied(mysql) == 1500, "all records", 60)
        broker.publish(some_events(10, first=900_000))
        proxy.lose_commits(1)
        wait_for(lambda: applied(mysql) == 1530, "the last records", 60)
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


def test_killed_connections_are_replaced(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    put(broker, synthetic(3000, seed=22))
    consumer = start_consumer(batch_records_max=50)
    for target in (200, 700, 1200):
        wait_for(lambda: applied(mysql) > target, "progress")  # noqa: B023 - called at once
        for connection_id in mysql.connection_ids():
            mysql.execute(f"KILL {connection_id}")
    wait_for(lambda: applied(mysql) == 3000, "all records", 60)
    assert consumer.metric("stream_retries_total", reason="connection_lost") >= 1
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_locked_row_is_waited_for(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """Somebody's long transaction on a business row: wait, try again, dead-letter nothing."""
    broker.publish([("TripRecorded", trip(trip_id=1))])
    consumer = start_consumer()
    wait_for(lambda: mysql.count("trip") == 1, "the row")
    with mysql.engine().connect() as other:
        with other.begin():
            other.exec_driver_sql("SELECT * FROM trip WHERE id = 1 FOR UPDATE")
            broker.publish([("TripRecorded", trip(trip_id=1, event_id=uuid_text(2)))])
            wait_for(lambda: consumer.metric("stream_retries_total", reason="lock_wait") >= 1, "a lock wait", 30)
            assert consumer.get("/livez")[0] == 200
        wait_for(lambda: applied(mysql) == 2, "the event")
    assert mysql.count("dead_letter") == 0
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_deadlock_is_tried_again(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """Another program holds the last row and then wants the first: the server gives up our transaction."""

    def ratings(version: int) -> Iterator[tuple[str, Datum]]:
        for number in range(1, 61):
            yield "TripRated", rating(rating_id=number, event_id=uuid_text(version))

    consumer = start_consumer()
    broker.publish(ratings(1))
    wait_for(lambda: applied(mysql) == 60, "the rows")
    with mysql.engine().connect() as other, other.begin():
        # The server gives up the transaction that has changed less: let that be ours.
        numbers = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
        other.exec_driver_sql(f"INSERT INTO erasure {numbers} SELECT 'other', CAST(i AS CHAR), NOW(6), NOW(6) FROM n")
        other.exec_driver_sql("SELECT * FROM user_rating WHERE id = 60 FOR UPDATE")
        broker.publish(ratings(2))
        waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        # The server renews this table only after nobody has read it for 0.1 s.
        wait_for(lambda: mysql.value(waiting) == 1, "the engine to wait for the last row", 4, every_seconds=0.2)
        other.exec_driver_sql("SELECT * FROM user_rating WHERE id = 1 FOR UPDATE")
    wait_for(lambda: applied(mysql) == 120, "all records")
    assert consumer.metric("stream_retries_total", reason="deadlock") >= 1
    assert mysql.count("dead_letter") == 0
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


@pytest.mark.timeout(240)
def test_a_killed_database_is_waited_for_and_everything_counted_once(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """kill -9 of MySQL in mid-drain, twice; the engine stays alive and a member, and says why it waits."""
    put(broker, synthetic(6000, seed=23))
    consumer = start_consumer(batch_records_max=50)
    for target in (300, 2000):
        wait_for(lambda: applied(mysql) > target, "progress", 60)  # noqa: B023 - called at once
        mysql.server.kill()
        wait_for(lambda: "the database is unavailable" in consumer.get("/readyz")[1], "/readyz to say why")
        assert consumer.get("/readyz")[0] == 503
        assert consumer.get("/livez")[0] == 200
        mysql.server.start()
    wait_for(lambda: applied(mysql) == 6000, "all records", 90)
    consumer.wait_ready()
    assert consumer.metric("stream_rebalances_total", kind="lost") == 0
    assert len(consumer.logged("assigned")) == 1, "it stayed a member of the group"
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


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
    peak = 0

    def has_polled_on() -> bool:
        """Long enough for a member that does not poll, or whose queues grow, to be noticed."""
        nonlocal peak
        peak = max(peak, memory_kb(consumer))
        return consumer.metric("stream_retries_total", reason="unreachable") >= 12

    wait_for(has_polled_on, "many attempts", 90)
    assert peak - before < MEMORY_GROWTH_KB_MAX
    mysql.server.start()
    wait_for(lambda: applied(mysql) == 30 + 20_000 + 60_000, "all records", 120)
    consumer.wait_ready()
    assert consumer.metric("stream_partitions_paused") == 0
    assert len(consumer.logged("assigned")) == 1, "it stayed a member of the group"
    assert mysql.count("dead_letter") == 0
    assert (mysql.count("trip"), mysql.count("user_rating")) == (20_010, 60_010)


def test_sigterm_during_an_outage_ends_in_time(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """What is in flight can't be finished: it is left to the next run, and the exit code says so."""
    consumer = start_consumer()
    consumer.wait_ready()
    with mysql.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM progress FOR UPDATE")
        broker.publish(some_events(10))
        wait_for(lambda: consumer.metric("stream_records_received_total") == 30, "the records")
        consumer.terminate()
        consumer.assert_ends(75, 45)
    start_consumer("--until-caught-up").assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_poison_that_only_the_database_refuses_is_isolated(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """Somebody has added a constraint: the record at fault is dead-lettered by the engine, the others are written."""
    broker.publish(("TripRecorded", trip(trip_id=number, event_id=uuid_text(number))) for number in range(1, 201))
    mysql.execute("ALTER TABLE trip ADD CONSTRAINT ck_poison CHECK (id <> 117)")
    try:
        start_consumer("--until-caught-up").assert_ends(0)
    finally:
        mysql.execute("ALTER TABLE trip DROP CONSTRAINT ck_poison")
    (letter,) = mysql.rows("dead_letter")
    assert (letter["stage"], letter["reason"], letter["record_key"]) == ("write", "constraint", b"117")
    assert mysql.count("trip") == mysql.count("hntb_trip") == 199


def test_a_full_table_is_the_environments_fault(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """A table that is gone, as one that is full, dead-letters nothing: work goes on when it is back."""
    mysql.execute("RENAME TABLE user_rating TO user_rating_away")
    try:
        broker.publish(some_events(10))
        consumer = start_consumer()
        wait_for(lambda: consumer.metric("stream_retries_total", reason="tables_differ") >= 2, "attempts")
        assert mysql.count("dead_letter") == 0
    finally:
        mysql.execute("RENAME TABLE user_rating_away TO user_rating")
    wait_for(lambda: applied(mysql) == 30, "all records")
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
