"""Referrals are about two persons: with the one who came the row goes, of the one who brought them nothing is left."""

from __future__ import annotations

from typing import Any

import pytest

from stream.catalog import STREAMS
from stream.declaration.persons import PersonKind
from stream.mysql import erasure
from stream.records import Record
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, RECORDED_MS, SECOND, Datum, referred, uuid_text
from tests.sql.applying import GROUP_ID, Applier, outcomes
from tests.sql.test_dead_letters import refused

SENDER, RECEIVER = 9, 7

KEYED_BY_USERS = sorted(topic for topic, stream in STREAMS.items() if stream.keyed_by is PersonKind.APP)
KEYED_OTHERWISE = sorted(
    topic for topic, stream in STREAMS.items() if stream.keyed_by is not PersonKind.APP and not stream.has_hidden_values
)


def erasing(*users: int) -> list[tuple[str, Datum]]:
    return [("AppUserDeleted", events.app_user_deleted(user_id=user, event_id=uuid_text(900 + user))) for user in users]


def sweep(database: Database) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons)


def people_of(database: Database) -> list[tuple[Any, ...]]:
    columns = ("id", "sender_user_id", "receiver_user_id", "referral_code")
    return sorted(tuple(row[name] for name in columns) for row in database.rows("referral_history"))


@pytest.mark.parametrize("order", ["before", "after", "swept in between", "one after the other"])
@pytest.mark.parametrize(
    ("erased", "left"),
    [
        ((RECEIVER,), []),
        ((SENDER,), [(81, None, RECEIVER, None)]),
        ((SENDER, RECEIVER), []),
        ((RECEIVER, SENDER), []),
        ((1,), [(81, SENDER, RECEIVER, "ZOE-2026")]),
    ],
    ids=["receiver", "sender", "both", "both the other way round", "somebody else"],
)
def test_a_referral_goes_with_its_receiver_and_forgets_its_sender(
    database: Database, applier: Applier, erased: tuple[int, ...], left: list[tuple[Any, ...]], order: str
) -> None:
    story = ("UserReferred", referred())
    if order != "before":
        applier.apply(story)
    for person in erasing(*erased):
        applier.apply(person)
        if order == "one after the other":
            sweep(database)
    if order != "after":
        applier.apply(story)
    sweep(database)
    assert people_of(database) == left
    assert_drained(database, applier.log, GROUP_ID)


def test_who_brought_themself_is_forgotten_with_the_row(database: Database, applier: Applier) -> None:
    applier.apply(("UserReferred", referred(sender_user_id=RECEIVER)))
    applier.apply(*erasing(RECEIVER))
    sweep(database)
    assert people_of(database) == []
    assert outcomes(applier.apply(("UserReferred", referred(sender_user_id=RECEIVER))), "referral_history") == (
        0,
        0,
        0,
        1,
    )
    assert_drained(database, applier.log, GROUP_ID)


def test_a_newer_version_with_another_sender_shows_that_one(database: Database, applier: Applier) -> None:
    applier.apply(*erasing(SENDER))
    applier.apply(("UserReferred", referred()))
    corrected = referred(sender_user_id=10, referral_code=None, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    applier.apply(("UserReferred", corrected))
    assert people_of(database) == [(81, 10, RECEIVER, None)]
    applier.apply(("UserReferred", referred()))
    sweep(database)
    assert people_of(database) == [(81, 10, RECEIVER, None)]
    assert_drained(database, applier.log, GROUP_ID)


def test_a_sender_is_forgotten_in_all_whom_they_brought(database: Database, applier: Applier) -> None:
    applier.apply(
        *(
            ("UserReferred", referred(referral_id=number, receiver_user_id=100 + number, event_id=uuid_text(number)))
            for number in range(1, 8)
        ),
        ("UserReferred", referred(referral_id=8, sender_user_id=10, receiver_user_id=108, event_id=uuid_text(8))),
    )
    applier.apply(*erasing(SENDER))
    sweep(database)
    assert [row[1] for row in people_of(database)] == [None] * 7 + [10]
    removed = {row["table_name"]: row["rows_removed"] for row in database.rows("erasure_removal")}
    assert removed == {"referral_history": 7}
    assert_drained(database, applier.log, GROUP_ID)


# --- Dead letters under a person's bare id


def broken(user_id: int) -> Record:
    return Record(0, RECORDED_MS, str(user_id).encode(), b"private", (("private", b"private"),))


@pytest.mark.parametrize("topic", KEYED_BY_USERS)
@pytest.mark.parametrize("is_erased_before", [True, False])
def test_a_dead_letter_under_an_erased_users_bare_id_is_emptied(
    database: Database, applier: Applier, topic: str, is_erased_before: bool
) -> None:
    if is_erased_before:
        applier.apply(*erasing(7))
    applier.write(applier.slice(topic, [broken(7), broken(70)]))
    if not is_erased_before:
        applier.apply(*erasing(7))
    sweep(database)
    erased, others = sorted(database.rows("dead_letter"), key=lambda row: row["kafka_offset"])
    assert (erased["status"], erased["reason"]) == ("erased", "unknown_framing")
    assert (erased["record_key"], erased["record_value"], erased["record_headers"]) == (None, None, None)
    assert (others["status"], others["record_key"], others["record_value"]) == ("waiting", b"70", b"private")
    assert_drained(database, applier.log, GROUP_ID)


@pytest.mark.parametrize("topic", KEYED_OTHERWISE)
def test_a_dead_letter_whose_key_names_something_else_stays(database: Database, applier: Applier, topic: str) -> None:
    """Order 7, or Telegram user 7, is not app user 7."""
    applier.apply(*erasing(7))
    applier.write(applier.slice(topic, [broken(7)]))
    sweep(database)
    (letter,) = database.rows("dead_letter")
    assert (letter["status"], letter["record_key"], letter["record_value"]) == ("waiting", b"7", b"private")


@pytest.mark.parametrize("is_erased_before", [True, False])
def test_a_dead_letter_of_a_label_stays_where_a_user_has_its_number(
    database: Database, applier: Applier, is_erased_before: bool
) -> None:
    """Its schema tells, unless that isn't known."""
    defined, labelled = events.record("LabelDefined", events.label_defined(label_id=7)), events.labelled(user_id=7)
    cut = [each._replace(value=(each.value or b"")[:-1]) for each in (defined, events.record("UserLabelled", labelled))]
    if is_erased_before:
        applier.apply(*erasing(7))
    with refused(database, "id <> 7", "user_label"):
        applier.write(applier.slice("user.label", [*cut, defined, broken(7)]))
    if not is_erased_before:
        applier.apply(*erasing(7))
    sweep(database)
    letters = sorted(database.rows("dead_letter"), key=lambda row: row["kafka_offset"])
    assert [(row["event_name"], row["reason"], row["status"]) for row in letters] == [
        ("LabelDefined", "truncated", "waiting"),
        ("UserLabelled", "truncated", "erased"),
        ("LabelDefined", "constraint", "waiting"),
        (None, "unknown_framing", "erased"),
    ]


def test_users_have_more_topics_than_one_that_are_keyed_by_them() -> None:
    assert len(KEYED_BY_USERS) >= 4
    assert {"user.referral", "user.label"} <= set(KEYED_BY_USERS)
