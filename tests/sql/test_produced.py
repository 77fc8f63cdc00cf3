"""Accounts, learners and campaigns of the synthetic producer become the rows of the model."""

from __future__ import annotations

from datetime import UTC, datetime
from zlib import crc32

import pytest

from stream.produce import Framing, Message, Plan, synthesize
from stream.records import Record
from tests.balance import assert_drained
from tests.databases import Database
from tests.sql.applying import GROUP_ID, Applier
from tests.sql.test_erasure import apply, sweep
from tests.sql.test_returns import restore

UNTIL = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
TOPICS = ("learner", "message", "rewards.campaign", "user.lifecycle")
PLAN = Plan(
    seed=21,
    until=UNTIL,
    count=4000,
    topics=TOPICS,
    duplicate_share=0.1,
    late_share=0.1,
    broken_share=0.05,
    framing=Framing.MIXED,
)
BATCH = 500
PARTITIONS = 3


@pytest.mark.parametrize("is_backwards", [False, True], ids=["as told", "backwards"])
def test_synthetic_events_of_persons_give_the_rows_of_the_model(
    database: Database, applier: Applier, is_backwards: bool
) -> None:
    messages = list(synthesize(PLAN))
    if is_backwards:
        messages.reverse()
    for start in range(0, len(messages), BATCH):
        for partition in range(PARTITIONS):
            batch = [message for message in messages[start : start + BATCH] if _partition(message) == partition]
            apply(applier, [(message.topic, _record(message)) for message in batch], partition)
        sweep(database)
        restore(database, applier)
    expected = assert_drained(database, applier.log, GROUP_ID)
    assert {name for name, rows in expected.tables.items() if rows} >= {
        "bookings",
        "free_lesson_registrations",
        "events",
        "telegram_user",
        "message_history",
        "message_recipients",
        "campaign",
    }
    assert {person.kind for person in expected.erased} >= {"telegram"}


def _partition(message: Message) -> int:
    return crc32(message.key or b"") % PARTITIONS


def _record(message: Message) -> Record:
    return Record(0, int(UNTIL.timestamp()) * 1000, message.key, message.value, tuple(message.headers))
