"""Records that only the database refuses: found by bisecting, kept as dead letters, and nothing else is harmed.

Validation lets none of these through, so they are put behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest

from stream.errors import Reason, Stage
from stream.moments import MICROS_MAX
from stream.mysql.connection import connect_engine, read_connection
from stream.stages.decode import DecodedSlice
from tests import events
from tests.balance import assert_row_ledger
from tests.cycles import unreachable_after
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, rating, trip, uuid_text
from tests.sql.applying import GROUP_ID, Applier, outcomes, upserts_sent

REFUSED: list[tuple[str, Any]] = [
    ("travel_mode", "x" * 33),
    ("travel_mode", None),
    ("trip_id", 2**32),
    ("trip_id", -1),
    ("user_id", 2**32),
    ("user_id", -7),
    ("started_on", MICROS_MAX + 1),
    ("started_on", None),
    ("started_on", 2**63),
    ("ended_on", MICROS_MAX + 1),
    ("distance", math.nan),
    ("distance", None),
    ("fare", Decimal("123456789.00")),
    ("fare", "no number"),
    ("event_id", "0g" * 16),
    ("event_id", "00" * 17),
    ("occurred_at", MICROS_MAX + 1),
]


def with_values(slice_: DecodedSlice, offset: int, **changes: Any) -> DecodedSlice:
    """The slice with an event's attributes changed behind validation's back."""
    for record, event, _ in slice_.accepted:
        if record.offset == offset:
            for name, value in changes.items():
                setattr(event, name, value)
    return slice_


def trips(count: int) -> list[tuple[str, Datum]]:
    return [("TripRecorded", trip(trip_id=number, event_id=uuid_text(number))) for number in range(1, count + 1)]


def slice_of(applier: Applier, data: list[tuple[str, Datum]]) -> DecodedSlice:
    return applier.slice("trip", [events.record(name, datum) for name, datum in data])


@pytest.mark.parametrize(("field", "value"), REFUSED, ids=lambda value: str(value)[:24])
def test_a_value_that_does_not_fit_is_refused_and_its_record_alone(
    database: Database, applier: Applier, field: str, value: Any
) -> None:
    slice_ = with_values(slice_of(applier, trips(9)), 4, **{field: value})
    (written,) = applier.write(slice_)
    assert [(record.offset, rejection.stage) for record, rejection in written.rejected] == [(4, Stage.WRITE)]
    assert (written.records.consumed, written.records.written, written.records.dead_lettered) == (9, 8, 1)
    assert {row["id"] for row in database.rows("trip")} == {1, 2, 3, 4, 6, 7, 8, 9}
    assert {row["trip_id"] for row in database.rows("hntb_trip")} == {1, 2, 3, 4, 6, 7, 8, 9}
    (letter,) = database.rows("dead_letter")
    assert (letter["kafka_offset"], letter["stage"]) == (4, "write")
    assert letter["reason"] in set(Reason)
    assert letter["record_value"] == events.encode("TripRecorded", trip(trip_id=5, event_id=uuid_text(5)))
    assert_row_ledger(database, GROUP_ID)


def test_several_refused_records_are_all_found(database: Database, applier: Applier) -> None:
    slice_ = slice_of(applier, trips(40))
    for offset in (0, 1, 17, 39):
        with_values(slice_, offset, travel_mode="x" * 33)
    (written,) = applier.write(slice_)
    assert sorted(record.offset for record, _ in written.rejected) == [0, 1, 17, 39]
    assert database.count("trip") == database.count("hntb_trip") == 36


def test_what_only_one_table_refuses_is_in_neither(database: Database, applier: Applier) -> None:
    """A record is applied whole or not at all: user_id is text in one table and a number in the other."""
    slice_ = with_values(slice_of(applier, trips(3)), 1, user_id=2**32)
    applier.write(slice_)
    assert (
        {row["id"] for row in database.rows("trip")} == {row["trip_id"] for row in database.rows("hntb_trip")} == {1, 3}
    )


def test_a_batch_of_nothing_but_refused_records_is_dead_lettered(database: Database, applier: Applier) -> None:
    slice_ = slice_of(applier, trips(5))
    for offset in range(5):
        with_values(slice_, offset, distance=None)
    (written,) = applier.write(slice_)
    assert (written.records.written, written.records.dead_lettered) == (0, 5)
    assert database.count("dead_letter") == 5
    assert applier.claim("trip").next_offset == 5


def test_what_a_refused_record_had_superseded_takes_its_place(database: Database, applier: Applier) -> None:
    data = [
        ("TripRated", rating(rating=1, occurred_at=NOON, event_id=uuid_text(1))),
        ("TripRated", rating(rating=2, occurred_at=NOON + SECOND, event_id=uuid_text(2))),
        ("TripRated", rating(rating=3, occurred_at=NOON + 2 * SECOND, event_id=uuid_text(3))),
        ("TripRated", rating(rating=4, occurred_at=NOON + 3 * SECOND, event_id=uuid_text(4))),
    ]
    slice_ = slice_of(applier, data)
    with_values(slice_, 2, rating=999)
    with_values(slice_, 3, rating=999)
    (written,) = applier.write(slice_)
    assert [row["rating"] for row in database.rows("user_rating")] == [2]
    assert sorted(record.offset for record, _ in written.rejected) == [2, 3]
    assert (written.records.written, written.records.superseded, written.records.dead_lettered) == (1, 1, 2)
    assert outcomes(written, "user_rating") == (1, 0, 0, 0)


def test_many_refused_versions_of_one_row_are_found_in_one_round(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by a statement with its row alone, and none with the whole slice."""
    data = [
        ("TripRated", rating(rating=number % 5 + 1, occurred_at=NOON + number, event_id=uuid_text(number)))
        for number in range(50)
    ]
    slice_ = slice_of(applier, [*data, ("TripRated", rating(rating_id=9, event_id=uuid_text(99)))])
    for offset in range(10, 50):
        with_values(slice_, offset, rating=999)
    sent = upserts_sent(monkeypatch)
    (written,) = applier.write(slice_)
    assert sorted(record.offset for record, _ in written.rejected) == list(range(10, 50))
    assert sorted(row["rating"] for row in database.rows("user_rating")) == [4, 9 % 5 + 1]
    assert [count for count in sent if count > 1] == [2, 2, 2]


def test_refused_records_do_not_disturb_counts(database: Database, applier: Applier) -> None:
    """The ledger counts what was written in the end, not what was tried on the way."""
    applier.apply(*trips(10))
    slice_ = with_values(slice_of(applier, [*trips(10), *trips(20)[10:]]), 10 + 15, travel_mode="x" * 33)
    (written,) = applier.write(slice_)
    assert outcomes(written, "trip") == outcomes(written, "hntb_trip") == (9, 0, 10, 0)
    assert_row_ledger(database, GROUP_ID)


def test_other_slices_of_the_transaction_are_written(database: Database, applier: Applier) -> None:
    first = with_values(slice_of(applier, trips(3)), 1, travel_mode="x" * 33)
    other = applier.slice("trip", [events.record("TripRecorded", trip(trip_id=50))], partition=1)
    first_written, other_written = applier.write(first, other)
    assert (first_written.records.dead_lettered, other_written.records.dead_lettered) == (1, 0)
    assert {row["id"] for row in database.rows("trip")} == {1, 3, 50}


@pytest.mark.parametrize(("count", "poison"), [(1024, 0), (1024, 1023), (1000, 617)])
def test_bisecting_takes_about_two_statements_per_halving(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch, count: int, poison: int
) -> None:
    sent = upserts_sent(monkeypatch)
    data = [("TripRated", rating(rating_id=number, event_id=uuid_text(number))) for number in range(1, count + 1)]
    applier.write(with_values(slice_of(applier, data), poison, rating=999))
    assert database.count("user_rating") == count - 1
    # Two on each level, the refused statement itself, the bisection's first, and the one without the record.
    assert len(sent) <= 2 * math.ceil(math.log2(count)) + 3


@pytest.mark.parametrize(
    ("field", "value", "reason"), [("started_on", None, Reason.MISSING_FIELD), ("user_id", None, Reason.MISSING_FIELD)]
)
def test_a_null_is_called_a_missing_field(
    database: Database, applier: Applier, field: str, value: Any, reason: Reason
) -> None:
    (written,) = applier.write(with_values(slice_of(applier, trips(3)), 1, **{field: value}))
    assert [rejection.reason for _, rejection in written.rejected] == [reason]


def frames_after(work: Callable[[], object]) -> list[str]:
    """The calls that stay, with all that they hold, after some work that fails."""
    return [left.f_code.co_qualname for left in unreachable_after(work) if isinstance(left, FrameType)]


def test_a_statement_that_failed_is_freed_at_once(database: Database, applier: Applier) -> None:
    """Python's collector of cycles looks seldom, and in an outage each attempt fails with megabytes."""
    batch = slice_of(applier, trips(4))

    def write_read_only() -> None:
        connection = applier.writer._connection = applier.writer._connection or applier.writer.engine.connect()
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.rollback()
        applier.write(batch)

    assert frames_after(write_read_only) == []
    assert frames_after(lambda: reached("mysql+pymysql://a:b@127.0.0.1:1/nowhere")) == []


def reached(url: str) -> None:
    with read_connection(connect_engine(url)):
        """Nobody listens there."""


def test_a_batch_with_refused_records_is_freed_at_once(database: Database, applier: Applier) -> None:
    def write_refused() -> None:
        batch = slice_of(applier, [*trips(4), ("TripRecorded", trip(trip_id=0))])
        applier.write(with_values(batch, batch.slice.start_offset + 2, travel_mode="x" * 33))

    assert frames_after(write_refused) == []
