"""The version guard: which of two events of one key wins, and what each statement counts."""

from __future__ import annotations

import pytest

from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, pass_logged, rating, trip, uuid_text
from tests.model.rules import moment
from tests.sql.applying import GROUP_ID, Applier, outcomes

LATER = NOON + SECOND
INSERTED, UPDATED, UNCHANGED, SUPPRESSED = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)


def rated(value: int, occurred_at: int = NOON, event: int = 5, **changes: object) -> tuple[str, Datum]:
    return "TripRated", rating(rating=value, occurred_at=occurred_at, event_id=uuid_text(event), **changes)


def test_a_newer_version_updates_every_column(database: Database, applier: Applier) -> None:
    applier.apply(rated(4))
    newer = rated(2, LATER, event=6, user_id=9, feedback=None)
    assert outcomes(applier.apply(newer), "user_rating") == UPDATED
    (row,) = database.rows("user_rating")
    assert (row["rating"], row["user_id"], row["feedback"]) == (2, 9, None)
    assert row["event_time"] == row["modified_on"] == row["created_on"] == moment(LATER)
    assert row["event_id"].hex() == uuid_text(6).replace("-", "")
    assert (row["kafka_partition"], row["kafka_offset"]) == (0, 1)
    assert_drained(database, applier.log, GROUP_ID)


@pytest.mark.parametrize(
    "stale",
    [
        rated(2, NOON - 1, event=9, feedback="stale", user_id=9),
        rated(2, NOON - 10**12, event=9, feedback=None),
        rated(2, NOON, event=4, feedback="stale"),
    ],
    ids=["a microsecond older", "days older", "equal time, lower id"],
)
def test_a_stale_version_does_not_overwrite(database: Database, applier: Applier, stale: tuple[str, Datum]) -> None:
    applier.apply(rated(4))
    (before,) = database.rows("user_rating")
    assert outcomes(applier.apply(stale), "user_rating") == UNCHANGED
    (after,) = database.rows("user_rating")
    assert after == before  # not even where it came from, nor when it was loaded


def test_at_equal_times_the_greater_id_wins(database: Database, applier: Applier) -> None:
    applier.apply(rated(4))
    assert outcomes(applier.apply(rated(2, event=6)), "user_rating") == UPDATED
    assert [row["rating"] for row in database.rows("user_rating")] == [2]


def test_ids_are_compared_as_bytes_to_the_first_and_the_last(database: Database, applier: Applier) -> None:
    lower = "7fffffff-ffff-ffff-ffff-ffffffffffff"
    greater = "80000000-0000-0000-0000-000000000000"
    applier.apply(("TripRated", rating(rating=1, event_id=greater)))
    applier.apply(("TripRated", rating(rating=2, event_id=lower)))
    assert [row["rating"] for row in database.rows("user_rating")] == [1]
    applier.apply(("TripRated", rating(rating=3, event_id="80000000-0000-0000-0000-000000000001")))
    assert [row["rating"] for row in database.rows("user_rating")] == [3]


def test_an_id_in_capitals_is_the_same_event(database: Database, applier: Applier) -> None:
    applier.apply(("TripRated", rating(event_id="abcdefab-cdef-abcd-efab-cdefabcdefab")))
    again = applier.apply(("TripRated", rating(event_id="ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFAB")))
    assert outcomes(again, "user_rating") == UNCHANGED


def test_a_duplicate_changes_nothing(database: Database, applier: Applier) -> None:
    applier.apply(rated(4))
    before = database.rows("user_rating")
    assert outcomes(applier.apply(rated(4)), "user_rating") == UNCHANGED
    assert database.rows("user_rating") == before
    assert_drained(database, applier.log, GROUP_ID)


def test_an_event_feeds_every_table_of_its_route(database: Database, applier: Applier) -> None:
    written = applier.apply(("TripRecorded", trip()))
    assert outcomes(written, "trip") == outcomes(written, "hntb_trip") == INSERTED
    assert (written.records.consumed, written.records.written) == (1, 1)
    assert_drained(database, applier.log, GROUP_ID)


def test_a_mixed_batch_is_counted_exactly(database: Database, applier: Applier) -> None:
    """One statement with rows of every outcome."""
    database.erase(["7000"])
    applier.apply(*(rated(3, rating_id=number, event=5) for number in range(1, 31)))
    batch = [
        *(rated(1, LATER, rating_id=number, event=6) for number in range(1, 11)),  # newer
        *(rated(1, rating_id=number, event=5) for number in range(11, 18)),  # duplicates
        *(rated(1, NOON - 1, rating_id=number, event=6) for number in range(18, 21)),  # stale
        *(rated(1, rating_id=number, event=6) for number in range(101, 106)),  # new
        *(rated(1, rating_id=number, event=6, user_id=7000) for number in range(201, 203)),  # erased
        *(rated(1, LATER, rating_id=number, event=6) for number in range(1, 5)),  # superseded in the batch
    ]
    written = applier.apply(*batch)
    assert outcomes(written, "user_rating") == (5, 10, 10, 2)
    assert (written.records.consumed, written.records.written, written.records.superseded) == (31, 27, 4)
    ledger = database.rows("ledger")[0]
    assert (ledger["rows_inserted"], ledger["rows_updated"]) == (35, 10)
    assert (ledger["rows_unchanged"], ledger["rows_suppressed"]) == (10, 2)


def test_two_persons_events_of_one_key_in_one_batch(database: Database, applier: Applier) -> None:
    """Both are sent, for one of the two might be erased; the guard decides between them."""
    older, newer = rated(1, user_id=8, event=1), rated(2, LATER, user_id=7, event=2)
    written = applier.apply(newer, older)
    assert written.rows["user_rating"].sent == 2
    assert [row["user_id"] for row in database.rows("user_rating")] == [7]
    assert_drained(database, applier.log, GROUP_ID)


def test_the_wall_clock_goes_only_into_loaded_on(database: Database, applier: Applier) -> None:
    applier.apply(("BytemarkPassLogged", pass_logged()), partition=1)
    applier.apply(("TripRecorded", trip()))
    now = database.value("SELECT UTC_TIMESTAMP(6)")
    for table in ("bytemark_pass", "hntb_bytemark_pass", "trip", "hntb_trip"):
        (row,) = database.rows(table)
        recent = {name for name, value in row.items() if hasattr(value, "year") and abs((now - value).days) < 1}
        assert recent == {"loaded_on"}, table
