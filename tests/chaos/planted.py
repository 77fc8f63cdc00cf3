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
"""The first id of trips, ratings and passes, behind those of all seeds."""

SINCE = 1_770_000_000 * SECOND
"""The moment of the first event, in February 2026."""


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
    person = Person(chance, LAST_PERSON - chance.randrange(10_000), SINCE - 1 - chance.randrange(10**12))
    other = person._replace(number=person.number - 20_000)
    locked_id = person.entity()
    key = f"app:{person.app_id}".encode()
    return Opinions(
        str(person.app_id),
        locked_id,
        _rated(other, locked_id),
        _rated(other._replace(moment=person.moment + SECOND), locked_id),
        _rated(person, locked_id + 1),
        message("user.lifecycle", key, None, Kind.EVENT),
    )


def _rated(person: Person, rating_id: int) -> Message:
    datum = _rating(person, rating_id=rating_id, trip_id=rating_id, feedback=WORD)
    return sound("TripRated", datum)


def message(topic: str, key: bytes | None, value: bytes | None, kind: Kind) -> Message:
    return Message(topic, key, value, [("rider", WORD.encode())], kind)


def sound(name: str, datum: dict[str, Any]) -> Message:
    return message(TOPICS[name], key_of(name, datum), encode(name, datum), Kind.EVENT)


# --- Sound events

SOUND: list[tuple[str, Callable[[Person], dict[str, Any]]]] = [
    (
        "AppUserSaved",
        lambda person: app_user(
            **person.version(),
            user_id=person.app_id,
            first_name=WORD,
            last_name=f"{WORD}-{person.number}",
            email=person.email,
            google_id=WORD,
            facebook_id=WORD,
            apple_id=f"{WORD}.{person.number}",
            device_token=f"token:{WORD}",
        ),
    ),
    ("UserCreated", lambda person: user_created(**person.version(), **account(person))),
    ("UserUpdated", lambda person: user_updated(**person.version(), **account(person), changed_by=person.clerk_id)),
    (
        "UserDataSet",
        lambda person: user_data(**person.version(), clerk_id=person.clerk_id, value=json.dumps({WORD: True})),
    ),
    ("UserSignedIn", lambda person: signed_in(**person.version(), clerk_id=person.clerk_id, device=f"{WORD}'s phone")),
    ("TripRecorded", lambda person: _trip(person, travel_mode=WORD)),
    ("TripRated", lambda person: _rating(person, feedback=f"says {WORD}")),
    ("BytemarkPassLogged", lambda person: _pass(person, user_id=person.clerk_id)),
    ("BytemarkPassLogged", lambda person: _pass(person, user_id=str(person.app_id))),
]


def account(person: Person) -> dict[str, Any]:
    return {
        "clerk_id": person.clerk_id,
        "email": person.email,
        "first_name": WORD,
        "last_name": f"{WORD}-{person.number}",
    }


def _trip(person: Person, **changes: Any) -> dict[str, Any]:
    return trip(**{**person.version(), "trip_id": person.entity(), "user_id": person.app_id, **changes})


def _rating(person: Person, **changes: Any) -> dict[str, Any]:
    own = {"rating_id": person.entity(), "trip_id": person.entity(), "user_id": person.app_id}
    return rating(**{**person.version(), **own, **changes})


def _pass(person: Person, **changes: Any) -> dict[str, Any]:
    return pass_logged(**{**person.version(), "bytemark_pass_id": person.entity(), **changes})


def erasure(person: Person) -> Message:
    telegram_id = TELEGRAM_USERS + person.number
    events = (
        ("AppUserDeleted", app_user_deleted(**person.version(), user_id=person.app_id)),
        ("UserDeleted", {**person.version(), "clerk_id": person.clerk_id}),
        ("TelegramUserDeleted", telegram_user_deleted(**person.version(), telegram_user_id=telegram_id)),
    )
    name, datum = person.chance.choice(events)
    value = person.chance.choice((None, encode(name, datum)))
    return message(TOPICS[name], key_of(name, datum), value, Kind.EVENT)
