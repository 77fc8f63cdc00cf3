"""Writers of ours that meet crosswise: the server gives one of them up, and nothing is lost or counted twice."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.balance import assert_drained, assert_record_ledger, assert_tables
from tests.broker import Broker
from tests.consumers import Running
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.faults import waiting_transactions
from tests.engine.logs import applied
from tests.events import NOON, SECOND, Datum, rating, uuid_text
from tests.model import expect
from tests.waiting import wait_for

ROUNDS_MAX = 20
RATINGS = 40
LOCKED = RATINGS // 2
ROUND_RECORDS = 160


def crossing(chance: random.Random, first: int) -> Iterator[tuple[str, Datum]]:
    """Versions of few ratings, each under any of many trips, whose id is the Kafka key: so partitions share rows.

    A batch writes one partition's ratings in the order of their ids, and then another's from the lowest on.
    """
    for number in range(first, first + ROUND_RECORDS):
        version = {"event_id": uuid_text(number), "occurred_at": NOON + chance.randint(1, 3600) * SECOND}
        rating_id = LOCKED if number % 4 == 0 else chance.randint(1, RATINGS)  # every lane meets the locked one
        yield "TripRated", rating(rating_id=rating_id, trip_id=chance.randint(1, 10**6), **version)


def collide(broker: Broker, database: Database, consumers: Sequence[Running]) -> int:
    """Let all writers wait for the same row and set them free, until some met in a deadlock; the records published."""
    chance = random.Random(3)
    published = 0
    for consumer in consumers:
        consumer.wait_ready()
    while not deadlocks(consumers):
        assert published < ROUNDS_MAX * ROUND_RECORDS, "no deadlock came about"
        with database.engine().connect() as other, other.begin():
            other.exec_driver_sql(f"SELECT * FROM user_rating WHERE id = {LOCKED} FOR UPDATE")
            broker.publish(crossing(chance, first=published + 1))
            published += ROUND_RECORDS
            if published > ROUND_RECORDS:  # in the first round there is no row yet
                wait_for(lambda: waiting_transactions(database) >= 2, "two to wait", every_seconds=0.2)
        wait_for(lambda: applied(database) == published * len(consumers), "all records")  # noqa: B023
    return published


def deadlocks(consumers: Sequence[Running]) -> float:
    return sum(one.metric("stream_retries_total", reason="deadlock") for one in consumers)


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
