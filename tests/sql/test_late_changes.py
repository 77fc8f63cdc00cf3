"""Late changes: exactly the dates behind the window on which a row was written or removed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from stream.mysql import erasure
from stream.mysql import touched as changes
from stream.mysql.late_changes import late_data_sets
from stream.settings import LOOK_BACK_DAYS
from tests import events
from tests.databases import Database
from tests.events import NOON, SECOND, uuid_text
from tests.sql.applying import Applier

pytestmark = pytest.mark.usefixtures("loads_each_row")

DAY = changes.DAY_MICROS
TODAY = int(time.time()) * SECOND // DAY
WINDOW = TODAY - LOOK_BACK_DAYS
"""The earliest day, counted from 1970, that dashboards look at."""


@pytest.fixture(autouse=True)
def still_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Midnight may come while a test runs."""
    monkeypatch.setattr(changes, "late_before", lambda look_back_days: (TODAY - look_back_days) * DAY)


def day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(number)


def started(number: int, on: int, **values: Any) -> tuple[str, events.Datum]:
    """A trip that began on a day."""
    fields = {"trip_id": number, "started_on": on * DAY, "event_id": uuid_text(number), **values}
    return "TripRecorded", events.trip(**fields)


def late(database: Database, table: str = "trip") -> dict[date, int]:
    rows = [row for row in database.rows("late_change") if row["table_name"] == table]
    return {row["business_date"]: row["changes"] for row in rows}


def sweep(database: Database) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons, None, changes.late_before(LOOK_BACK_DAYS))


def test_a_date_is_late_from_the_day_before_the_window_on(database: Database, applier: Applier) -> None:
    last_moment = {"started_on": WINDOW * DAY - 1}
    applier.apply(started(1, WINDOW), started(2, TODAY), started(3, TODAY + 1), started(4, 0, **last_moment))
    assert late(database) == late(database, "hntb_trip") == {day(WINDOW - 1): 1}
    assert late(database, "user_rating") == {}


def test_duplicates_and_older_versions_are_no_change(database: Database, applier: Applier) -> None:
    applier.apply(started(1, 12_100), started(2, 12_100))
    assert late(database) == {day(12_100): 2}
    applier.apply(started(1, 12_100), started(2, 12_050, occurred_at=NOON - SECOND))
    assert late(database) == {day(12_100): 2}
    applier.apply(started(1, 12_100), started(3, 12_100), started(2, 12_100, event_id=uuid_text(99)))
    assert late(database) == {day(12_100): 4}, "a new row and a newer version, beside a duplicate"


def test_a_row_that_moves_counts_on_both_dates_where_they_are_late(database: Database, applier: Applier) -> None:
    applier.apply(started(1, 12_100))
    for number, on in enumerate((12_200, TODAY, TODAY, 12_300), 2):
        applier.apply(started(1, on, event_id=uuid_text(number)))
    assert late(database) == {day(12_100): 2, day(12_200): 2, day(12_300): 1}


def test_what_is_suppressed_is_no_change_and_what_is_erased_is_one(database: Database, applier: Applier) -> None:
    applier.apply(started(1, 12_100, user_id=7), started(2, TODAY, user_id=7), started(3, 12_100, user_id=8))
    applier.apply(("PointsTransacted", events.points(user_id=7, created_on=12_100 * DAY, note="thanks")))
    applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=7, event_id=uuid_text(9))))
    sweep(database)
    sweep(database)
    assert late(database) == {day(12_100): 3}
    assert late(database, "points_transaction") == {day(12_100): 2}, "its note was emptied"
    applier.apply(started(4, 12_200, user_id=7), started(5, 12_300, user_id=8))
    assert late(database) == {day(12_100): 3, day(12_300): 1}


def test_histories_count_too(database: Database, applier: Applier) -> None:
    signed = events.signed_in(event_id=uuid_text(1))
    applier.apply(("UserSignedIn", signed))
    applier.apply(("UserSignedIn", signed))
    (count,) = late(database, "user_sign_in").values()
    assert count == 1


def test_the_first_and_the_last_change_are_told_apart(database: Database, applier: Applier) -> None:
    applier.apply(started(1, 12_100))
    database.execute("UPDATE late_change SET first_changed_on = '2026-01-01', last_changed_on = '2026-01-01'")
    applier.apply(started(2, 12_100))
    (row,) = (row for row in database.rows("late_change") if row["table_name"] == "trip")
    assert row["first_changed_on"] == datetime(2026, 1, 1)
    assert row["last_changed_on"] > datetime(2026, 6, 1)


@pytest.fixture
def view_over_view(database: Database) -> Iterator[None]:
    database.execute("CREATE VIEW late_inner AS SELECT id AS number FROM trip")
    database.execute("CREATE VIEW late_outer AS SELECT number FROM late_inner")
    yield
    database.execute("DROP VIEW late_outer")
    database.execute("DROP VIEW late_inner")


@pytest.mark.usefixtures("view_over_view")
def test_the_data_sets_are_the_tables_rollups_and_views_above(database: Database, applier: Applier) -> None:
    applier.apply(started(1, TODAY - 30), started(2, TODAY - 20))
    applier.apply(("UserSignedIn", events.signed_in(signed_in_on=(TODAY - 40) * DAY)))
    with database.engine().connect() as connection:
        data_sets = {data_set.data_set: data_set for data_set in late_data_sets(connection)}
        none = late_data_sets(connection, datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))
    assert none == []
    own = {"trip", "hntb_trip", "rollup_trips", "late_inner", "late_outer", "user_sign_in", "user_data_with_history"}
    assert own <= data_sets.keys()
    outer = data_sets["late_outer"]
    assert (outer.kind, outer.changes, outer.earliest_date, outer.latest_date) == (
        "view",
        2,
        day(TODAY - 30),
        day(TODAY - 20),
    )
    assert (data_sets["trip"].kind, data_sets["rollup_trips"].kind) == ("table", "rollup")
    assert (datetime.now(UTC).date() - outer.earliest_date).days == outer.look_back_days
    assert "rollup_passes" not in data_sets
