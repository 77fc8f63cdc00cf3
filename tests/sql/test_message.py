"""Messages: the recipients are a set that belongs to the message's version, however the versions come."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import Stage
from stream.mysql import rows, touched
from tests import events
from tests.balance import assert_drained, assert_row_ledger
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, message_deleted, message_saved, recipient, uuid_text
from tests.sql.applying import GROUP_ID, Applier, law, outcomes
from tests.sql.test_erasure import Item, apply, item, sweep

A, B, C = 5_000_000_001, 5_000_000_002, 5_000_000_003


def version(at: int) -> Datum:
    return {"occurred_at": NOON + at * SECOND, "event_id": uuid_text(at + 1)}


def saved(at: int, *recipients: Datum | int, message_id: int = 51, **changes: Any) -> tuple[str, Datum]:
    """A message as it stands so many seconds after noon, with these recipients."""
    listed = [recipient(person) if isinstance(person, int) else person for person in recipients]
    return "MessageSaved", message_saved(message_id=message_id, recipients=listed, **version(at), **changes)


def deleted(at: int, message_id: int = 51) -> tuple[str, Datum]:
    return "MessageDeleted", message_deleted(message_id=message_id, **version(at))


def recipients(database: Database, message_id: int = 51) -> dict[int, str]:
    return {
        row["user_id"]: row["delivery_status"]
        for row in database.rows("message_recipients")
        if row["message_id"] == message_id
    }


def test_rows_beyond_what_a_statement_names_go_in_several(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_MAX", 2)
    monkeypatch.setattr(touched, "PERIODS_MAX", 2)
    applier.apply(*(saved(at, A, B, C, message_id=at + 1) for at in range(5)))
    written = applier.apply(*(saved(9 + at, B, C, message_id=at + 1) for at in range(5)))
    assert outcomes(written, "message_recipients") == (0, 10, 0, 0)
    trips = [("TripRecorded", events.trip(trip_id=1 + n, event_id=uuid_text(n), **late(n))) for n in range(7)]
    for _ in range(2):
        written = applier.apply(*trips)
    assert outcomes(written, "trip") == (0, 0, 7, 0)
    assert database.value("SELECT SUM(changes) FROM late_change WHERE table_name = 'trip'") == 7
    assert database.value("SELECT COUNT(DISTINCT period_start) FROM rollup_touched") == 7
    assert_drained(database, applier.log, GROUP_ID)


def late(day: int) -> Datum:
    return {"started_on": NOON - (900 + day) * 86_400 * SECOND}


def test_a_newer_version_replaces_the_recipients_as_a_set(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, A, B))
    written = applier.apply(saved(2, recipient(B, delivery_status="delivered", delivered_on=NOON), C))
    assert outcomes(written, "message_recipients") == (1, 1, 0, 0)
    assert recipients(database) == {B: "delivered", C: "pending"}
    assert_drained(database, applier.log, GROUP_ID)


def test_an_older_version_brings_no_recipient_back(database: Database, applier: Applier) -> None:
    applier.apply(saved(2, A))
    before = [database.rows("message_history"), database.rows("message_recipients")]
    applier.apply(saved(1, A, B, C, text="older"))
    assert [database.rows("message_history"), database.rows("message_recipients")] == before
    assert_drained(database, applier.log, GROUP_ID)


def test_the_same_version_again_changes_nothing(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, A, B))
    before = database.rows("message_recipients")
    assert outcomes(applier.apply(saved(1, A, B)), "message_recipients") == (0, 0, 2, 0)
    assert database.rows("message_recipients") == before
    assert_drained(database, applier.log, GROUP_ID)


def test_a_recipient_who_is_named_twice_is_one_row_with_the_last_entry(database: Database, applier: Applier) -> None:
    twice = [recipient(A, delivery_status="failed"), recipient(B), recipient(A, delivery_status="sent")]
    assert outcomes(applier.apply(saved(1, *twice)), "message_recipients") == (2, 0, 0, 0)
    assert recipients(database) == {A: "sent", B: "pending"}
    assert_drained(database, applier.log, GROUP_ID)


def test_messages_of_one_batch_keep_their_recipients_apart(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, A, B, message_id=1), saved(1, B, C, message_id=2), saved(2, C, message_id=1))
    assert (recipients(database, 1), recipients(database, 2)) == ({C: "pending"}, {B: "pending", C: "pending"})
    applier.apply(deleted(3, message_id=1))
    assert (recipients(database, 1), recipients(database, 2)) == ({}, {B: "pending", C: "pending"})
    assert_drained(database, applier.log, GROUP_ID)


# --- Deleting


@pytest.mark.parametrize("is_one_batch", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("is_deletion_first", [True, False], ids=["deletion first", "deletion last"])
def test_a_deleted_message_is_a_marker_without_text_and_without_recipients(
    database: Database, applier: Applier, is_one_batch: bool, is_deletion_first: bool
) -> None:
    log = [saved(1, A, B, media_type="photo", caption="here"), deleted(2)]
    if is_deletion_first:
        log.reverse()
    for batch in [log] if is_one_batch else [[event] for event in log]:
        applier.apply(*batch)
    (row,) = database.rows("message_history")
    shown = (row["id"], row["text"], row["media_type"], row["caption"], row["is_deleted"])
    assert shown == (51, None, None, None, 1)
    assert recipients(database) == {}
    assert_drained(database, applier.log, GROUP_ID)


def test_a_newer_version_brings_a_deleted_message_back(database: Database, applier: Applier) -> None:
    applier.apply(saved(1, A), deleted(2))
    applier.apply(saved(3, B, text="once more"))
    (row,) = database.rows("message_history")
    assert (row["text"], row["is_deleted"]) == ("once more", 0)
    assert recipients(database) == {B: "pending"}
    assert_drained(database, applier.log, GROUP_ID)


def test_recipients_go_with_a_message_whose_row_is_removed(database: Database, applier: Applier) -> None:
    """The foreign key cascades. Nothing here removes the row of a message; a person who cleans up may."""
    applier.apply(saved(1, A, B), saved(1, C, message_id=52))
    database.execute("DELETE FROM message_history WHERE id = 51")
    assert (recipients(database), recipients(database, 52)) == ({}, {C: "pending"})


# --- What only the database refuses


def test_a_refused_recipient_makes_a_dead_letter_of_the_whole_record(database: Database, applier: Applier) -> None:
    log = [saved(1, A, message_id=number) for number in range(1, 8)]
    applier.apply(*log)
    newer = [saved(2, A, B, C, message_id=number, text="newer") for number in range(1, 8)]
    slice_ = applier.slice("message", [events.record(name, datum) for name, datum in newer])
    _, event, _ = slice_.accepted[3]
    event.recipients[1].delivery_status = "x" * 33  # type: ignore[attr-defined]  # behind validation's back
    (written,) = applier.write(slice_)
    assert [(record.offset, rejection.stage) for record, rejection in written.rejected] == [(10, Stage.WRITE)]
    assert (written.records.consumed, written.records.written, written.records.dead_lettered) == (7, 6, 1)
    texts = {row["id"]: row["text"] for row in database.rows("message_history")}
    assert [number for number, shown in texts.items() if shown != "newer"] == [4]
    assert recipients(database, 4) == {A: "pending"}
    assert recipients(database, 5) == dict.fromkeys((A, B, C), "pending")
    assert_row_ledger(database, GROUP_ID)


def test_a_refused_message_gives_its_place_to_the_version_that_it_had_superseded(
    database: Database, applier: Applier
) -> None:
    log = [saved(1, A, B, text="sound"), saved(2, C, text="refused")]
    slice_ = applier.slice("message", [events.record(name, datum) for name, datum in log])
    slice_.accepted[1][1].text = "x" * 4097  # type: ignore[attr-defined]
    (written,) = applier.write(slice_)
    assert [record.offset for record, _ in written.rejected] == [1]
    assert [row["text"] for row in database.rows("message_history")] == ["sound"]
    assert recipients(database) == {A: "pending", B: "pending"}


# --- Erasing


def forget(user_id: int, at: int = 900) -> Item:
    erasing = events.telegram_user_deleted(telegram_user_id=user_id, **version(at))
    return item("TelegramUserDeleted", erasing)


def test_an_erased_user_is_removed_from_every_message_and_left_out_of_later_ones(
    database: Database, applier: Applier
) -> None:
    apply(applier, [item(*saved(1, A, B)), item(*saved(1, A, message_id=52))])
    apply(applier, [forget(A)])
    sweep(database)
    assert (recipients(database), recipients(database, 52)) == ({B: "pending"}, {})
    assert database.count("message_history") == 2, "the message to nobody else stays"
    assert outcomes(applier.apply(saved(2, A, B, C)), "message_recipients") == (1, 1, 0, 1)
    assert recipients(database) == {B: "pending", C: "pending"}
    removed = {row["table_name"]: row["rows_removed"] for row in database.rows("erasure_removal")}
    assert removed == {"message_recipients": 2}
    assert_drained(database, applier.log, GROUP_ID)


def test_an_app_user_of_the_same_number_is_another_person(database: Database, applier: Applier) -> None:
    apply(applier, [item(*saved(1, 7))])
    apply(applier, [item("AppUserDeleted", events.app_user_deleted(user_id=7))])
    sweep(database)
    assert recipients(database) == {7: "pending"}
    assert_drained(database, applier.log, GROUP_ID)


# --- Any order

PEOPLE = st.integers(1, 5)
STATUSES = st.sampled_from(["pending", "sent", "delivered", "failed"])


@st.composite
def logs(draw: st.DrawFn) -> list[Item]:
    """Versions of few messages, some of them deletions, repeated and shuffled; some users are erased meanwhile."""
    log: list[Item] = []
    count = draw(st.integers(1, 14))
    for number in draw(st.permutations(range(1, count + 1))):
        own = {
            "message_id": draw(st.integers(1, 2)),
            "event_id": uuid_text(number),
            "occurred_at": NOON + draw(st.integers(0, 4)) * SECOND,
        }
        if draw(st.integers(0, 4)) == 0:
            log.append(item("MessageDeleted", message_deleted(**own)))
            continue
        listed = draw(st.lists(st.tuples(PEOPLE, STATUSES), min_size=1, max_size=6))
        to = [recipient(user_id, delivery_status=status) for user_id, status in listed]
        log.append(item("MessageSaved", message_saved(recipients=to, **own)))
    log += draw(st.lists(st.sampled_from(log), max_size=6))
    log += draw(st.lists(st.sampled_from([forget(1), forget(2), forget(2, 901)]), max_size=2))
    broken = draw(st.lists(st.sampled_from(log), max_size=2))
    log += [(topic, record._replace(value=(record.value or b"x") + b"\0")) for topic, record in broken]
    return draw(st.permutations(log))


@law
@given(log=logs(), chance=st.randoms(use_true_random=False))
def test_any_order_repetition_and_batching_of_versions_gives_the_rows_of_the_model(
    database: Database, log: list[Item], chance: Any
) -> None:
    database.empty()
    applier = Applier(database)
    while log:
        size = chance.randint(1, 8)
        batch, log = log[:size], log[size:]
        # A message keeps to no partition here: what replaces a set does not depend on it.
        apply(applier, batch, partition=chance.randrange(2))
        if chance.random() < 0.2:
            sweep(database)
    sweep(database)
    applier.close()
    assert_drained(database, applier.log, GROUP_ID)


def test_writers_of_two_groups_at_once_leave_the_newest_version_with_its_own_recipients(database: Database) -> None:
    groups = ("a", "b")
    log = [saved(at, *range(1 + at % 5, 9 - at % 3), message_id=1 + at % 2) for at in range(1, 41)]
    log += [deleted(at, message_id=1 + at % 2) for at in (41, 47)] + [saved(50, A, B, message_id=1)]
    appliers = {group: Applier(database, group_id=group) for group in groups}
    pieces = {group: _shuffled_pieces(appliers[group], log, number) for number, group in enumerate(groups)}

    def run(group: str) -> None:
        for piece in pieces[group]:
            appliers[group].persist(piece)

    threads = [threading.Thread(target=run, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for applier in appliers.values():
        applier.close()
    assert recipients(database, 1) == {A: "pending", B: "pending"}
    assert recipients(database, 2) == {}
    assert {row["id"]: row["is_deleted"] for row in database.rows("message_history")} == {1: 0, 2: 1}


def _shuffled_pieces(applier: Applier, log: Iterable[tuple[str, Datum]], number: int) -> Sequence[Any]:
    data = list(log)
    Random(number).shuffle(data)
    return [
        applier.slice("message", [events.record(name, datum) for name, datum in data[start : start + 5]], number)
        for start in range(0, len(data), 5)
    ]
