"""Learners: three kinds of events keep one row of names, a view tells the course stream, and erasing takes it all."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import LEARNER_ID, NOON, SECOND, Datum, course_booked, learner_acted, lesson_registered, uuid_text
from tests.sql.applying import GROUP_ID, Applier, law, outcomes
from tests.sql.test_erasure import LIFECYCLE, Item, apply, item, sweep

MAKERS = {"CourseBooked": course_booked, "FreeLessonRegistered": lesson_registered, "LearnerActed": learner_acted}
OWN_IDS = {"CourseBooked": "booking_id", "FreeLessonRegistered": "registration_id", "LearnerActed": "learner_event_id"}


def version(at: int) -> Datum:
    return {"occurred_at": NOON + at * SECOND, "event_id": uuid_text(at + 1)}


def named(database: Database) -> list[tuple[Any, ...]]:
    return [(row["user_id"], row["username"], row["first_name"]) for row in database.rows("telegram_user")]


@pytest.mark.parametrize("is_one_batch", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("order", list(itertools.permutations(MAKERS)), ids=" ".join)
def test_the_latest_name_stays_whichever_event_brings_it_and_whenever(
    database: Database, applier: Applier, order: tuple[str, ...], is_one_batch: bool
) -> None:
    log = [
        ("CourseBooked", course_booked(username="first", first_name="Z", **version(1))),
        ("FreeLessonRegistered", lesson_registered(username="latest", first_name=None, **version(3))),
        ("LearnerActed", learner_acted(username=None, first_name="Zoë", **version(2))),
    ]
    log.sort(key=lambda event: order.index(event[0]))
    for batch in [log] if is_one_batch else [[event] for event in log]:
        applier.apply(*batch)
    assert named(database) == [(LEARNER_ID, "latest", None)]
    assert [row["username"] for row in database.rows("bookings")] == ["first"], "a booking keeps the name it had"
    assert_drained(database, applier.log, GROUP_ID)


def test_each_user_has_one_row_and_it_tells_when_the_bot_met_them(database: Database, applier: Applier) -> None:
    for number in range(1, 4):
        acts = [learner_acted(user_id=number, learner_event_id=10 * number + at, **version(at)) for at in range(3)]
        applier.apply(*(("LearnerActed", act) for act in acts))
    rows = database.rows("telegram_user")
    assert sorted(row["user_id"] for row in rows) == [1, 2, 3]
    assert {row["created_on"] for row in rows} == {database.value("SELECT MIN(created_on) FROM telegram_user")}
    assert database.count("events") == 9
    assert_drained(database, applier.log, GROUP_ID)


# --- The view


def booked(at: int, stream: str, confirmed: int, **changes: Any) -> tuple[str, Datum]:
    """A booking made so many seconds after noon."""
    own = {"booking_id": 100 + at, "created_on": NOON + at * SECOND, **version(at)}
    return "CourseBooked", course_booked(course_stream=f"{stream}_stream", confirmed=confirmed, **{**own, **changes})


@pytest.mark.parametrize(
    ("bookings", "stream"),
    [
        ([booked(1, "3rd", 0)], "3rd_stream"),
        ([booked(1, "3rd", 0), booked(2, "4th", 1)], "4th_stream"),
        ([booked(1, "3rd", 2), booked(2, "4th", 1)], "3rd_stream"),
        ([booked(1, "3rd", 2), booked(2, "5th", 2), booked(3, "4th", 0)], "5th_stream"),
        ([booked(1, "3rd", 2), booked(2, "5th", 2, created_on=NOON + SECOND)], "5th_stream"),
        # The first booking is confirmed last: its version is newer, it is not.
        ([booked(5, "3rd", 2, booking_id=101, created_on=NOON), booked(2, "4th", 2)], "4th_stream"),
        # A confirmation that was taken back.
        (
            [booked(1, "3rd", 2), booked(2, "4th", 0), booked(3, "3rd", 0, booking_id=101, created_on=NOON)],
            "4th_stream",
        ),
        ([], None),
    ],
    ids=[
        "the only one",
        "none is confirmed",
        "an earlier one is confirmed",
        "two are confirmed",
        "two at the same moment",
        "an earlier one is confirmed later",
        "taken back",
        "none",
    ],
)
def test_the_stream_is_that_of_the_latest_confirmed_booking_or_else_of_the_latest(
    database: Database, applier: Applier, bookings: list[tuple[str, Datum]], stream: str | None
) -> None:
    applier.apply(*bookings, ("LearnerActed", learner_acted(username="latest", **version(9))))
    # Somebody else's booking is not theirs.
    applier.apply(("CourseBooked", course_booked(user_id=1, booking_id=999, course_stream="5th_stream", confirmed=2)))
    view = "SELECT username, course_stream FROM telegram_user_with_stream WHERE user_id = :user_id"
    assert [tuple(row) for row in database.query(view, user_id=LEARNER_ID)] == [("latest", stream)]


# --- Erasing


def forget(user_id: int, at: int = 900) -> Item:
    return item("TelegramUserDeleted", events.telegram_user_deleted(telegram_user_id=user_id, **version(at)))


def everything(user_id: int) -> list[Item]:
    """One event of each kind, one broken, and a message."""
    told = [
        item(name, make(user_id=user_id, **{OWN_IDS[name]: user_id % 2**32}, **version(at)))
        for at, (name, make) in enumerate(MAKERS.items())
    ]
    message = events.message_saved(message_id=user_id % 2**32, recipients=[events.recipient(user_id)])
    topic, record = told[0]
    return [*told, (topic, record._replace(value=b"broken")), item("MessageSaved", message)]


@pytest.mark.parametrize("erasing", ["event", "tombstone"])
@pytest.mark.parametrize("order", ["after", "before", "same transaction"])
def test_nothing_of_an_erased_learner_is_left_and_of_others_everything(
    database: Database, applier: Applier, erasing: str, order: str
) -> None:
    farewell = [forget(LEARNER_ID) if erasing == "event" else (LIFECYCLE, events.tombstone(f"telegram:{LEARNER_ID}"))]
    erased, others = everything(LEARNER_ID), everything(77)
    steps = {"after": [erased, farewell], "before": [farewell, erased], "same transaction": [erased + farewell]}
    for step in [others, *steps[order]]:
        apply(applier, step)
    sweep(database)
    tables = ("bookings", "free_lesson_registrations", "events", "telegram_user", "message_recipients")
    assert {(name, row["user_id"]) for name in tables for row in database.rows(name)} == {(name, 77) for name in tables}
    letters = {
        (row["status"], row["record_key"], row["record_value"])
        for row in database.rows("dead_letter")
        if row["topic"] == "learner"
    }
    assert letters == {("erased", None, None), ("waiting", b"77", b"broken")}
    assert [row.user_id for row in database.query("SELECT user_id FROM telegram_user_with_stream")] == [77]
    assert_drained(database, applier.log, GROUP_ID)


def test_an_erased_learners_events_are_counted_as_suppressed(database: Database, applier: Applier) -> None:
    database.erase([str(LEARNER_ID)], kind="telegram")
    written = applier.apply(*((name, make(**version(1))) for name, make in MAKERS.items()))
    assert {name: outcomes(written, name) for name in written.rows} == dict.fromkeys(
        ("bookings", "free_lesson_registrations", "events", "telegram_user"), (0, 0, 0, 1)
    )


def test_a_booking_that_goes_over_to_another_user_is_erased_with_the_one_who_has_it(
    database: Database, applier: Applier
) -> None:
    applier.apply(("CourseBooked", course_booked(user_id=1, **version(1))))
    applier.apply(("CourseBooked", course_booked(user_id=2, **version(2))))
    apply(applier, [forget(1)])
    sweep(database)
    assert [row["user_id"] for row in database.rows("bookings")] == [2]
    assert named(database) == [(2, "zoe_rides", "Zoë")]


# --- Any order


@st.composite
def logs(draw: st.DrawFn) -> list[Item]:
    log: list[Item] = []
    for number in draw(st.permutations(range(1, draw(st.integers(2, 16))))):
        name = draw(st.sampled_from(sorted(MAKERS)))
        username = draw(st.none() | st.sampled_from(["", "z", "🚌", "'\\\x00%"]))
        own = {
            "event_id": uuid_text(number),
            "occurred_at": NOON + draw(st.integers(0, 3)) * SECOND,
            "user_id": draw(st.integers(1, 3)),
            "username": username,
            "first_name": draw(st.sampled_from(["Zoë", "Z"])) if not username else draw(st.none() | st.just("Zoë")),
            OWN_IDS[name]: draw(st.integers(1, 3)),
        }
        log.append(item(name, MAKERS[name](**own)))
    log += draw(st.lists(st.sampled_from(log), max_size=4))
    log += draw(st.lists(st.sampled_from([forget(1), forget(2)]), max_size=2))
    broken = draw(st.lists(st.sampled_from(log), max_size=2))
    log += [(topic, record._replace(value=b"")) for topic, record in broken]
    return draw(st.permutations(log))


@law
@given(log=logs(), chance=st.randoms(use_true_random=False))
def test_any_order_repetition_and_batching_gives_the_rows_of_the_model(
    database: Database, log: list[Item], chance: Any
) -> None:
    database.empty()
    applier = Applier(database)
    while log:
        size = chance.randint(1, 8)
        batch, log = log[:size], log[size:]
        apply(applier, batch, partition=chance.randrange(2))
        if chance.random() < 0.2:
            sweep(database)
    sweep(database)
    applier.close()
    assert_drained(database, applier.log, GROUP_ID)
