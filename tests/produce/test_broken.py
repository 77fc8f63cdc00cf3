"""Every kind of broken record is judged as its headers say: for this reason and, where one is named, this field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from stream.catalog import STREAMS
from stream.errors import Reason, Rejection, Stage
from stream.produce import Framing, Kind, Message, Plan, synthesize
from stream.produce.broken import FIELD_HEADER, FLAW_HEADER, REASON_HEADER, Deck, broken
from stream.produce.encode import Encoder
from stream.produce.flaws import FLAWS, NO_FIELD, Flaw, Sound
from stream.produce.history import sample, seeded
from stream.produce.topics import SYNTHETICS
from stream.records import Record
from stream.stages.decode import decode_record
from stream.stages.validate import validate
from tests.stores import STORE

READERS = {topic: STORE.readers(topic) for topic in STREAMS}
PUBLISHED = datetime(2026, 11, 21, 12, tzinfo=UTC)
TIMESTAMP_MS = int(PUBLISHED.timestamp()) * 1000
ENCODERS = {
    framing: {name: Encoder(synthetic, STORE, framing, 0.0) for name, synthetic in SYNTHETICS.items()}
    for framing in (Framing.SINGLE_OBJECT, Framing.CONFLUENT)
}
LATEST = {name: data[0] for name, data in sample().items()}


def judgement_of(message: Message) -> tuple[str, str | None] | None:
    """The judgement of a message when it is decoded: reason and field, or None where it passes."""
    record = Record(0, TIMESTAMP_MS, message.key, message.value, message.headers)
    try:
        decode_record(record, READERS[message.topic])
    except Rejection as rejection:
        return rejection.reason.value, rejection.field
    return None


def expectation_of(message: Message) -> tuple[str, str | None]:
    headers = {name: content.decode() for name, content in message.headers}
    return headers[REASON_HEADER], headers.get(FIELD_HEADER)


@pytest.mark.parametrize("framing", list(ENCODERS), ids=str)
@pytest.mark.parametrize("record", SYNTHETICS)
def test_flaw_is_judged_as_its_headers_say(record: str, framing: Framing) -> None:
    encoders = ENCODERS[framing]
    sound = Deck([encoders[record]], list(encoders.values()), seeded(record)).sound(encoders[record], LATEST)
    cases = [(flaw, field) for flaw in FLAWS for field in flaw.fields(SYNTHETICS[record])]
    assert [case for case in cases if _misjudged(*case, sound)] == []


def _misjudged(flaw: Flaw, field: str, sound: Sound) -> list[Message]:
    """Return the messages with this flaw that decoding judges otherwise than their headers."""
    chance = seeded(f"{flaw.name} {field}")
    draws = 20 if not flaw.is_huge else 1  # where to cut, which bytes
    messages = [broken(flaw, field, sound, chance) for _ in range(draws)]
    return [message for message in messages if judgement_of(message) != expectation_of(message)]


def test_sound_events_that_flaws_are_made_from_pass() -> None:
    for record, data in sample().items():
        for datum in data:
            message = ENCODERS[Framing.SINGLE_OBJECT][record].encode(datum, Kind.EVENT, seeded("any"))
            assert judgement_of(message) is None, message


def test_value_cut_anywhere_is_truncated() -> None:
    for record, encoder in ENCODERS[Framing.SINGLE_OBJECT].items():
        for datum in sample()[record][:20]:
            message = encoder.encode(datum, Kind.EVENT, seeded("any"))
            value = message.value or b""
            for length in range(len(encoder.newest.header), len(value)):
                cut = message._replace(value=value[:length])
                assert judgement_of(cut) == (Reason.TRUNCATED, None), (record, length)


def test_flaws_have_names_of_their_own_and_meet_nearly_every_reason() -> None:
    assert len({flaw.name for flaw in FLAWS}) == len(FLAWS)
    # What Avro can't write, and what only a database or a schema registry can find.
    elsewhere = {
        Reason.TOO_LARGE,
        Reason.WRONG_TYPE,
        Reason.CONFLICT,
        Reason.CONSTRAINT,
        Reason.REFUSED_BY_DATABASE,
        Reason.INCOMPATIBLE_SCHEMA,
    }
    assert set(Reason) - {flaw.reason for flaw in FLAWS} == elsewhere


def test_plan_deals_every_flaw_of_every_record_before_it_repeats_one() -> None:
    cards = {(name, flaw.name) for name, synthetic in SYNTHETICS.items() for flaw in FLAWS if flaw.fields(synthetic)}
    plan = Plan(seed=3, until=PUBLISHED, count=4 * len(cards), broken_share=0.5)
    dealt = [dict(message.headers)[FLAW_HEADER] for message in synthesize(plan) if message.kind is Kind.BROKEN]
    assert sorted(dealt[: len(cards)]) == sorted(flaw.encode() for _, flaw in cards)
    for huge in [flaw for flaw in FLAWS if flaw.is_huge]:
        can_be_huge = [synthetic for synthetic in SYNTHETICS.values() if huge.fields(synthetic)]
        assert dealt.count(huge.name.encode()) == len(can_be_huge), "the costly ones come once"


def test_broken_messages_of_a_mixture_are_judged_as_their_headers_say() -> None:
    plan = Plan(seed=5, until=PUBLISHED, count=4000, broken_share=0.5, framing=Framing.MIXED)
    for message in synthesize(plan):
        expected = expectation_of(message) if message.kind is Kind.BROKEN else None
        assert judgement_of(message) == expected, message.headers


# Avro can't write the next two: a writer schema names every field and its type. Validation refuses them all the
# same, for the day on which our newest schema and the catalog differ.


def _required_fields(record: str) -> list[str]:
    return [field.name for field in msgspec.structs.fields(SYNTHETICS[record].event) if field.required]


@pytest.mark.parametrize("record", SYNTHETICS)
def test_required_field_that_is_missing_is_named(record: str) -> None:
    for field in _required_fields(record):
        datum = {name: value for name, value in LATEST[record].items() if name != field}
        assert _validation_of(record, datum) == (Stage.VALIDATE, Reason.MISSING_FIELD, field)


@pytest.mark.parametrize("record", SYNTHETICS)
def test_field_of_a_wrong_type_is_named(record: str) -> None:
    """Decimals are left out: each is made from bytes, whatever these are."""
    for field in set(_required_fields(record)) - set(dict(SYNTHETICS[record].route.decimals)):
        wrong: Any = {} if isinstance(LATEST[record][field], list) else []
        assert _validation_of(record, {**LATEST[record], field: wrong}) == (Stage.VALIDATE, Reason.WRONG_TYPE, field)


def _validation_of(record: str, datum: dict[str, Any]) -> tuple[Stage, Reason, str | None]:
    with pytest.raises(Rejection) as caught:
        validate(datum, Record(0, TIMESTAMP_MS, b"1", b""), SYNTHETICS[record].route)
    return caught.value.stage, caught.value.reason, caught.value.field


def test_flaw_without_a_field_claims_none() -> None:
    messages = synthesize(Plan(1, PUBLISHED, broken_share=0.9))
    message = next(message for message in messages if _flaw(message) == b"no_key")
    assert FIELD_HEADER not in dict(message.headers)
    assert NO_FIELD.encode() not in dict(message.headers).values()


def _flaw(message: Message) -> bytes | None:
    return dict(message.headers).get(FLAW_HEADER)
