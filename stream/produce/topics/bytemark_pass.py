"""Topic bytemark.pass: who rides transit activates a pass before the day's first ride and shows it on each."""

from collections.abc import Iterator
from random import Random

from stream.catalog.bytemark_pass import BytemarkPassLogged
from stream.produce.accounts import MINUTE
from stream.produce.riders import TRANSIT, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic

OWN_CLOCK_SHARE = 0.25
"""The share of interactions that say themselves when they were logged; the rest leave it to `occurred_at`."""


def interactions(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    is_activated = False
    for journey in day.journeys:
        if journey.mode is not TRANSIT:
            continue
        if not is_activated:
            is_activated = True
            yield _interaction(day, "activated", journey.departs_on - MINUTE, chance, ids)
        yield _interaction(day, "validated", journey.departs_on, chance, ids)


def _interaction(day: RiderDay, name: str, around: int, chance: Random, ids: Iterator[int]) -> Datum:
    occurred_at = around + int(chance.random() * MINUTE)
    return {
        "occurred_at": occurred_at,
        "bytemark_pass_id": next(ids),
        "user_id": str(day.rider.rider_id),
        "interaction": name,
        "logged_on": occurred_at if chance.random() < OWN_CLOCK_SHARE else None,
    }


def _before_the_reader_answered(interaction: Datum) -> Datum:
    return {**interaction, "interaction": "requested"}


SYNTHETICS = (Synthetic(BytemarkPassLogged, tell=interactions, earlier=_before_the_reader_answered),)
