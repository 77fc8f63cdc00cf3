"""Broken records full of personal values, each with headers that say which dead letter it has to become."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from stream.produce import Kind, Message
from stream.produce.broken import FIELD_HEADER, FLAW_HEADER, REASON_HEADER
from stream.produce.flaws import HUGE_CHARACTERS
from tests.chaos.planted import SINCE, SOUND, Person, account, message
from tests.chaos.traces import WORD
from tests.events import TOPICS, encode, key_of, message_saved, recipient

RECIPIENTS = 12_000

Unfit = tuple[str, bytes | None, bytes | None, str, str]
"""Topic, key, value, and for which reason and field it is refused."""


def broken(
    flaw: Callable[..., object], topic: str, key: bytes | None, value: bytes | None, reason: str, field: str
) -> Message:
    sent = message(topic, key, value, Kind.BROKEN)
    own = {FLAW_HEADER: flaw.__name__, REASON_HEADER: reason, **({FIELD_HEADER: field} if field else {})}
    return sent._replace(headers=[*sent.headers, *((name, text.encode()) for name, text in own.items())])


def _unfit(person: Person, name: str, reason: str, field: str, value: str) -> Unfit:
    """A sound event, but for one field."""
    datum = {**dict(SOUND)[name](person), field: value}
    return TOPICS[name], key_of(name, datum), encode(name, datum), reason, field


def too_long_an_address(person: Person) -> Unfit:
    return _unfit(person, "AppUserSaved", "too_long", "email", person.email * 40)


def too_long_a_name(person: Person) -> Unfit:
    return _unfit(person, "UserCreated", "too_long", "first_name", WORD * 13)


def too_long_an_opinion(person: Person) -> Unfit:
    return _unfit(person, "TripRated", "too_long", "feedback", WORD * 52)


def no_uuid(person: Person) -> Unfit:
    return _unfit(person, "UserSignedIn", "invalid_value", "event_id", WORD)


def no_key_of_data(person: Person) -> Unfit:
    return _unfit(person, "UserDataSet", "invalid_value", "key", WORD)


def data_of_another_shape(person: Person) -> Unfit:
    return _unfit(person, "UserDataSet", "invalid_value", "value", json.dumps([{WORD: person.email}]))


def no_source_of_signups(person: Person) -> Unfit:
    return _unfit(person, "UserCreated", "invalid_value", "signup_source", WORD)


def an_account_with_a_space(person: Person) -> Unfit:
    return _unfit(person, "BytemarkPassLogged", "invalid_value", "user_id", f" {person.clerk_id}")


def a_raw_key(person: Person) -> Unfit:
    topic, _, value, _, _ = _unfit(person, "TripRated", "", "feedback", WORD)
    return topic, person.email.encode(), value, "key_mismatch", "trip_id"


def no_key_at_all(person: Person) -> Unfit:
    topic, _, value, _, _ = _unfit(person, "AppUserSaved", "", "first_name", WORD)
    return topic, None, value, "missing_key", ""


def json_instead(person: Person) -> Unfit:
    return "user.lifecycle", person.clerk_id.encode(), json.dumps(account(person)).encode(), "unknown_framing", ""


def cut_short(person: Person) -> Unfit:
    topic, key, value, _, _ = _unfit(person, "AppUserSaved", "", "device_token", WORD)
    return topic, key, (value or b"")[:-1], "truncated", ""


def text_of_another_encoding(person: Person) -> Unfit:
    topic, key, value, _, _ = _unfit(person, "AppUserSaved", "", "email", f"{WORD}~~@example.org")
    return topic, key, (value or b"").replace(b"~~", b"\xe9\xe9"), "invalid_text", ""


def another_type(person: Person) -> Unfit:
    """A union's branch that the schema lacks stands before the text."""
    text = f"{WORD} of another type"
    topic, key, value, _, _ = _unfit(person, "AppUserSaved", "", "device_token", text)
    before, marked, after = (value or b"").partition(bytes([2, 2 * len(text)]) + text.encode())
    assert marked
    return topic, key, before + b"\x08" + marked[1:] + after, "malformed", ""


def tombstone_of_nobody(person: Person) -> Unfit:
    return (
        "user.lifecycle",
        person.chance.choice([f"clerk: {person.clerk_id}", person.email]).encode(),
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


def five_megabytes_of_nothing(person: Person) -> Unfit:
    """Compressed they are next to nothing, and so the broker takes them."""
    return "message", str(person.entity()).encode(), bytes(5_000_000), "too_large", ""


def too_many_recipients(person: Person) -> Unfit:
    """Three bytes each in the record, and two hundred in memory."""
    recipients = [recipient(1 + number) for number in range(RECIPIENTS)]
    saved = message_saved(**person.version(), message_id=person.entity(), text=WORD, recipients=recipients)
    return "message", key_of("MessageSaved", saved), encode("MessageSaved", saved), "too_long", "recipients"


HOSTILE: list[Callable[[Person], Unfit]] = [five_megabytes_of_nothing, too_many_recipients]
"""Records that would cost much to be read."""


def huge(chance: Random) -> tuple[str, bytes, bytes, list[tuple[str, bytes]]]:
    """A broken record of 2 MB, as a broker takes it."""
    person = Person(chance, chance.randrange(1000), SINCE - chance.randrange(10**9))
    sent = broken(huge, *_unfit(person, "TripRated", "too_long", "feedback", WORD * (HUGE_CHARACTERS // len(WORD))))
    assert sent.key is not None
    assert sent.value is not None
    return sent.topic, sent.key, sent.value, sent.headers
