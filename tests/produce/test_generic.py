"""Events by their types alone: what a stream without a telling of its own gets, for every type of a field."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from itertools import count
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from stream.catalog import METADATA
from stream.declaration import types
from stream.declaration.events import Event
from stream.declaration.persons import app, clerk, telegram
from stream.declaration.routes import into
from stream.declaration.streams import Stream
from stream.declaration.tables import column, upserted_table
from stream.declaration.types import (
    EntityId,
    Flag,
    HashId,
    JsonText,
    Latitude,
    Micros,
    Money,
    TelegramId,
    Text32,
    TextId16,
    TextId256,
)
from stream.errors import ConfigurationError, Reason, Rejection, Stage
from stream.produce.accounts import Span
from stream.produce.history import SAMPLE_SPAN, seeded
from stream.produce.riders import Rider, RiderDay, move_in
from stream.produce.topics import Datum, Synthetic
from stream.produce.topics.generic import ANY_HASHER, generic
from stream.records import Record
from stream.stages.validate import validate

DAY = 24 * 3600 * 1_000_000


class Part(msgspec.Struct):
    telegram_id: TelegramId
    word: Literal["one", "other"]


class Made(Event):
    """One field of each kind."""

    made_id: EntityId
    other_key: TextId16
    user_id: EntityId
    clerk_id: TextId256 | None
    word: Literal["yes", "no"]
    perhaps: Literal["a", "b"] | None
    amount: Money
    is_flag: Flag
    shape: JsonText
    digits: HashId | None
    place: Latitude
    name: Text32
    at: Micros
    parts: Annotated[list[Part], Meta(min_length=2, max_length=5)]
    created_on: Micros


class Ruled(Event):
    """With a rule that no type tells, and one that nothing meets."""

    made_id: EntityId
    left: Text32 | None
    right: Text32 | None
    telegram_id: TelegramId

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.left is None) is (self.right is None):
            raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "left")


class Impossible(Event):
    made_id: EntityId
    name: Text32

    def __post_init__(self) -> None:
        raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "name")


def made_streams() -> Iterator[Stream]:
    """Declared for a moment only: the catalog's tables are those of migrations."""
    main = upserted_table(
        "made",
        column("id", EntityId, primary_key=True),
        column("other_key", TextId16, unique=True),
        column("user_id", EntityId),
        column("clerk_id", TextId256 | None),
        persons=[app("user_id"), clerk("clerk_id")],
        comment="",
    )
    ruled = upserted_table(
        "ruled",
        column("id", EntityId, primary_key=True),
        column("telegram_id", TelegramId),
        persons=[telegram("telegram_id")],
        comment="",
    )
    for table in (main, ruled):
        METADATA.remove(table)
    yield Stream("made", "made_id", {Made: [into(main, id="made_id")]})
    yield Stream("ruled", "made_id", {Ruled: [into(ruled, id="made_id")]})
    yield Stream("impossible", "made_id", {Impossible: []})


STREAMS = {stream.topic: stream for stream in made_streams()}
ROUTES = {topic: stream.bound_routes[0] for topic, stream in STREAMS.items()}


def told(topic: str, days: int = 20) -> list[tuple[Rider, Datum]]:
    chance, ids = seeded(topic), count(1)
    synthetic = generic(ROUTES[topic])
    riders = move_in(50, Span(SAMPLE_SPAN.starts, SAMPLE_SPAN.ends), chance, ids)
    return [
        (rider, datum)
        for day in range(days)
        for rider in riders
        for datum in synthetic.tell(RiderDay(rider, SAMPLE_SPAN.starts + day * DAY, chance, ids), chance, ids)
    ]


def judged(topic: str, datum: Datum) -> Event:
    event_id = "00000000-0000-4000-a000-000000000000"
    key = str(datum["made_id"]).encode()
    return validate(
        {"event_id": event_id, **datum}, Record(0, datum["occurred_at"] // 1000, key, b""), ROUTES[topic], ANY_HASHER
    )


@pytest.mark.parametrize("topic", ["made", "ruled"])
def test_events_pass_their_rules_and_are_about_entities_of_their_own(topic: str) -> None:
    data = [datum for _, datum in told(topic)]
    assert len(data) > 30
    for datum in data:
        judged(topic, datum)
    assert len({datum["made_id"] for datum in data}) == len(data)


def test_every_field_has_several_values_and_a_nullable_one_none_at_times() -> None:
    data = [datum for _, datum in told("made")]
    for name in ("word", "perhaps", "amount", "is_flag", "digits", "name", "at", "place", "user_id", "clerk_id"):
        assert len({datum[name] for datum in data}) > 1, name
    assert len({datum["other_key"] for datum in data}) == len(data), "what is unique is so"
    for name in ("perhaps", "digits", "clerk_id"):
        assert 0.1 < sum(datum[name] is None for datum in data) / len(data) < 0.9, name
    assert {len(datum["parts"]) for datum in data} == {2}


def test_persons_are_riders_and_who_has_no_such_account_tells_nothing() -> None:
    for rider, datum in told("made"):
        assert datum["user_id"] == rider.rider_id
        assert datum["clerk_id"] in (rider.account.clerk_id, None)
    data = told("ruled")
    assert {datum["telegram_id"] for _, datum in data} == {rider.account.telegram_id for rider, _ in data}
    assert None not in {rider.account.telegram_id for rider, _ in data}


@pytest.mark.parametrize("topic", ["made", "ruled"])
def test_what_was_said_before_differs_and_is_sound_about_the_same(topic: str) -> None:
    synthetic: Synthetic = generic(ROUTES[topic])
    identity = ROUTES[topic].feeds[0].identity
    changed = 0
    for _, datum in told(topic):
        assert synthetic.earlier is not None
        earlier = synthetic.earlier(datum)
        changed += earlier != datum
        assert identity(judged(topic, earlier)) == identity(judged(topic, datum))
    assert changed == len(told(topic)), "it would not show which of the two won"


def test_rules_that_nothing_drawn_meets_are_said_to_need_a_file_of_their_own() -> None:
    with pytest.raises(ConfigurationError, match="Impossible has rules that its types don't tell"):
        told("impossible")


def _types() -> dict[str, Any]:
    """The types of fields that stream/declaration/types.py has."""
    return {name: annotation for name, annotation in vars(types).items() if typing.get_origin(annotation) is Annotated}


@pytest.mark.parametrize("name", _types())
def test_every_type_of_the_catalog_can_be_told(name: str) -> None:
    event = msgspec.defstruct(
        "Any", [("made_id", EntityId), ("field", _types()[name])], bases=(Event,), kw_only=True, gc=False
    )
    route = Stream("any", "made_id", {event: []}).bound_routes[0]  # type: ignore[dict-item, type-abstract, unused-ignore]
    chance, ids = seeded(name), count(1)
    (rider,) = move_in(1, SAMPLE_SPAN, chance, ids)
    data = [
        datum
        for _ in range(50)
        for datum in generic(route).tell(RiderDay(rider, SAMPLE_SPAN.starts, chance, ids), chance, ids)
    ]
    assert data
