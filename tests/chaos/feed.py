"""The feed of consumers while they are struck: town after town of synthetic events, with everything that can go wrong
and planted personal values among them, published at a steady pace in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count, cycle, takewhile
from random import Random
from types import TracebackType
from typing import Self

from stream.produce import Deliveries, Framing, Kind, Message, Plan, publish, synthesize
from stream.schemas.store import SchemaStore
from tests.broker import Broker
from tests.chaos.planted import SINCE, SOUND, Person, erasure, sound
from tests.chaos.unfit import FLAWS, HOSTILE, broken

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
"""Fixed, so that a seed always gives the same messages."""

TOWN_MESSAGES = 4_000
"""Four weeks of the smallest town: persons leave towards their end, so small towns bring erasures early and often."""

PLANTED_EVERY = 10
EVENTS_OF_A_PERSON = 25
ERASED_SHARE, BROKEN_SHARE = 0.04, 0.3
"""Of the events that are planted: one person's erasure comes amid their events, as a rule."""

HUGE_BYTES_MIN = 1_000_000
HUGE_MAX = 6
"""Each town has some records of 2 MB, and a few of them are enough."""

SHARES = {Kind.DUPLICATE: 0.1, Kind.LATE: 0.1, Kind.BROKEN: 0.04}
SHARES_MIN = {Kind.DUPLICATE: 0.05, Kind.LATE: 0.05, Kind.BROKEN: 0.01}
"""The least shares of the topics' records with which the test means something."""

PRODUCER = {
    "topic.metadata.refresh.interval.ms": 3_000,  # then a partition that is added gets its share
    "message.max.bytes": 16 * 1024 * 1024,  # before they are compressed
    "compression.type": "zstd",
    "linger.ms": 200,  # the machine is the consumers': a request for each message takes brokers half of it
}


class Feed:
    """Publishes from the beginning of its `with` block until `stop`, or until the block ends."""

    def __init__(
        self, broker: Broker, seed: int, rate: float, encode: Callable[[Message], Message], hostile_every: int
    ) -> None:
        """`encode` has the last hand at each message. Of so many messages one costs much to be read; 0: of none."""
        self._stopping = threading.Event()
        messages = takewhile(lambda _: not self._stopping.is_set(), map(encode, mixture(seed, hostile_every)))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._publishing = self._thread.submit(publish, messages, {**broker.config, **PRODUCER}, rate=rate)

    def stop(self) -> Deliveries:
        """End, and see that all of it is in the log and that it was the mixture that is wanted."""
        self._stopping.set()
        published = self._publishing.result()
        assert published.delivered_count == published.sent_count, published
        for kind, share in SHARES_MIN.items():
            assert published.sent[kind] >= share * published.sent_count, (kind, published.sent)
        return published

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.shutdown()


def mixture(seed: int, hostile_every: int = 0) -> Iterator[Message]:
    """Messages without end."""
    planted, hostile = _planted(Random(seed)), _hostile(Random(seed))
    for number, message in enumerate(_few_huge(_towns(seed)), 1):
        yield message
        if number % PLANTED_EVERY == 0:
            yield next(planted)
        if hostile_every and number % hostile_every == 0:
            yield next(hostile)


def _towns(seed: int) -> Iterator[Message]:
    store = SchemaStore()
    for number in count():
        plan = Plan(
            seed=seed + number,
            until=UNTIL,
            count=TOWN_MESSAGES,
            duplicate_share=SHARES[Kind.DUPLICATE],
            late_share=SHARES[Kind.LATE],
            broken_share=SHARES[Kind.BROKEN],
            older_version_share=0.2,
            framing=Framing.MIXED,
        )
        yield from synthesize(plan, store)


def _few_huge(messages: Iterator[Message]) -> Iterator[Message]:
    huge = 0
    for message in messages:
        huge += (is_huge := len(message.value or b"") > HUGE_BYTES_MIN)
        if not is_huge or huge <= HUGE_MAX:
            yield message


def _hostile(chance: Random) -> Iterator[Message]:
    for number, flaw in enumerate(cycle(HOSTILE)):
        yield broken(flaw, *flaw(Person(chance, number, SINCE - 1 - number)))


def _planted(chance: Random) -> Iterator[Message]:
    """Endlessly: sound events of one person after the other, broken ones, and some persons' erasure in between."""
    for number in count():
        person = Person(chance, number // EVENTS_OF_A_PERSON, SINCE + number)
        drawn = chance.random()
        if drawn < ERASED_SHARE:
            yield erasure(person)
        elif drawn < ERASED_SHARE + BROKEN_SHARE:
            flaw = chance.choice(FLAWS)
            yield broken(flaw, *flaw(person))
        else:
            name, changes = chance.choice(SOUND)
            yield sound(name, changes(person))
