"""`stream replay --rewrite`: an event changes the row that it wrote before, where it makes another one now."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from stream.catalog import STREAMS
from stream.mysql import touched
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, recipient, samples, trip, user_updated, uuid_text
from tests.sql import test_late_changes, test_rollups
from tests.sql.applying import GROUP_ID, Applier, outcomes

pytestmark = pytest.mark.usefixtures("loads_each_row")

TABLES = [table.name for stream in STREAMS.values() for table in stream.tables]
INSERTED, UPDATED, UNCHANGED, SUPPRESSED = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
ORIGIN = ("kafka_partition", "kafka_offset", "loaded_on")


@pytest.fixture
def rewriter(database: Database) -> Iterator[Applier]:
    """Reads a log again, in partitions whose offsets begin anew."""
    made = Applier(database, group_id="replay:again", resolves=True, rewrites=True)
    yield made
    made.close()


def made_by(number: int, **changes: object) -> tuple[str, Datum]:
    return "TripRecorded", trip(trip_id=number, event_id=uuid_text(number), **changes)


def content(database: Database, table: str) -> list[dict[str, object]]:
    return [{name: row[name] for name in row if name not in ORIGIN} for row in database.rows(table)]


def test_what_is_as_the_log_says_stays_to_the_last_byte(
    database: Database, applier: Applier, rewriter: Applier
) -> None:
    kinds = [(name, datum) for name, datum in samples().items() if "Deleted" not in name]
    told = [(name, {**datum, "event_id": uuid_text(number)}) for number, (name, datum) in enumerate(kinds)]
    for name, datum in told:
        applier.apply((name, datum))
    before = {name: database.rows(name) for name in TABLES}
    assert sum(map(len, before.values())) > 20
    for name, datum in told:
        written = rewriter.apply((name, datum), (name, datum), partition=1)
        for table in written.rows:
            assert outcomes(written, table)[:2] == (0, 0), (name, table)
    assert {name: database.rows(name) for name in TABLES} == before


@pytest.mark.parametrize(
    "change",
    [
        "travel_mode = 'TRANSIT'",
        "travel_mode = 'transit '",
        "ended_on = NULL",
        "fare = fare + 0.01",
        "modified_on = '2020-01-01', user_id = 9",
    ],
)
def test_a_row_that_was_changed_by_hand_is_restored_and_then_left_alone(
    database: Database, applier: Applier, rewriter: Applier, change: str
) -> None:
    applier.apply(made_by(1, ended_on=NOON), made_by(2))
    before = content(database, "trip")
    database.execute(f"UPDATE trip SET {change}, loaded_on = '2020-01-01' WHERE id = 1")
    assert content(database, "trip") != before
    written = rewriter.apply(made_by(2), made_by(1, ended_on=NOON), partition=4)
    assert (outcomes(written, "trip"), outcomes(written, "hntb_trip")) == ((0, 1, 1, 0), (0, 0, 2, 0))
    assert content(database, "trip") == before
    (restored, other) = database.rows("trip")
    assert (restored["kafka_partition"], restored["kafka_offset"], restored["loaded_on"].year > 2020) == (4, 1, True)
    assert (other["kafka_partition"], other["kafka_offset"]) == (0, 1)
    assert outcomes(rewriter.apply(made_by(1, ended_on=NOON)), "trip") == UNCHANGED
    assert [restored, other] == database.rows("trip")


def test_a_newer_row_stays_and_so_does_an_erased_person_away(
    database: Database, applier: Applier, rewriter: Applier
) -> None:
    applier.apply(made_by(1, occurred_at=NOON + SECOND))
    database.execute("UPDATE trip SET travel_mode = 'flying'")
    assert outcomes(rewriter.apply(made_by(1)), "trip") == UNCHANGED
    assert [row["travel_mode"] for row in database.rows("trip")] == ["flying"]
    database.erase(["7"])
    assert outcomes(rewriter.apply(made_by(1, occurred_at=NOON + SECOND), made_by(2)), "trip") == (0, 0, 0, 2)


def test_a_value_that_an_older_event_named_is_restored(database: Database, applier: Applier, rewriter: Applier) -> None:
    named = user_updated(role="admin", event_id=uuid_text(1))
    applier.apply(("UserUpdated", named))
    applier.apply(("UserUpdated", user_updated(occurred_at=NOON + SECOND, event_id=uuid_text(2))))
    before = database.rows("users")
    database.execute("UPDATE users SET role = 'owner', loaded_on = '2020-01-01'")
    assert outcomes(rewriter.apply(("UserUpdated", named), partition=3), "users") == UPDATED
    (restored,) = database.rows("users")
    assert restored == {**before[0], "loaded_on": restored["loaded_on"]}, "the row is still the newer event's"
    assert restored["loaded_on"].year > 2020


def test_a_set_is_replaced_where_it_differs(database: Database, applier: Applier, rewriter: Applier) -> None:
    message = events.message_saved(recipients=[recipient(1), recipient(2), recipient(3)])
    newer = events.message_saved(message_id=52, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    applier.apply(("MessageSaved", message), ("MessageSaved", newer))
    before = content(database, "message_recipients")
    database.execute("UPDATE message_recipients SET delivery_status = 'failed' WHERE user_id = 1")
    database.execute("DELETE FROM message_recipients WHERE user_id = 2")
    for stranger in (4, 5):
        database.execute(
            "INSERT INTO message_recipients SELECT message_id, :stranger, delivery_status, delivered_on, created_on, "
            "modified_on, event_time, event_id, kafka_partition, kafka_offset, loaded_on "
            "FROM message_recipients WHERE user_id = 3",
            stranger=stranger,
        )
    written = rewriter.apply(("MessageSaved", message), ("MessageSaved", {**newer, "occurred_at": NOON}))
    assert outcomes(written, "message_recipients") == (1, 1, 2, 0), "one of them of an older version"
    assert content(database, "message_recipients") == before
    database.execute("UPDATE message_recipients SET user_id = 9 WHERE user_id = 3")
    rewriter.apply(("MessageSaved", message))
    assert content(database, "message_recipients") == before


def test_rollups_and_late_dates_are_told_where_a_row_lay_and_lies(
    database: Database, applier: Applier, rewriter: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    day, first, late_before = touched.DAY_MICROS, 11_000, touched.late_before(100)  # in the year 2000
    monkeypatch.setattr(touched, "late_before", lambda _days: late_before)
    log = [
        ("TripRecorded", trip(trip_id=number, event_id=uuid_text(number), started_on=(first + number) * day))
        for number in (100, 200, 300)
    ]
    applier.apply(*log)
    signed = "UserSignedIn", events.signed_in(signed_in_on=(first + 400) * day)
    applier.apply(signed)
    test_rollups.refresh(database)
    database.execute("UPDATE trip SET started_on = started_on + INTERVAL 1000 DAY WHERE id = 100")
    database.execute("UPDATE trip SET distance = 3 WHERE id = 200")
    database.execute("UPDATE user_sign_in SET signed_in_on = '1970-01-03'")
    database.execute("DELETE FROM late_change")
    assert outcomes(rewriter.apply(*log), "trip") == (0, 2, 1, 0)
    assert outcomes(rewriter.apply(signed), "user_sign_in") == UPDATED
    test_rollups.refresh(database)
    test_rollups.assert_summed(database)
    late = {(row["table_name"], row["business_date"]): row["changes"] for row in database.rows("late_change")}
    assert late == {
        **{("trip", test_late_changes.day(first + number)): 1 for number in (100, 1100, 200)},
        **{("user_sign_in", test_late_changes.day(number)): 1 for number in (2, first + 400)},
    }


def test_beside_a_live_writer_the_rows_are_those_of_the_log(database: Database) -> None:
    """Whatever the two do to one row meanwhile: of duplicates at two offsets none flaps, and newer ones stay."""
    chance = random.Random(5)
    told = [
        ("TripRecorded", trip(trip_id=number % 9 + 1, event_id=uuid_text(number), occurred_at=NOON + number * SECOND))
        for number in range(120)
    ]
    records = [events.record(name, datum) for name, datum in told]
    live, rewriter = Applier(database), Applier(database, "rewriter", rewrites=True)

    def run(applier: Applier, partition: int) -> None:
        for start in range(0, len(records), 8):
            batch = records[start : start + 8] * 2
            chance.shuffle(batch)
            applier.persist(applier.slice("trip", batch, partition))

    threads = [threading.Thread(target=run, args=each) for each in ((live, 0), (rewriter, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    before = database.rows("trip")
    assert {row["id"]: row["event_id"].hex() for row in before} == {
        number % 9 + 1: uuid_text(number).replace("-", "") for number in range(111, 120)
    }
    assert_drained(database, [*live.log, *rewriter.log], GROUP_ID)
    database.execute("UPDATE trip SET distance = 1")
    run(rewriter, 1)
    changed = database.rows("trip")
    run(rewriter, 2)
    assert database.rows("trip") == changed
    live.close()
    rewriter.close()
    assert [row["distance"] for row in changed] == [row["distance"] for row in before]
