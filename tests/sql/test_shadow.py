"""Shadow tables: records tried out beside the live ones, on each server."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from stream.catalog import METADATA, STREAMS
from stream.mysql import erasure
from stream.mysql.digests import digests
from stream.mysql.rows import WrittenSlice
from stream.records import Range, TopicPartition
from stream.replay.preview import outcomes_of
from stream.replay.shadow_tables import Shadow, key_of, shadow_of
from stream.replay.verify import Comparison, Outcome, Verified, snapshot
from tests import events
from tests.databases import Database
from tests.events import NOON, SECOND, TOPICS, Datum, samples, trip, uuid_text
from tests.sql.applying import DECODER, Applier, outcomes

TABLES = [table for stream in STREAMS.values() for table in stream.tables]
LINEAGE = ("kafka_partition", "kafka_offset", "loaded_on")


def apply(shadow: Shadow, name: str, datum: Datum) -> WrittenSlice:
    """Try one event out."""
    (written,) = shadow.apply([{TopicPartition(TOPICS[name], 0): [events.record(name, datum)]}], DECODER)
    return written


def shadowed(shadow: Shadow) -> dict[str, list[dict[str, object]]]:
    """Each table's rows but where they came from, in the order of the key."""
    return {
        table.name: [
            {name: value for name, value in row.items() if name not in LINEAGE}
            for some in shadow.rows(table)
            for row in some
        ]
        for table in TABLES
    }


def live(database: Database) -> dict[str, list[dict[str, object]]]:
    """The same of the live tables."""
    tables: dict[str, list[dict[str, object]]] = {}
    for table in TABLES:
        rows = sorted(database.rows(table.name), key=lambda row: key_of(table, row))  # type: ignore[arg-type]
        tables[table.name] = [{name: value for name, value in row.items() if name not in LINEAGE} for row in rows]
    return tables


def test_every_event_makes_the_same_rows_in_a_shadow_as_live(database: Database, applier: Applier) -> None:
    with shadow_of(database.engine(), TABLES) as shadow:
        for name, datum in samples().items():
            apply(shadow, name, datum)
        tried = shadowed(shadow)
        digested = {table.name: shadow.digests(table) for table in TABLES}
        assert not any(database.count(table.name) for table in TABLES), "the live tables are as they were"
        assert database.count("erasure") == 0
        assert shadow.markers
    for name, datum in samples().items():
        if "Deleted" not in name or name == "MessageDeleted":
            applier.apply((name, datum))
    assert tried == live(database)
    with database.engine().connect() as connection:
        assert digested == {table.name: digests(connection, table) for table in TABLES}
    assert sum(map(len, tried.values())) > 20


def test_the_guard_and_known_erasures_count_in_a_shadow(database: Database) -> None:
    database.erase(["7"])
    newer = trip(trip_id=1, user_id=8, distance=2, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    older = trip(trip_id=1, user_id=8, distance=1)
    with shadow_of(database.engine(), TABLES) as shadow:
        for datum in (newer, older, trip(trip_id=2, user_id=7)):
            apply(shadow, "TripRecorded", datum)
        assert [row["id"] for row in shadowed(shadow)["trip"]] == [1]
        assert shadowed(shadow)["trip"][0]["event_time"] == shadowed(shadow)["trip"][0]["modified_on"]
        assert str(shadowed(shadow)["trip"][0]["event_id"]) == str(bytes.fromhex(uuid_text(2).replace("-", "")))


ADMIN_MADE = "UserCreated", events.user_created(role="admin", occurred_at=NOON, event_id=uuid_text(1))
ACCOUNT_CHANGED = "UserUpdated", events.user_updated(occurred_at=NOON + SECOND, event_id=uuid_text(2))


def test_what_an_event_names_that_has_left_the_log_is_not_provable(database: Database, applier: Applier) -> None:
    applier.apply(ADMIN_MADE, ACCOUNT_CHANGED)
    assert [row["role"] for row in database.rows("users")] == ["admin"]
    assert verified_accounts(database, ACCOUNT_CHANGED) == [Verified("users", Outcome.NOT_PROVABLE, 1)]
    assert verified_accounts(database, ADMIN_MADE, ACCOUNT_CHANGED) == [Verified("users", Outcome.SAME, 1)]
    database.execute("UPDATE users SET role = 'user', email = NULL")
    (count, fault) = verified_accounts(database, ACCOUNT_CHANGED)
    assert (count.outcome, fault.columns) == (Outcome.DIFFERS, "email")


def verified_accounts(database: Database, *in_log: tuple[str, Datum]) -> list[Verified]:
    """The comparison of `users` with the last of the two records' log."""
    topic, from_offset = "user.lifecycle", 2 - len(in_log)
    with database.engine().connect() as live, shadow_of(database.engine(), TABLES) as shadow:
        for name, datum in in_log:
            apply(shadow, name, datum)
        ranges = [Range(topic, 0, "id", from_offset, 2)]
        return Comparison(topic, METADATA.tables["users"], ranges, database.engine()).run(live, shadow)


@pytest.mark.parametrize(
    ("stored", "replayed", "outcome"),
    [
        ([ACCOUNT_CHANGED], ADMIN_MADE, "updated"),
        ([ACCOUNT_CHANGED, ADMIN_MADE], ADMIN_MADE, "unchanged"),
        ([ADMIN_MADE], ACCOUNT_CHANGED, "updated"),
    ],
)
def test_a_dry_run_knows_what_an_older_event_names(
    database: Database, applier: Applier, stored: list[tuple[str, Datum]], replayed: tuple[str, Datum], outcome: str
) -> None:
    applier.apply(*stored)
    users = METADATA.tables["users"]
    with database.engine().connect() as live, shadow_of(database.engine(), TABLES) as shadow:
        apply(shadow, *replayed)
        assert outcomes_of(live, shadow, users) == {("users", outcome): 1}
    assert outcomes(applier.apply(replayed), "users") == {"updated": (0, 1, 0, 0), "unchanged": (0, 0, 1, 0)}[outcome]


def compared(database: Database, topic: str, table: str, *told: tuple[str, Datum]) -> list[tuple[str, int]]:
    """The outcomes of a table's comparison with what some events make of it."""
    with snapshot(database.engine()) as stored, shadow_of(database.engine(), STREAMS[topic].tables) as shadow:
        for name, datum in told:
            apply(shadow, name, datum)
        findings = Comparison(topic, METADATA.tables[table], [], database.engine()).run(stored, shadow)
    return [(finding.outcome.value, finding.rows) for finding in findings if finding.coordinates is None]


def sweep_all(database: Database) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons)


def test_a_row_that_went_with_an_erased_persons_newer_one_is_no_fault(database: Database, applier: Applier) -> None:
    """Had the erasure come first it would be there: the log has both, and what is stored depends on the order."""
    older = ("TripRecorded", trip(trip_id=1, user_id=8))
    newer = ("TripRecorded", trip(trip_id=1, user_id=7, occurred_at=NOON + SECOND, event_id=uuid_text(2)))
    other = ("TripRecorded", trip(trip_id=2, user_id=8))
    applier.apply(older, newer)
    applier.apply(newer)
    applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=7)))
    sweep_all(database)
    assert database.count("trip") == 0
    assert compared(database, "trip", "trip", older, newer, other) == [("missing", 1), ("several_persons", 1)]


def test_a_row_of_who_came_back_is_compared_as_any_other(database: Database, applier: Applier) -> None:
    booked = ("CourseBooked", events.course_booked(user_id=9, occurred_at=NOON + 2 * SECOND))
    applier.apply(("TelegramUserDeleted", events.telegram_user_deleted(telegram_user_id=9)))
    back = events.telegram_user_returned(telegram_user_id=9, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    applier.apply(("TelegramUserReturned", back))
    assert compared(database, "learner", "bookings", booked) == [("missing", 1)]


def test_shadows_are_gone_with_their_connection_and_others_never_see_them(database: Database) -> None:
    with shadow_of(database.engine(), TABLES) as shadow:
        apply(shadow, "TripRecorded", trip())
        with shadow_of(database.engine(), TABLES) as another:
            assert not any(shadowed(another).values())
    assert database.count("trip") == 0


def test_no_lock_on_a_live_row_holds_a_shadow_up(database: Database, applier: Applier) -> None:
    """So it takes none either: a lock of its own would have to wait."""
    database.erase(["8"])
    applier.apply(("TripRecorded", trip(trip_id=1)))
    with database.engine().connect() as other, other.begin(), shadow_of(database.engine(), TABLES) as shadow:
        for name in ("trip", "hntb_trip", "erasure", "progress"):
            other.execute(text(f"SELECT * FROM {name} FOR UPDATE")).all()
        written = apply(shadow, "TripRecorded", trip(trip_id=1, user_id=8, event_id=uuid_text(2)))
        assert written.rows["trip"].suppressed == 1
