"""The view `freshness`: a table is complete through the earliest of its partitions, and never too early."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from stream.engine.metrics import Metrics
from stream.errors import Reason, Rejection, Stage
from stream.mysql import dead_letters, freshness
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.freshness import Freshness
from stream.records import TopicPartition
from tests import events
from tests.databases import Database
from tests.events import RECORDED_MS
from tests.sql.applying import TOPIC_ID, Applier

RECORDED = datetime(1970, 1, 1) + timedelta(milliseconds=RECORDED_MS)
LATER_MS = RECORDED_MS + 60_000
LATER = RECORDED + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def feeds(database: Database) -> None:
    with database.engine().begin() as connection:
        freshness.declare_feeds(connection, {"trip": 2, "bytemark.pass": 2})


def fresh(database: Database, table: str = "trip") -> Freshness:
    with database.engine().connect() as connection:
        return {row.table_name: row for row in freshness.freshness(connection)}[table]


def through(database: Database) -> datetime | None:
    return fresh(database).complete_through


def some_trip(number: int = 1) -> tuple[str, events.Datum]:
    return "TripRecorded", events.trip(trip_id=number)


def test_a_table_is_not_complete_while_a_partition_was_never_applied(database: Database, applier: Applier) -> None:
    assert through(database) is None
    applier.apply(some_trip(), partition=0)
    assert through(database) is None, "partition 1 was never claimed"
    claim = applier.claim("trip", 1)
    assert through(database) is None, "partition 1 was never applied"
    applier.writer.review([claim], [claim], LATER_MS)
    assert through(database) == RECORDED, "the earliest of its partitions"
    assert fresh(database, "bytemark_pass").complete_through is None
    applier.claim("trip", 2)
    assert through(database) is None, "the topic has grown by a partition"


def test_a_partition_at_its_end_moves_on_and_never_back(database: Database, applier: Applier) -> None:
    applier.apply(some_trip(1), partition=0)
    applier.apply(some_trip(2), partition=1)
    claims = [applier.claim("trip", number) for number in (0, 1)]
    applier.writer.review(claims, claims, LATER_MS)
    assert through(database) == LATER
    applier.writer.review(claims, claims, RECORDED_MS)
    applier.apply(some_trip(3), partition=0)
    assert through(database) == LATER
    applier.writer.review([], [], LATER_MS)


def test_a_partition_that_is_no_longer_ours_stays_as_it_is(database: Database, applier: Applier) -> None:
    applier.apply(some_trip(1), partition=0)
    applier.apply(some_trip(2), partition=1)
    claims = [applier.claim("trip", number) for number in (0, 1)]
    heir = Applier(database, "heir")
    heir.claim("trip", 1)
    applier.writer.review(claims, claims, LATER_MS)
    assert through(database) == RECORDED
    database.execute("UPDATE progress SET next_offset = 0 WHERE kafka_partition = 0")  # a restored backup, say
    applier.writer.review(claims, claims, LATER_MS + 60_000)
    assert max(row["complete_through"] for row in database.rows("progress")) == LATER
    heir.close()


def test_replays_and_redrives_complete_nothing_and_another_group_may(database: Database, applier: Applier) -> None:
    for group in ("replay:20260101", "(redrive)"):
        other = Applier(database, group_id=group)
        for number in (0, 1):
            other.writer.review([other.claim("trip", number)], [other.claim("trip", number)], LATER_MS)
        other.close()
    assert through(database) is None
    renamed = Applier(database, group_id="renamed")
    for number in (0, 1):
        applier.apply(some_trip(1 + number), partition=number)
        renamed.writer.review([renamed.claim("trip", number)], [renamed.claim("trip", number)], LATER_MS)
    renamed.close()
    assert through(database) == LATER


def test_dead_letters_that_wait_and_rows_to_be_summed_are_told(database: Database, applier: Applier) -> None:
    applier.apply(some_trip())
    record = events.record("TripRecorded", events.trip())
    letters = [
        DeadLetter(TOPIC_ID, TopicPartition("trip", 0), record._replace(offset=offset), Rejection(Stage.WRITE, reason))
        for offset, reason in enumerate((Reason.CONSTRAINT, Reason.TOO_LONG, Reason.TOO_LONG))
    ]
    with database.engine().begin() as connection:
        dead_letters.keep(connection, letters)
    database.execute("UPDATE dead_letter SET status = 'resolved' WHERE kafka_offset = 2")
    row = fresh(database)
    assert (row.partitions, row.dead_letters_waiting, row.rollup) == (2, 2, "rollup_trips")
    assert row.rollup_behind_since is not None
    database.execute("DELETE FROM rollup_touched")
    assert fresh(database).rollup_behind_since is None
    other = fresh(database, "hntb_bytemark_pass")
    assert (other.dead_letters_waiting, other.rollup, other.rollup_behind_since) == (0, "rollup_passes", None)
    assert fresh(database, "hntb_trip").rollup is None


def test_what_feeds_a_table_is_told_anew(database: Database) -> None:
    with database.engine().begin() as connection:
        freshness.declare_feeds(connection, {"trip": 3})
    assert fresh(database).partitions == 3
    assert fresh(database, "bytemark_pass").partitions == 2


def test_the_gauge_tells_of_topics_that_are_applied_throughout(database: Database, applier: Applier) -> None:
    for number in (0, 1):
        applier.apply(some_trip(1 + number), partition=number)
    metrics = Metrics()
    with database.engine().connect() as connection:
        metrics.observe_freshness(freshness.freshness(connection))
    name = "stream_complete_through_timestamp_seconds"
    assert metrics.registry.get_sample_value(name, {"topic": "trip"}) == RECORDED_MS / 1000
    assert metrics.registry.get_sample_value(name, {"topic": "bytemark.pass"}) is None
