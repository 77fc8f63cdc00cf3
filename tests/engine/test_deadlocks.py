"""Writers of ours, and one of somebody else's, that meet crosswise: the server gives ours up, and nothing is lost or
counted twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.balance import assert_drained, assert_record_ledger, assert_tables
from tests.broker import Broker
from tests.consumers import Running
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.faults import met_crosswise, waiting_transactions
from tests.engine.logs import applied
from tests.events import NOON, SECOND, Datum, rating, uuid_text
from tests.model import expect
from tests.waiting import wait_for

ROUNDS_MAX = 20
RATINGS = 40
LOCKED = RATINGS // 2
ROUND_RECORDS = 160


def crossing(chance: random.Random, first: int) -> Iterator[tuple[str, Datum]]:
    """Versions of few ratings, each under any of many trips, whose id is the Kafka key: so partitions share rows."""
    for number in range(first, first + ROUND_RECORDS):
        version = {"event_id": uuid_text(number), "occurred_at": NOON + chance.randint(1, 3600) * SECOND}
        rating_id = LOCKED if number % 4 == 0 else chance.randint(1, RATINGS)  # every lane meets the locked one
        yield "TripRated", rating(rating_id=rating_id, trip_id=chance.randint(1, 10**6), **version)


def collide(broker: Broker, database: Database, consumers: Sequence[Running]) -> None:
    """Let all writers meet somebody else crosswise, until each consumer was given up in a deadlock."""
    for consumer in consumers:
        consumer.wait_ready()
    chance = random.Random(3)
    broker.publish(crossing(chance, first=1))  # there have to be rows to meet at
    wait_for(lambda: applied(database) == ROUND_RECORDS * len(consumers), "the first records")
    for number in range(1, ROUNDS_MAX):
        with met_crosswise(database, LOCKED):
            broker.publish(crossing(chance, first=1 + number * ROUND_RECORDS))
            wait_for(lambda: waiting_transactions(database) >= 2, "two to wait", every_seconds=0.2)
        wanted = (number + 1) * ROUND_RECORDS * len(consumers)
        wait_for(lambda: applied(database) == wanted, "all records")  # noqa: B023
        if all(map(deadlocks, consumers)):
            return
    pytest.fail("no deadlock came about")


def deadlocks(consumer: Running) -> float:
    return consumer.metric("stream_retries_total", reason="deadlock")


def test_two_lanes_that_collide_count_everything_once(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    consumer = start_service(lanes=2)
    collide(broker, mysql, [consumer])
    assert mysql.count("dead_letter") == 0
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_two_groups_that_collide_count_everything_once(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    names = [f"{stream_settings['STREAM_GROUP_ID']}-{name}" for name in ("one", "other")]
    collide(broker, mysql, [start_service(group_id=name) for name in names])
    assert mysql.count("dead_letter") == 0
    records = broker.records()
    expected = expect(records, {"app": ()})
    stored = mysql.snapshot()
    assert_tables(stored, expected)
    for name in names:
        assert_record_ledger(stored, records, expected, name)
    inserted = mysql.value("SELECT SUM(rows_inserted) FROM ledger WHERE table_name = 'user_rating'")
    assert inserted == mysql.count("user_rating"), "each row was inserted by one of them"
