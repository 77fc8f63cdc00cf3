"""What lies in the log when a test begins."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from stream.produce import Framing, Message, Plan, synthesize
from tests.broker import Broker
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, pass_logged, rating, trip, uuid_text
from tests.waiting import wait_for


def synthetic(count: int, seed: int = 1) -> list[Message]:
    """A mixture with duplicates, late and broken events, in both framings and older schema versions."""
    plan = Plan(
        seed=seed,
        until=datetime.now(UTC) - timedelta(minutes=1),
        count=count,
        duplicate_share=0.1,
        late_share=0.1,
        broken_share=0.1,
        older_version_share=0.2,
        framing=Framing.MIXED,
    )
    return list(synthesize(plan))


def put(broker: Broker, messages: list[Message]) -> None:
    broker.put((one.topic, one.key, one.value, one.headers) for one in messages)


def some_events(count: int = 50, first: int = 1) -> Iterator[tuple[str, Datum]]:
    """One event of each kind for each number; all different, spread over all partitions."""
    for number in range(first, first + count):
        version = {"event_id": uuid_text(number), "occurred_at": NOON + number % 3600 * SECOND}
        yield "TripRecorded", trip(trip_id=number, **version)
        yield "TripRated", rating(rating_id=number, trip_id=number, **version)
        yield "BytemarkPassLogged", pass_logged(bytemark_pass_id=number, **version)


def colliding_events(count: int, seed: int) -> list[tuple[str, Datum]]:
    """Many versions of few entities in any order, a third of them twice."""
    chance = random.Random(seed)
    data = [
        ("TripRecorded", trip(trip_id=chance.randint(1, 40), occurred_at=NOON + n % 7 * SECOND, event_id=uuid_text(n)))
        for n in range(1, count + 1)
    ]
    data += chance.sample(data, count // 3)
    chance.shuffle(data)
    return data


def wait_applied(database: Database, count: int, seconds: float = 60.0) -> None:
    """Wait until so many records are applied, and what they erase is swept."""
    try:
        wait_for(lambda: applied(database) == count, "records to be applied", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {applied(database)} of {count}") from None
    wait_swept(database)


def wait_swept(database: Database) -> None:
    unswept = "SELECT COUNT(*) FROM erasure WHERE swept_on IS NULL"
    wait_for(lambda: database.value(unswept) == 0, "erasures to be swept")


def applied(database: Database) -> int:
    """Records applied so far, each once: what is redriven or restored has a ledger of its own."""
    consumed = "SELECT COALESCE(SUM(records_consumed), 0) FROM progress WHERE LEFT(group_id, 1) <> '('"
    return int(database.value(consumed))
