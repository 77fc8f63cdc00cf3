"""Personal values that are planted among the events, each to be recognised wherever it turns up, and the search for
them where none may be: logs, metrics, what /readyz says, what commands print."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from stream.produce import Kind, Message
from stream.produce.broken import FIELD_HEADER, FLAW_HEADER, REASON_HEADER
from stream.produce.flaws import HUGE_CHARACTERS
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

WORD = "Plantezuma"
"""In every text: names, addresses, tokens, ids of accounts, headers and keys."""

APP_USERS, TELEGRAM_USERS = 4_111_200_000, 7_111_200_000_000
"""Where ids that are numbers begin: nobody else's are near, and no other number of ten digits looks like one."""

ENTITIES = 4_200_000_000
"""Where the ids of trips, ratings and passes begin, behind those of all seeds."""

FORMS = {WORD, WORD.encode().hex(), *(base64.b64encode(b" " * n + WORD.encode())[4:-4].decode() for n in range(3))}
"""As text, as hex, and in base64 wherever it begins."""

TRACE = re.compile("|".join([*map(re.escape, FORMS), r"(?<![\d.])(41112\d{5}|71112\d{8})(?!\d)"]), re.IGNORECASE)

SINCE = 1_770_000_000 * SECOND
"""When the first of it happens, in February 2026."""

EVENTS_OF_A_PERSON = 25
ERASED_SHARE = 0.04
BROKEN_SHARE = 0.3


def traces(text: str) -> list[str]:
    """Where a text gives a personal value away, with what stands around it."""
    return [text[max(0, found.start() - 80) : found.end() + 80] for found in TRACE.finditer(text)]


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


def plant(chance: Random) -> Iterator[Message]:
    """Endlessly: sound events of one person after the other, broken ones, and some persons' erasure in between."""
    for number in range(10**8):
        person = Person(chance, number // EVENTS_OF_A_PERSON, SINCE + number)
        drawn = chance.random()
        if drawn < ERASED_SHARE:
            yield _erasure(person)
        elif drawn < ERASED_SHARE + BROKEN_SHARE:
            flaw = chance.choice(FLAWS)
            yield _broken(flaw, *flaw(person))
        else:
            name, changes = chance.choice(SOUND)
            datum = changes(person)
            yield _message(TOPICS[name], key_of(name, datum), encode(name, datum), Kind.EVENT)


def huge(chance: Random) -> tuple[str, bytes, bytes, list[tuple[str, bytes]]]:
    """A broken record of 2 MB, as a broker takes it."""
    person = Person(chance, chance.randrange(1000), SINCE - chance.randrange(10**9))
    message = _broken(huge, *_unfit(person, "TripRated", "too_long", "feedback", WORD * (HUGE_CHARACTERS // len(WORD))))
    assert message.key is not None
    assert message.value is not None
    return message.topic, message.key, message.value, message.headers


def _message(topic: str, key: bytes | None, value: bytes | None, kind: Kind, **headers: str) -> Message:
    named = {"rider": WORD, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Message(topic, key, value, [(name, text.encode()) for name, text in named.items()], kind)


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
    ("UserCreated", lambda one: user_created(**one.version(), **_account(one))),
    ("UserUpdated", lambda one: user_updated(**one.version(), **_account(one), changed_by=one.clerk_id)),
    ("UserDataSet", lambda one: user_data(**one.version(), clerk_id=one.clerk_id, value=json.dumps({WORD: True}))),
    ("UserSignedIn", lambda one: signed_in(**one.version(), clerk_id=one.clerk_id, device=f"{WORD}'s phone")),
    ("TripRecorded", lambda one: _trip(one, travel_mode=WORD)),
    ("TripRated", lambda one: _rating(one, feedback=f"says {WORD}")),
    ("BytemarkPassLogged", lambda one: _pass(one, user_id=one.clerk_id)),
    ("BytemarkPassLogged", lambda one: _pass(one, user_id=str(one.app_id))),
]


def _account(one: Person) -> dict[str, Any]:
    return {"clerk_id": one.clerk_id, "email": one.email, "first_name": WORD, "last_name": f"{WORD}-{one.number}"}


def _trip(one: Person, **changes: Any) -> dict[str, Any]:
    return trip(**{**one.version(), "trip_id": one.entity(), "user_id": one.app_id, **changes})


def _rating(one: Person, **changes: Any) -> dict[str, Any]:
    own = {"rating_id": one.entity(), "trip_id": one.entity(), "user_id": one.app_id}
    return rating(**{**one.version(), **own, **changes})


def _pass(one: Person, **changes: Any) -> dict[str, Any]:
    return pass_logged(**{**one.version(), "bytemark_pass_id": one.entity(), **changes})


def _erasure(one: Person) -> Message:
    telegram_id = TELEGRAM_USERS + one.number
    events = (
        ("AppUserDeleted", app_user_deleted(**one.version(), user_id=one.app_id)),
        ("UserDeleted", {**one.version(), "clerk_id": one.clerk_id}),
        ("TelegramUserDeleted", telegram_user_deleted(**one.version(), telegram_user_id=telegram_id)),
    )
    name, datum = one.chance.choice(events)
    value = one.chance.choice((None, encode(name, datum)))
    return _message(TOPICS[name], key_of(name, datum), value, Kind.EVENT)


# --- Broken records

Unfit = tuple[str, bytes | None, bytes | None, str, str]
"""Topic, key, value, and for which reason and field it is refused."""


def _broken(
    flaw: Callable[..., object], topic: str, key: bytes | None, value: bytes | None, reason: str, field: str
) -> Message:
    message = _message(topic, key, value, Kind.BROKEN)
    own = {FLAW_HEADER: flaw.__name__, REASON_HEADER: reason, **({FIELD_HEADER: field} if field else {})}
    return message._replace(headers=[*message.headers, *((name, text.encode()) for name, text in own.items())])


def _unfit(one: Person, name: str, reason: str, field: str, value: str) -> Unfit:
    """A sound event, but for one field."""
    datum = {**dict(SOUND)[name](one), field: value}
    return TOPICS[name], key_of(name, datum), encode(name, datum), reason, field


def too_long_an_address(one: Person) -> Unfit:
    return _unfit(one, "AppUserSaved", "too_long", "email", one.email * 40)


def too_long_a_name(one: Person) -> Unfit:
    return _unfit(one, "UserCreated", "too_long", "first_name", WORD * 13)


def too_long_an_opinion(one: Person) -> Unfit:
    return _unfit(one, "TripRated", "too_long", "feedback", WORD * 52)


def no_uuid(one: Person) -> Unfit:
    return _unfit(one, "UserSignedIn", "invalid_value", "event_id", WORD)


def no_key_of_data(one: Person) -> Unfit:
    return _unfit(one, "UserDataSet", "invalid_value", "key", WORD)


def data_of_another_shape(one: Person) -> Unfit:
    return _unfit(one, "UserDataSet", "invalid_value", "value", json.dumps([{WORD: one.email}]))


def no_source_of_signups(one: Person) -> Unfit:
    return _unfit(one, "UserCreated", "invalid_value", "signup_source", WORD)


def an_account_with_a_space(one: Person) -> Unfit:
    return _unfit(one, "BytemarkPassLogged", "invalid_value", "user_id", f" {one.clerk_id}")


def a_raw_key(one: Person) -> Unfit:
    topic, _, value, _, _ = _unfit(one, "TripRated", "", "feedback", WORD)
    return topic, one.email.encode(), value, "key_mismatch", "trip_id"


def no_key_at_all(one: Person) -> Unfit:
    topic, _, value, _, _ = _unfit(one, "AppUserSaved", "", "first_name", WORD)
    return topic, None, value, "missing_key", ""


def json_instead(one: Person) -> Unfit:
    return "user.lifecycle", one.clerk_id.encode(), json.dumps(_account(one)).encode(), "unknown_framing", ""


def cut_short(one: Person) -> Unfit:
    topic, key, value, _, _ = _unfit(one, "AppUserSaved", "", "device_token", WORD)
    return topic, key, (value or b"")[:-1], "truncated", ""


def text_of_another_encoding(one: Person) -> Unfit:
    topic, key, value, _, _ = _unfit(one, "AppUserSaved", "", "email", f"{WORD}~~@example.org")
    return topic, key, (value or b"").replace(b"~~", b"\xe9\xe9"), "invalid_text", ""


def another_type(one: Person) -> Unfit:
    """A union's branch that the schema lacks stands before the text."""
    text = f"{WORD} of another type"
    topic, key, value, _, _ = _unfit(one, "AppUserSaved", "", "device_token", text)
    before, found, after = (value or b"").partition(bytes([2, 2 * len(text)]) + text.encode())
    assert found
    return topic, key, before + b"\x08" + found[1:] + after, "malformed", ""


def tombstone_of_nobody(one: Person) -> Unfit:
    return (
        "user.lifecycle",
        one.chance.choice([f"clerk: {one.clerk_id}", one.email]).encode(),
        None,
        "invalid_value",
        "",
    )


FLAWS: list[Callable[[Person], Unfit]] = [
    too_long_an_address,
    too_long_a_name,
    too_long_an_opinion,
    no_uuid,
    no_key_of_data,
    data_of_another_shape,
    no_source_of_signups,
    an_account_with_a_space,
    a_raw_key,
    no_key_at_all,
    json_instead,
    cut_short,
    text_of_another_encoding,
    another_type,
    tombstone_of_nobody,
]
