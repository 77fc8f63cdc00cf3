"""Erased persons: nothing about them is written again, whatever comes when."""

from __future__ import annotations

import pytest

from stream.catalog import STREAMS
from stream.declaration.persons import PersonKind
from stream.mysql.erased import markers_statement
from stream.mysql.look import look_statement
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, pass_logged, rating, trip, uuid_text
from tests.sql.applying import GROUP_ID, Applier, outcomes

SUPPRESSED = (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("event", "tables"),
    [
        (("TripRecorded", trip(user_id=7)), ("trip", "hntb_trip")),
        (("TripRated", rating(user_id=7)), ("user_rating",)),
        (("BytemarkPassLogged", pass_logged(user_id="7")), ("bytemark_pass", "hntb_bytemark_pass")),
    ],
    ids=["number and text", "number", "text"],
)
def test_an_erased_persons_rows_are_suppressed_and_counted(
    database: Database, applier: Applier, event: tuple[str, Datum], tables: tuple[str, ...]
) -> None:
    database.erase(["7"])
    written = applier.apply(event)
    for table in tables:
        assert outcomes(written, table) == SUPPRESSED
        assert database.count(table) == 0
    assert_drained(database, applier.log, GROUP_ID, erased=["7"])


@pytest.mark.parametrize(("kind", "person"), [("clerk", "7"), ("telegram", "7"), ("app", "70"), ("app", "07")])
def test_another_persons_erasure_suppresses_nothing(
    database: Database, applier: Applier, kind: str, person: str
) -> None:
    database.erase([person], kind)
    applier.apply(("TripRecorded", trip(user_id=7)))
    assert (database.count("trip"), database.count("hntb_trip")) == (1, 1)


def test_an_erased_persons_newer_event_does_not_hide_anothers(database: Database, applier: Applier) -> None:
    """Within a batch the newest of a key wins, but only among those that are written."""
    database.erase(["7"])
    older = ("TripRated", rating(user_id=8, rating=1))
    newer = ("TripRated", rating(user_id=7, rating=2, occurred_at=NOON + SECOND, event_id=uuid_text(2)))
    written = applier.apply(older, newer)
    assert outcomes(written, "user_rating") == (1, 0, 0, 1)
    assert [row["user_id"] for row in database.rows("user_rating")] == [8]
    assert_drained(database, applier.log, GROUP_ID, erased=["7"])


def test_an_erased_persons_event_does_not_change_the_row_that_is_there(database: Database, applier: Applier) -> None:
    applier.apply(("TripRated", rating(user_id=8)))
    before = database.rows("user_rating")
    database.erase(["7"])
    applier.apply(("TripRated", rating(user_id=7, occurred_at=NOON + SECOND, event_id=uuid_text(2))))
    assert database.rows("user_rating") == before


def test_many_erased_persons_are_found_by_key(database: Database) -> None:
    """Each person of a batch is looked up: without the primary key each would scan all erasures."""
    ids = [str(number) for number in range(1000, 1200)]
    database.erase(ids)
    database.execute("ANALYZE TABLE erasure")
    for kind in PersonKind:
        # `%` and `:` mean something to the driver.
        lines = {row["table"]: row for row in database.explain(markers_statement(kind, ids).decode())}
        assert (lines["e"]["key"], lines["e"]["type"]) in (("PRIMARY", "eq_ref"), ("PRIMARY", "ref"))


def test_stored_rows_are_found_by_key(database: Database) -> None:
    """Each row of a batch is looked for, and locked: without the key each would scan its table, and lock all of it."""
    for stream in STREAMS.values():
        for table in stream.tables:
            lines = {row["table"]: row for row in database.explain(look_statement(table, []).decode())}
            assert (lines["t"]["key"], lines["t"]["type"]) == ("PRIMARY", "eq_ref"), table.name
