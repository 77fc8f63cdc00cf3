"""Topic message: what a community sends to its learners, told again as it is delivered; some of it is withdrawn."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from stream.catalog.message import MessageDeleted, MessageSaved
from stream.produce.accounts import MINUTE, SECOND
from stream.produce.communities import Announcement
from stream.produce.riders import RiderDay
from stream.produce.topics.declaration import Datum, Synthetic

NAMED_TWICE_SHARE = 0.1
FAILED_SHARE = 0.1

CONTENTS: Sequence[tuple[str | None, str | None, str | None]] = (
    ("Your free lesson begins at six. See you there!", None, None),
    ("Mañana no hay clase 🙈", None, None),
    ('It\'s the last day to book the "5th stream".', None, None),
    ("明日の授業は午後六時からです", None, None),
    (None, "photo", "The new classroom 🏫"),
    (None, "video", None),
    ("The slides of yesterday", "document", ""),
)
"""The texts, each with its type of media and caption."""


def messages(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    """A community's messages: each is told when it is written, when it is sent, and when it has arrived or not."""
    for announcement in day.announcements:
        content = chance.choice(CONTENTS)
        written_on = announcement.written_on
        delivered_on = written_on + int((1 + 20 * chance.random()) * MINUTE)
        pending = [_recipient(user_id, "pending") for user_id in announcement.recipients]
        if chance.random() < NAMED_TWICE_SHARE:
            pending.insert(0, _recipient(announcement.recipients[-1], "failed"))
        sent = [_recipient(user_id, "sent") for user_id in announcement.recipients]
        delivered = [_outcome(user_id, delivered_on, chance) for user_id in announcement.recipients]
        yield _saved(announcement, content, written_on, pending)
        yield _saved(announcement, content, written_on + 5 * SECOND, sent)
        yield _saved(announcement, content, delivered_on + SECOND, delivered)


def _outcome(user_id: int, delivered_on: int, chance: Random) -> Datum:
    if chance.random() < FAILED_SHARE:
        return _recipient(user_id, "failed")
    return _recipient(user_id, "delivered", delivered_on)


def _recipient(user_id: int, status: str, delivered_on: int | None = None) -> Datum:
    return {"user_id": user_id, "delivery_status": status, "delivered_on": delivered_on}


def _saved(
    announcement: Announcement,
    content: tuple[str | None, str | None, str | None],
    occurred_at: int,
    recipients: Sequence[Any],
) -> Datum:
    text, media_type, caption = content
    return {
        "occurred_at": occurred_at,
        "message_id": announcement.message_id,
        "text": text,
        "media_type": media_type,
        "caption": caption,
        "recipients": recipients,
        "created_on": announcement.written_on,
    }


def _to_others_as_well(saved: Datum) -> Datum:
    """A draft with a recipient whom no later version has, so that it shows where a set was not replaced."""
    stranger = saved["recipients"][0]["user_id"] + 2**40
    return {**saved, "text": "draft", "recipients": [*saved["recipients"], _recipient(stranger, "pending")]}


def withdrawals(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    for announcement in day.announcements:
        if announcement.withdrawn_on is not None:
            yield {
                "occurred_at": announcement.withdrawn_on,
                "message_id": announcement.message_id,
                "created_on": announcement.written_on,
            }


SYNTHETICS = (
    Synthetic(MessageSaved, tell=messages, earlier=_to_others_as_well),
    Synthetic(MessageDeleted, tell=withdrawals),
)
