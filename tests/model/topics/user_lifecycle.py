"""The model of topic user.lifecycle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.model.declaration import Event, Fault, PersonName, Row, TableModel, TopicModel, only
from tests.model.rules import (
    EVENT,
    ID,
    ID_MAX,
    LATITUDE,
    LONGITUDE,
    MOMENT,
    TELEGRAM_ID_MAX,
    TEN_YEARS,
    Rule,
    anything,
    free_text,
    moment,
    number,
    one_of,
    text_id,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ACCOUNT: dict[str, Rule] = {
    **EVENT,
    "clerk_id": text_id(256),
    "email": free_text(512),
    "first_name": free_text(128),
    "last_name": free_text(128),
    "role": text_id(32),
    "status": text_id(32),
    "created_on": MOMENT,
}
SIGNUP_SOURCES = ("clerk", "invite", "admin")
USER_DATA_KEYS = (
    "preferences",
    "feature_flags",
    "onboarding_status",
    "last_clerk_sync",
    "signup_date",
    "signup_source",
)

RULES: dict[str, dict[str, Rule]] = {
    "AppUserSaved": {
        **EVENT,
        "user_id": ID,
        "first_name": free_text(128),
        "last_name": free_text(128),
        "email": free_text(512),
        "google_id": text_id(32),
        "facebook_id": text_id(32),
        "apple_id": text_id(512),
        "registration_latitude": LATITUDE,
        "registration_longitude": LONGITUDE,
        "device_token": text_id(512),
        "enterprise_id": number(0, ID_MAX),
        "created_on": MOMENT,
    },
    "AppUserDeleted": {**EVENT, "user_id": ID},
    "UserCreated": {**ACCOUNT, "signup_source": one_of(*SIGNUP_SOURCES)},
    "UserUpdated": {**ACCOUNT, "changed_by": text_id(256)},
    "UserDataSet": {
        **EVENT,
        "clerk_id": text_id(256),
        "key": lambda value: text_id(64)(value) or one_of(*USER_DATA_KEYS)(value),
        "value": free_text(16_000),
        "created_on": MOMENT,
    },
    "UserSignedIn": {
        **EVENT,
        "clerk_id": text_id(256),
        "signed_in_on": MOMENT,
        "device": free_text(512),
        "ip": text_id(45),
        "success": anything,
    },
    "UserDeleted": {**EVENT, "clerk_id": text_id(256)},
    "TelegramUserDeleted": {**EVENT, "telegram_user_id": number(1, TELEGRAM_ID_MAX)},
    "TelegramUserReturned": {**EVENT, "telegram_user_id": number(1, TELEGRAM_ID_MAX)},
}

DEFAULTS = {"first_name": "", "last_name": ""}
"""The values that stand for null in a Clerk account."""

PERSON_FIELDS = {"app": "user_id", "clerk": "clerk_id", "telegram": "telegram_user_id"}


def person_of(event: Event) -> PersonName:
    """Whom an event of `user.lifecycle` is about."""
    for kind, attribute in PERSON_FIELDS.items():
        if attribute in event:
            return PersonName(kind, str(event[attribute]))
    raise AssertionError("an event of this topic is about a person")


def is_shaped(key: str, text: str) -> bool:
    """Whether the text is JSON as the key of `user_data` wants it."""
    try:
        value = json.loads(text, parse_constant=_no_json)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate is no text
    except (ValueError, RecursionError):
        return False
    return SHAPES[key](value)


def _no_json(name: str) -> None:
    raise ValueError(name)


def _is_moment(value: Any) -> bool:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_preferences(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"theme", "notifications", "language", "timezone"}
        and value["theme"] in ("light", "dark", "system")
        and isinstance(value["notifications"], bool)
        and isinstance(value["language"], str)
        and isinstance(value["timezone"], str)
    )


def _is_onboarding(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() - {"completed_at"} == {"step", "completed", "started_at"}
        and value["step"] in ("welcome", "profile", "preferences", "complete")
        and isinstance(value["completed"], bool)
        and all(_is_moment(value[name]) for name in ("started_at", "completed_at") if name in value)
    )


SHAPES: dict[str, Callable[[Any], bool]] = {
    "preferences": _is_preferences,
    "feature_flags": lambda value: isinstance(value, dict) and all(isinstance(flag, bool) for flag in value.values()),
    "onboarding_status": _is_onboarding,
    "last_clerk_sync": _is_moment,
    "signup_date": _is_moment,
    "signup_source": lambda value: value in SIGNUP_SOURCES,
}


def _app_user_row(event: Event) -> Row:
    own = {name: value for name, value in event.items() if name not in ("event_id", "occurred_at", "user_id")}
    return {"id": event["user_id"], **own, "created_on": moment(event["created_on"])}


def _account_row(event: Event) -> Row:
    names = ("clerk_id", "email", "first_name", "last_name", "role", "status")
    return {**{name: event[name] for name in names}, "created_on": moment(event["created_on"])}


def _signup_rows(event: Event) -> list[Row]:
    created_on = moment(event["created_on"])
    assert created_on is not None
    values = {
        "signup_date": f'"{created_on.isoformat(timespec="microseconds")}Z"',
        "signup_source": event["signup_source"] and f'"{event["signup_source"]}"',
    }
    return [
        {"clerk_id": event["clerk_id"], "key": key, "value": value, "created_on": created_on}
        for key, value in values.items()
    ]


def _data_row(event: Event) -> Row:
    return {**{name: event[name] for name in ("clerk_id", "key", "value")}, "created_on": moment(event["created_on"])}


def _name_rows(event: Event) -> list[Row]:
    if not event["first_name"] and not event["last_name"]:
        return []
    names = ("clerk_id", "first_name", "last_name", "changed_by")
    return [{**{name: event[name] for name in names}, "created_on": moment(event["occurred_at"])}]


def _sign_in_row(event: Event) -> Row:
    own = {name: event[name] for name in ("clerk_id", "device", "ip")}
    moments = {"signed_in_on": moment(event["signed_in_on"]), "created_on": moment(event["occurred_at"])}
    return {**own, **moments, "success": int(event["success"])}


def _judge(name: str, event: Event) -> list[Fault]:
    if name != "UserDataSet" or event["key"] not in SHAPES:
        return []
    if not is_shaped(event["key"], event["value"]):
        return [Fault("invalid_value", "value")]
    value = json.loads(event["value"])
    texts = {
        "onboarding_status": lambda: [value[name] for name in ("started_at", "completed_at") if name in value],
        "last_clerk_sync": lambda: [value],
        "signup_date": lambda: [value],
    }.get(event["key"], list)()
    latest = event["occurred_at"] + TEN_YEARS
    micros = [(datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1) for text in texts]
    reasons = {MOMENT(moment) or ("too_far_ahead" if moment > latest else None) for moment in micros}
    return [Fault(reason, "value") for reason in reasons if reason]


def _completed(name: str, event: Event) -> Event:
    """The event with what null stands for, in a Clerk account."""
    if name not in ("UserCreated", "UserUpdated"):
        return event
    return {key: DEFAULTS.get(key) if value is None else value for key, value in event.items()}


TOPIC = TopicModel(
    topic="user.lifecycle",
    rules=RULES,
    tables={
        "auth_user": TableModel(("id",), {"AppUserSaved": only(_app_user_row)}, {"id": "app"}),
        "users": TableModel(
            ("clerk_id",),
            {"UserCreated": only(_account_row), "UserUpdated": only(_account_row)},
            {"clerk_id": "clerk"},
            named={"role": "user", "status": "active"},
        ),
        "user_data": TableModel(
            ("clerk_id", "key"),
            {"UserCreated": _signup_rows, "UserDataSet": only(_data_row)},
            {"clerk_id": "clerk"},
            named={"value": '"clerk"'},
        ),
        "user_name_history": TableModel(
            ("event_id",), {"UserUpdated": _name_rows}, {"clerk_id": "clerk"}, {"changed_by": ("clerk", "changed_by")}
        ),
        "user_sign_in": TableModel(("event_id",), {"UserSignedIn": only(_sign_in_row)}, {"clerk_id": "clerk"}),
    },
    key=lambda event: (person_of(event).key.decode(), "person_key"),
    judge=_judge,
    completed=_completed,
)
