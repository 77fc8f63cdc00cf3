"""Digests of rows: no others than the same have the same. That the same do, test_shadow proves for all tables."""

from __future__ import annotations

from zlib import crc32

import pytest
from sqlalchemy import not_

from stream.catalog import STREAMS
from stream.mysql.digests import BUCKETS, Digest, differing, digests, row_counts
from stream.replay.shadow_tables import in_key_order
from tests import events
from tests.databases import Database
from tests.events import rating, uuid_text
from tests.sql.applying import Applier

RATING = next(table for table in STREAMS["trip"].tables if table.name == "user_rating")


def digested(database: Database) -> dict[int, Digest]:
    """Those of the ratings."""
    with database.engine().connect() as connection:
        return digests(connection, RATING)


@pytest.mark.parametrize(
    "change",
    [
        "rating = 2",
        "feedback = NULL",
        "feedback = ''",
        "feedback = '- '",
        "feedback = '–'",
        "event_time = event_time + INTERVAL 1 MICROSECOND",
        "event_id = REVERSE(event_id)",
        "user_id = 78, trip_id = 8",
    ],
)
def test_any_change_of_a_row_shows_in_its_bucket_alone(database: Database, applier: Applier, change: str) -> None:
    applier.apply(*rated(1, user_id=7, trip_id=88, feedback="-"), *rated(2))
    before = digested(database)
    database.execute(f"UPDATE user_rating SET {change} WHERE id = 1")
    buckets = differing(before, digested(database))
    assert len(buckets) == 1
    with database.engine().connect() as connection:
        rows = [row for some in in_key_order(connection, RATING, buckets) for row in some]
    assert [row["id"] for row in rows] == [1]


def test_values_that_change_places_within_a_bucket_show(database: Database, applier: Applier) -> None:
    beside = next(number for number in range(2, 100 * BUCKETS) if bucket(number) == bucket(1))
    applier.apply(*rated(1, feedback="kind"), *rated(beside, feedback="rude"))
    before = digested(database)
    database.execute("UPDATE user_rating SET feedback = IF(feedback = 'kind', 'rude', 'kind')")
    assert differing(before, digested(database)) == {bucket(1)}


def test_where_a_row_came_from_does_not_count(database: Database, applier: Applier) -> None:
    applier.apply(*rated(1))
    before = digested(database)
    database.execute(
        "UPDATE user_rating SET kafka_partition = 9, kafka_offset = 9, loaded_on = loaded_on - INTERVAL 1 DAY"
    )
    assert not differing(before, digested(database))


def test_only_the_rows_asked_for_count(database: Database, applier: Applier) -> None:
    applier.apply(*rated(1))
    before = digested(database)
    applier.apply(*rated(2), *rated(3))
    is_first = RATING.c.kafka_offset == 0
    with database.engine().connect() as connection:
        assert digests(connection, RATING, is_first) == before
        assert sum(row_counts(connection, RATING, not_(is_first)).values()) == 2


def test_a_row_that_only_one_has_shows(database: Database, applier: Applier) -> None:
    applier.apply(*rated(1))
    alone = digested(database)
    assert differing(alone, {}) == differing({}, alone) == set(alone)
    assert not differing({}, {})


def bucket(number: int) -> int:
    return crc32(str(number).encode()) % BUCKETS


def rated(number: int, **changes: object) -> list[tuple[str, events.Datum]]:
    return [("TripRated", rating(rating_id=number, event_id=uuid_text(number), **changes))]
