"""A table is changed by hand while it is written: no row of another is changed, and no record is at fault."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from stream.errors import DatabaseUnavailable
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, TOPICS, Datum, rating, record, uuid_text
from tests.events import campaign_saved as saved
from tests.sql.applying import GROUP_ID, Applier

Event = tuple[str, Datum]


def rated(rating_id: int, trip_id: int, at: int = 0, **changes: Any) -> Event:
    version = {"occurred_at": NOON + at * SECOND, "event_id": uuid_text(1000 * rating_id + at)}
    return "TripRated", rating(rating_id=rating_id, trip_id=trip_id, **version, **changes)


class Change(NamedTuple):
    """An alteration of a table, and its undoing."""

    table: str
    done: str
    undone: str


def unique_index(table: str, columns: str) -> Change:
    return Change(table, f"ADD UNIQUE INDEX by_hand ({columns})", "DROP INDEX by_hand")


FEEDBACK = "MODIFY feedback VARCHAR(512) COMMENT 'in the rider''s own words'"
RATINGS = [rated(1, 1), rated(2, 2)]
LATER = rated(3, 1, feedback=None, rating=5)

CHANGES = {
    "another's row": (unique_index("user_rating", "trip_id"), RATINGS, LATER),
    "another's value": (unique_index("user_rating", "trip_id"), RATINGS, rated(2, 1, at=1)),
    "beside a declared unique index": (
        unique_index("campaign", "name(8)"),
        [saved(1, 10, name="same"), saved(2, 20, name="other")],
        saved(3, 30, name="same"),
    ),
    "a narrower column": (
        Change("user_rating", "MODIFY feedback VARCHAR(50)", FEEDBACK),
        RATINGS,
        rated(3, 3, feedback="A" * 51),
    ),
    "a column that may be null no longer": (
        Change("user_rating", "MODIFY feedback VARCHAR(512) NOT NULL DEFAULT ''", FEEDBACK),
        RATINGS,
        LATER,
    ),
    "a column that nobody fills": (
        Change("user_rating", "ADD COLUMN shelf INT NOT NULL", "DROP COLUMN shelf"),
        RATINGS,
        LATER,
    ),
    "a foreign key": (
        Change(
            "user_rating",
            "ADD CONSTRAINT by_hand FOREIGN KEY (id) REFERENCES campaign (id)",
            "DROP FOREIGN KEY by_hand",
        ),
        [],
        LATER,
    ),
}


@pytest.mark.parametrize(("change", "stored", "later"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_by_hand_rejects_no_record_and_changes_no_row(
    database: Database, applier: Applier, change: Change, stored: list[Event], later: Event
) -> None:
    if stored:
        applier.apply(*stored)
    before = database.rows(change.table)
    slice_ = applier.slice(TOPICS[later[0]], [record(*later)])
    database.execute(f"ALTER TABLE {change.table} {change.done}")
    try:
        during = database.rows(change.table)
        with pytest.raises(DatabaseUnavailable, match="tables_differ"):
            applier.write(slice_)
        assert (database.rows(change.table), database.count("dead_letter")) == (during, 0)
    finally:
        database.execute(f"ALTER TABLE {change.table} {change.undone}")
    assert database.rows(change.table) == before
    applier.write(slice_)
    assert_drained(database, applier.log, GROUP_ID)


def test_an_index_that_refuses_nothing_more_than_a_declared_one_is_no_matter(
    database: Database, applier: Applier
) -> None:
    applier.apply(saved(1, 10))
    change = unique_index("campaign", "ap_campaign_id, name(2)")
    database.execute(f"ALTER TABLE {change.table} {change.done}")
    try:
        rejected = applier.apply(saved(3, 10)).rejected
        assert [rejection.reason.value for _, rejection in rejected] == ["conflict"]
    finally:
        database.execute(f"ALTER TABLE {change.table} {change.undone}")
