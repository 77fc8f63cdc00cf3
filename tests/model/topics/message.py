"""The model of topic message."""

from __future__ import annotations

from tests.model.declaration import Event, Fault, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, MOMENT, TELEGRAM_ID_MAX, TEN_YEARS, free_text, moment, number, one_of, text_id

RECIPIENT = {
    "user_id": number(1, TELEGRAM_ID_MAX),
    "delivery_status": one_of("pending", "sent", "delivered", "failed"),
    "delivered_on": MOMENT,
}


def _how_many(recipients: list[Event]) -> str | None:
    """As they are named, repeated ones as well."""
    if not recipients:
        return "too_short"
    return "too_long" if len(recipients) > 10_000 else None


def _judge(name: str, event: Event) -> list[Fault]:
    if name != "MessageSaved":
        return []
    reasons = {
        rule(recipient[field])
        for recipient in event["recipients"]
        for field, rule in RECIPIENT.items()
        if recipient[field] is not None
    }
    latest = event["occurred_at"] + TEN_YEARS
    if any((recipient["delivered_on"] or 0) > latest for recipient in event["recipients"]):
        reasons.add("too_far_ahead")
    return [Fault(reason, "recipients") for reason in reasons if reason]


def _message_row(event: Event, *, is_deleted: bool) -> Row:
    shown = {name: None if is_deleted else event[name] for name in ("text", "media_type", "caption")}
    return {
        "id": event["message_id"],
        **shown,
        "is_deleted": int(is_deleted),
        "created_on": moment(event["created_on"]),
    }


def _recipient_rows(event: Event) -> list[Row]:
    """Of who is named twice the last entry counts."""
    last = {recipient["user_id"]: recipient for recipient in event["recipients"]}
    return [
        {
            "message_id": event["message_id"],
            "user_id": user_id,
            "delivery_status": recipient["delivery_status"],
            "delivered_on": moment(recipient["delivered_on"]),
            "created_on": moment(event["created_on"]),
        }
        for user_id, recipient in last.items()
    ]


TOPIC = TopicModel(
    topic="message",
    rules={
        "MessageSaved": {
            **EVENT,
            "message_id": ID,
            "text": free_text(4096),
            "media_type": text_id(32),
            "caption": free_text(1024),
            "recipients": _how_many,
            "created_on": MOMENT,
        },
        "MessageDeleted": {**EVENT, "message_id": ID, "created_on": MOMENT},
    },
    tables={
        "message_history": TableModel(
            ("id",),
            {
                "MessageSaved": only(lambda event: _message_row(event, is_deleted=False)),
                "MessageDeleted": only(lambda event: _message_row(event, is_deleted=True)),
            },
        ),
        "message_recipients": TableModel(
            ("message_id", "user_id"),
            {"MessageSaved": _recipient_rows, "MessageDeleted": lambda _event: []},
            {"user_id": "telegram"},
            is_set=True,
        ),
    },
    key=key_is("message_id"),
    judge=_judge,
)
