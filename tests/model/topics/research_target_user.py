"""The model of topic research.target-user."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from tests.keys import HASH_KEYS
from tests.model.declaration import Event, Fault, PersonName, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, MOMENT, app_id_text, moment, text_id

NEWEST, *OLDER = HASH_KEYS.split()


def _mac(key: str, message: str) -> str:
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


def hash_of(key: str, study_id: str, user_id: str) -> str:
    """Each text with its length in bytes before it."""
    return _mac(key, "".join(f"{len(part.encode())}:{part}," for part in (study_id, user_id)))


def _hash_id(value: str) -> str | None:
    if len(value) != 64:
        return "too_short" if len(value) < 64 else "too_long"
    return None if re.fullmatch("[0-9a-f]{64}", value) else "invalid_value"


def _row(event: Event) -> Row:
    return {
        "id": event["target_user_id"],
        "hash_id": event["hash_id"],
        "study_id": event["study_id"],
        "key_id": None if event["user_id"] is None else _mac(NEWEST, "the id of this key")[:16],
        "created_on": moment(event["created_on"]),
        "_user_id": event["user_id"],
    }


def _completed(_name: str, event: Event) -> Event:
    """The event with the hash of the user whom it names."""
    if event["user_id"] is None:
        return event
    return {**event, "hash_id": hash_of(NEWEST, event["study_id"], event["user_id"])}


def _judge(_name: str, event: Event) -> list[Fault]:
    is_named_once = (event["user_id"] is None) is not (event["hash_id"] is None)
    return [] if is_named_once else [Fault("invalid_value", "hash_id")]


def _other_names(person: PersonName, events: Iterable[Event]) -> set[PersonName]:
    """The hashes that an app user may have in the studies of these events."""
    if person.kind != "app":
        return set()
    studies = {event["study_id"] for event in events}
    keys = (NEWEST, *OLDER)
    return {PersonName("research", hash_of(key, study, person.person_id)) for study in studies for key in keys}


TOPIC = TopicModel(
    topic="research.target-user",
    rules={
        "TargetUserSelected": {
            **EVENT,
            "target_user_id": ID,
            "study_id": text_id(64),
            "user_id": app_id_text,
            "hash_id": _hash_id,
            "created_on": MOMENT,
        }
    },
    tables={
        "hntb_target_user": TableModel(
            ("id",), {"TargetUserSelected": only(_row)}, {"hash_id": "research", "_user_id": "app"}
        )
    },
    key=key_is("target_user_id"),
    judge=_judge,
    completed=_completed,
    hides_values=True,
    other_names=_other_names,
)
