"""Sound events full of personal values that are recognised wherever they turn up, and the erasure of those persons."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from stream.produce import Kind, Message
from tests.chaos.traces import APP_USERS, LAST_PERSON, TELEGRAM_USERS, WORD
from tests.events import (
    SECOND,
    TOPICS,
    app_user,
    app_user_deleted,
    encode,
    key_of,
    pass_logged,
    rating,
    signed_in,
    telegram_user_deleted,
    trip,
    user_created,
    user_data,
    user_updated,
)

ENTITIES = 4_200_000_000
"""Where the ids of trips, ratings and passes begin, behind those of all seeds."""

SINCE = 1_770_000_000 * SECOND
"""When the first of it happens, in February 2026."""


class Person(NamedTuple):
    """Whom the next record is about, and what makes it another record than the ones before."""

    chance: Random
    number: int
    moment: int

    @property
    def app_id(self) -> int:
        return APP_USERS + self.number

    @property
    def clerk_id(self) -> str:
        return f"user_{WORD}{self.number}"

    @property
    def email(self) -> str:
        return f"{WORD}.{self.number}@example.org"

    def version(self) -> dict[str, Any]:
        digits = f"{self.chance.getrandbits(128):032x}"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return {"event_id": "-".join(parts), "occurred_at": self.moment}

    def entity(self) -> int:
        return ENTITIES + self.moment % 90_000_000


class Opinions(NamedTuple):
    """One row that is rated twice, a row behind it that is another's, and that person's erasure."""

    person: str
    locked_id: int
    earlier: Message
    later: Message
    opinion: Message
    erasure: Message


def opinions(chance: Random) -> Opinions:
    one = Person(chance, LAST_PERSON - chance.randrange(10_000), SINCE - 1 - chance.randrange(10**12))
    other = one._replace(number=one.number - 20_000)
    locked_id = one.entity()
    key = f"app:{one.app_id}".encode()
    return Opinions(
        str(one.app_id),
        locked_id,
        _rated(other, locked_id),
        _rated(other._replace(moment=one.moment + SECOND), locked_id),
        _rated(one, locked_id + 1),
        message("user.lifecycle", key, None, Kind.EVENT),
    )


def _rated(one: Person, rating_id: int) -> Message:
    datum = _rating(one, rating_id=rating_id, trip_id=rating_id, feedback=WORD)
    return sound("TripRated", datum)


def message(topic: str, key: bytes | None, value: bytes | None, kind: Kind) -> Message:
    return Message(topic, key, value, [("rider", WORD.encode())], kind)


def sound(name: str, datum: dict[str, Any]) -> Message:
    return message(TOPICS[name], key_of(name, datum), encode(name, datum), Kind.EVENT)


# --- Sound events

SOUND: list[tuple[str, Callable[[Person], dict[str, Any]]]] = [
    (
        "AppUserSaved",
        lambda one: app_user(
            **one.version(),
            user_id=one.app_id,
            first_name=WORD,
            last_name=f"{WORD}-{one.number}",
            email=one.email,
            google_id=WORD,
            facebook_id=WORD,
            apple_id=f"{WORD}.{one.number}",
            device_token=f"token:{WORD}",
        ),
    ),
    ("UserCreated", lambda one: user_created(**one.version(), **account(one))),
    ("UserUpdated", lambda one: user_updated(**one.version(), **account(one), changed_by=one.clerk_id)),
    ("UserDataSet", lambda one: user_data(**one.version(), clerk_id=one.clerk_id, value=json.dumps({WORD: True}))),
    ("UserSignedIn", lambda one: signed_in(**one.version(), clerk_id=one.clerk_id, device=f"{WORD}'s phone")),
    ("TripRecorded", lambda one: _trip(one, travel_mode=WORD)),
    ("TripRated", lambda one: _rating(one, feedback=f"says {WORD}")),
    ("BytemarkPassLogged", lambda one: _pass(one, user_id=one.clerk_id)),
    ("BytemarkPassLogged", lambda one: _pass(one, user_id=str(one.app_id))),
]


def account(one: Person) -> dict[str, Any]:
    return {"clerk_id": one.clerk_id, "email": one.email, "first_name": WORD, "last_name": f"{WORD}-{one.number}"}


def _trip(one: Person, **changes: Any) -> dict[str, Any]:
    return trip(**{**one.version(), "trip_id": one.entity(), "user_id": one.app_id, **changes})


def _rating(one: Person, **changes: Any) -> dict[str, Any]:
    own = {"rating_id": one.entity(), "trip_id": one.entity(), "user_id": one.app_id}
    return rating(**{**one.version(), **own, **changes})


def _pass(one: Person, **changes: Any) -> dict[str, Any]:
    return pass_logged(**{**one.version(), "bytemark_pass_id": one.entity(), **changes})


def erasure(one: Person) -> Message:
    telegram_id = TELEGRAM_USERS + one.number
    events = (
        ("AppUserDeleted", app_user_deleted(**one.version(), user_id=one.app_id)),
        ("UserDeleted", {**one.version(), "clerk_id": one.clerk_id}),
        ("TelegramUserDeleted", telegram_user_deleted(**one.version(), telegram_user_id=telegram_id)),
    )
    name, datum = one.chance.choice(events)
    value = one.chance.choice((None, encode(name, datum)))
    return message(TOPICS[name], key_of(name, datum), value, Kind.EVENT)
