"""Events in the order in which they happen: cohorts of riders living up to the plan's last moment."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from math import ceil
from operator import itemgetter
from random import Random
from typing import NamedTuple

from stream.errors import ConfigurationError
from stream.produce.accounts import DAY, EVERY, Span
from stream.produce.plan import Plan
from stream.produce.riders import Rider, RiderDay, move_in
from stream.produce.topics import SYNTHETICS, Datum, Synthetic

Told = tuple[Synthetic, Datum]

ID_MAX = 2**32 - 1
IDS_PER_SEED = 10_000_000
SEEDS_APART = 400
"""The number of seeds with ids of their own, `IDS_PER_SEED` each: runs with different seeds into one topic are then
about different riders and trips. 400 times 10 million is what 32 bits hold."""

DAYS_MAX = 28
"""The longest life of a cohort: four whole weeks, for reports by weekday; more events mean more riders."""

RIDERS_MIN = 20
RIDERS_MAX = 5000
"""A day of 5000 riders is some 50,000 events, told in order of time: about 50 MB for the time being. What one
cohort can't fill is filled by the next."""

ENDLESS_EVENTS = 200_000
"""The events that a cohort tells where the plan has no end."""

SAMPLE_RIDERS = EVERY
SAMPLE_SPAN = Span(15_005 * DAY, (15_005 + DAYS_MAX) * DAY)
"""The time of the sample: four weeks from a Monday in the year 2011; any would do for which all accounts are of this
century. A sample lasts as long as a cohort lives, for not all happens evenly."""


class Cohort(NamedTuple):
    """The number of riders who tell about as many events as are wanted, and the days that they live."""

    riders: int
    days: int


def tell(plan: Plan, chance: Random) -> Iterator[Told]:
    """The plan's events without end, cohort after cohort, each cohort's in order of time.

    Raises ConfigurationError where riders never do what the plan wants to hear of.
    """
    synthetics = chosen(plan)
    cohort = _cohort(plan, synthetics)
    ends = plan.until_micros
    starts = ends - cohort.days * DAY
    ids = unused_ids(plan.seed)
    while True:
        riders = move_in(cohort.riders, Span(starts, ends), chance, ids)
        for midnight in range(starts - starts % DAY, ends, DAY):
            for occurred_at, synthetic, datum in _day(riders, midnight, synthetics, chance, ids):
                if starts < occurred_at <= ends:
                    datum["event_id"] = event_id(chance)
                    yield synthetic, datum


def chosen(plan: Plan) -> list[Synthetic]:
    """The records that the plan wants."""
    return [
        synthetic
        for synthetic in SYNTHETICS.values()
        if (not plan.topics or synthetic.stream.topic in plan.topics)
        and (not plan.records or synthetic.record_name in plan.records)
    ]


def sample() -> dict[str, list[Datum]]:
    """A small town's weeks, by record: shows how much is told, and gives each record a specimen."""
    return {name: [dict(datum) for datum in data] for name, data in _sample().items()}


@cache
def _sample() -> Mapping[str, Sequence[Datum]]:
    chance = seeded("four weeks of a small town")
    ids = unused_ids(seed=0)
    riders = move_in(SAMPLE_RIDERS, SAMPLE_SPAN, chance, ids)
    weeks: dict[str, list[Datum]] = {name: [] for name in SYNTHETICS}
    for midnight in range(SAMPLE_SPAN.starts, SAMPLE_SPAN.ends, DAY):
        for _, synthetic, datum in _day(riders, midnight, list(SYNTHETICS.values()), chance, ids):
            weeks[synthetic.record_name].append({**datum, "event_id": event_id(chance)})
    return weeks


def seeded(text: str) -> Random:
    """Chances that come out the same for the same text."""
    return Random(text)  # noqa: S311 - to be reproducible is the point


def unused_ids(seed: int) -> Iterator[int]:
    """Ids greater than 0 within 32 bits, each once."""
    first = 1 + seed % SEEDS_APART * IDS_PER_SEED
    return chain(range(first, ID_MAX + 1), range(1, first))


def event_id(chance: Random) -> str:
    """A random UUID (version 4) in its usual form."""
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _day(
    riders: Sequence[Rider], midnight: int, synthetics: Sequence[Synthetic], chance: Random, ids: Iterator[int]
) -> list[tuple[int, Synthetic, Datum]]:
    """The events of all riders on one day, in order of time."""
    told: list[tuple[int, Synthetic, Datum]] = []
    for rider in riders:
        day = RiderDay(rider, midnight, chance, ids)
        for synthetic in synthetics:
            for datum in synthetic.tell(day, chance, ids):
                told.append((datum["occurred_at"], synthetic, datum))  # noqa: PERF401 - mostly none or one
    told.sort(key=itemgetter(0))
    return told


def _cohort(plan: Plan, synthetics: Sequence[Synthetic]) -> Cohort:
    weeks = _sample()
    told = sum(len(weeks[synthetic.record_name]) for synthetic in synthetics)
    if not told:
        raise ConfigurationError("nothing to synthesize: no rider ever does what was asked for")
    daily = told / (SAMPLE_RIDERS * DAYS_MAX)
    wanted = ENDLESS_EVENTS if plan.count is None else plan.count * (1 - plan.extra_share)
    riders = min(max(ceil(wanted / daily / DAYS_MAX), RIDERS_MIN), RIDERS_MAX)
    return Cohort(riders, min(max(ceil(wanted / daily / riders), 1), DAYS_MAX))
