"""Returns: who comes back under the same id is stored again, as of then, in whatever order things are told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Table

from stream.catalog import METADATA, STREAMS
from stream.declaration import column, telegram, upserted_table
from stream.declaration.persons import RETURNING_KINDS
from stream.declaration.types import EntityId, TelegramId, Text128
from stream.engine.metrics import Metrics
from stream.engine.workers import Workers
from stream.errors import DeclarationError
from stream.mysql import erasure
from stream.mysql.dead_letters import LogPart
from stream.operate.restore import Restorer
from stream.records import Record
from stream.settings import Settings
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, SECOND, uuid_text
from tests.sql.applying import DECODER, GROUP_ID, Applier, law
from tests.sql.test_erasure import LIFECYCLE, Item, apply, item, sweep
from tests.waiting import wait_for

WHO = 99
OTHER = 98


def version(number: int, second: int) -> dict[str, Any]:
    return {"event_id": uuid_text(number), "occurred_at": NOON + second * SECOND}


def booked(number: int, second: int, user_id: int = WHO, booking_id: int | None = None) -> Item:
    datum = events.course_booked(user_id=user_id, booking_id=booking_id or number, **version(number, second))
    return item("CourseBooked", datum)


def deleted(second: int, user_id: int = WHO) -> Item:
    return item(
        "TelegramUserDeleted", events.telegram_user_deleted(telegram_user_id=user_id, **version(900 + second, second))
    )


def returned(second: int, user_id: int = WHO) -> Item:
    return item(
        "TelegramUserReturned", events.telegram_user_returned(telegram_user_id=user_id, **version(950 + second, second))
    )


def restore(database: Database, applier: Applier, gone: Sequence[int] = ()) -> int:
    """Restore what is due, from the records that were applied; the number of those that the log still had."""

    def read_log(part: LogPart, offsets: Sequence[int]) -> dict[int, Record]:
        return {
            each.offset: Record(each.offset, each.timestamp_ms, each.key, each.value)
            for each in applier.log
            if (each.topic, each.partition) == part.topic_partition and each.offset in set(offsets) - set(gone)
        }

    restored = []
    with database.engine(for_lane=True).connect() as connection:
        while (some := Restorer(DECODER, read_log).restore_some(connection)) is not None:
            restored.append(some.records)
            assert len(restored) < 100, "it must come to an end"
    return sum(restored)


def bookings(database: Database) -> list[int]:
    return sorted(row["id"] for row in database.rows("bookings"))


def test_what_occurred_after_the_return_is_stored_in_any_order(database: Database) -> None:
    for order in permutations([deleted(2), booked(5, 5), returned(4)]):
        database.empty()
        applier = Applier(database)
        for each in (booked(1, 1), booked(3, 3), *order):
            apply(applier, [each])
            sweep(database)
            restore(database, applier)
        assert bookings(database) == [5]
        assert_drained(database, applier.log, GROUP_ID)
        applier.close()


def test_a_later_erasure_erases_again_and_a_later_return_lets_in_what_follows(
    database: Database, applier: Applier
) -> None:
    told = []
    for each in (
        booked(1, 1),
        deleted(2),
        returned(3),
        booked(4, 4),
        deleted(5),
        booked(6, 6),
        returned(7),
        booked(8, 8),
    ):
        apply(applier, [each])
        sweep(database)
        restore(database, applier)
        told.append(bookings(database))
    assert told == [[1], [], [], [4], [], [], [], [8]]
    # Told late, these are nothing new.
    apply(applier, [deleted(0), returned(1), returned(9), booked(9, 3)])
    sweep(database)
    assert restore(database, applier) == 0
    assert bookings(database) == [8]
    assert_drained(database, applier.log, GROUP_ID)


def test_an_older_return_lets_in_what_was_left_out_and_what_was_swept(database: Database, applier: Applier) -> None:
    """Nothing of it was kept but where it is in the log: what that no longer has is gone."""
    apply(applier, [booked(5, 5), booked(6, 6), booked(7, 7)])
    apply(applier, [deleted(2)])
    sweep(database)
    apply(applier, [booked(8, 8), booked(9, 9)])
    assert (bookings(database), database.count("suppressed_record")) == ([], 5)
    apply(applier, [returned(6)])
    assert restore(database, applier, gone=[4]) == 2
    assert (bookings(database), database.count("suppressed_record")) == ([7, 8], 2)
    apply(applier, [returned(5)])
    assert restore(database, applier) == 1
    assert bookings(database) == [6, 7, 8]


def test_a_message_to_somebody_who_is_back_and_somebody_who_is_not_is_applied_again_once(
    database: Database, applier: Applier
) -> None:
    """The server doesn't say which of its rows are left out."""
    recipients = [events.recipient(user_id=WHO), events.recipient(user_id=OTHER)]
    apply(applier, [deleted(2), deleted(2, OTHER)])
    apply(applier, [item("MessageSaved", events.message_saved(recipients=recipients, **version(1, 5)))])
    apply(applier, [returned(3)])
    assert restore(database, applier) == 1
    assert [row["user_id"] for row in database.rows("message_recipients")] == [WHO]
    assert [row["person_id"] for row in database.rows("suppressed_record")] == [str(OTHER)]
    apply(applier, [returned(4, OTHER)])
    assert restore(database, applier) == 1
    assert_drained(database, applier.log, GROUP_ID)


def test_a_dead_letter_of_who_came_back_is_kept(database: Database, applier: Applier) -> None:
    """A broken record has no time but Kafka's."""
    cut = [(topic, record._replace(value=(record.value or b"")[:-1])) for topic, record in [booked(1, 1)]]
    late = [(topic, record._replace(timestamp_ms=record.timestamp_ms + 10_000)) for topic, record in cut]
    apply(applier, [deleted(2)])
    apply(applier, [*cut, *late])
    assert {row["status"] for row in database.rows("dead_letter")} == {"erased"}
    apply(applier, [returned(65)])  # Kafka has the first a minute after noon, and the second ten seconds later
    restore(database, applier)
    assert_drained(database, applier.log, GROUP_ID)
    letters = {row["kafka_offset"]: (row["status"], row["record_value"]) for row in database.rows("dead_letter")}
    assert letters == {0: ("erased", None), 1: ("waiting", late[0][1].value)}


def test_a_return_that_comes_during_a_removal_waits_for_it(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the removal, which has not seen it, would take what it lets in."""
    apply(applier, [booked(1, 1)])
    apply(applier, [deleted(2)])
    coming = threading.Thread(target=apply, args=(applier, [returned(3), booked(4, 4)]), daemon=True)
    remove_rows = erasure._remove_rows

    def remove_as_the_return_comes(connection: Connection, table: Table, *arguments: Any) -> Any:
        removed = remove_rows(connection, table, *arguments)
        if removed and not coming.is_alive():
            coming.start()
            wait_for(lambda: database.waiting_transactions() == 1, "the return to wait", 4, every_seconds=0.2)
        return removed

    monkeypatch.setattr(erasure, "_remove_rows", remove_as_the_return_comes)
    sweep(database)
    coming.join(10)
    sweep(database)
    assert bookings(database) == [4]


# --- Any order


@st.composite
def logs(draw: st.DrawFn) -> list[Item]:
    """Records about two learners, who are erased and come back, some of the records broken, some there twice."""
    told: list[Item] = []
    for number in range(1, draw(st.integers(2, 16))):
        at, who = version(number, draw(st.integers(0, 6))), draw(st.sampled_from([WHO, OTHER]))
        key = draw(st.integers(1, 3))
        learner = {"user_id": who, **at}
        recipients = [events.recipient(user_id=each) for each in draw(st.sampled_from([[WHO], [OTHER], [WHO, OTHER]]))]
        told.append(
            draw(
                st.sampled_from(
                    [
                        item("CourseBooked", events.course_booked(booking_id=key, **learner)),
                        item("FreeLessonRegistered", events.lesson_registered(registration_id=key, **learner)),
                        item("LearnerActed", events.learner_acted(learner_event_id=number, **learner)),
                        item("MessageSaved", events.message_saved(message_id=key, recipients=recipients, **at)),
                    ]
                )
            )
        )
    ends = [deleted(second, who) for second in (1, 3, 5) for who in (WHO, OTHER)]
    returns = [returned(second, who) for second in (1, 2, 4, 5) for who in (WHO, OTHER)]
    tombstone = events.tombstone(f"telegram:{WHO}", timestamp_ms=(NOON + 2 * SECOND) // 1000)
    told += draw(st.lists(st.sampled_from([*ends, (LIFECYCLE, tombstone)]), max_size=3))
    told += draw(st.lists(st.sampled_from(returns), max_size=3))
    broken = draw(st.lists(st.sampled_from(told), max_size=2))
    seconds = draw(st.integers(-3, 3))
    told += [
        (topic, record._replace(value=(record.value or b"x") + b"\0", timestamp_ms=NOON // 1000 + seconds * 1000))
        for topic, record in broken
    ]
    return draw(st.permutations(told + draw(st.lists(st.sampled_from(told), max_size=4))))


@law
@given(log=logs(), chance=st.randoms(use_true_random=False))
def test_any_order_of_events_erasures_returns_and_sweeps_gives_the_rows_of_the_model(
    database: Database, log: list[Item], chance: Any
) -> None:
    database.empty()
    applier = Applier(database)
    while log:
        size = chance.randint(1, 6)
        batch, log = log[:size], log[size:]
        apply(applier, batch, partition=chance.randrange(2))
        if chance.random() < 0.3:
            sweep(database)
        if chance.random() < 0.3:
            restore(database, applier)
    sweep(database)
    restore(database, applier)
    sweep(database)
    applier.close()
    assert_drained(database, applier.log, GROUP_ID)


# --- The declaration


def test_only_ids_that_do_not_change_have_returns_and_each_of_these_has() -> None:
    kinds = [route.admits.kind for stream in STREAMS.values() for route in stream.bound_routes if route.admits]
    assert kinds == list(RETURNING_KINDS) == ["telegram"]


def test_a_row_that_stays_can_not_be_about_somebody_who_may_come_back() -> None:
    """An emptied column would not be filled again by the very event that it is from."""
    person = telegram("user_id").but_keep_row("note")
    columns = [column("id", EntityId, primary_key=True), column("user_id", TelegramId), column("note", Text128 | None)]
    with pytest.raises(DeclarationError, match="may come back"):
        upserted_table("emptied_of_returning", *columns, persons=[person], comment="none")
    assert "emptied_of_returning" not in METADATA.tables


def test_a_run_waits_for_what_there_was_to_do_and_not_for_what_comes_meanwhile(
    database: Database, applier: Applier
) -> None:
    """A replay beside a busy group would never end."""
    engine = database.engine(for_lane=True)
    restorer = Restorer(DECODER, lambda _part, _offsets: {})
    workers = Workers(Settings(), engine, engine, Metrics(), lambda _: None, restorer, surveyor=None)
    for each in (deleted(2), booked(5, 5), returned(4)):
        apply(applier, [each])
    assert not workers.have_finished()
    sweep(database)
    assert not workers.have_finished(), "the return lets something in"
    restore(database, applier)
    for each in (deleted(2, OTHER), booked(6, 5, OTHER), returned(4, OTHER)):
        apply(applier, [each])
    assert workers.have_finished()
    sweep(database)
    assert workers.have_finished()
    fresh = Workers(Settings(), engine, engine, Metrics(), lambda _: None, restorer, surveyor=None)
    assert not fresh.have_finished()
