"""Topic rewards.points: points for who comes and who leaves the car at home, and what they are spent on.

Each transaction's balance follows from the rider's transactions before it.
"""

from collections.abc import Iterator
from operator import attrgetter
from random import Random

from stream.catalog.rewards_points import PointsTransacted
from stream.produce.accounts import DAY, HOUR, MINUTE
from stream.produce.riders import DRIVING, Journey, Rider, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic, unscaled
from stream.produce.topics.user_lifecycle import has_just_left

# What points are for.
WELCOME, TRIP, SPENT, RETURNED, GOODWILL = 1, 2, 3, 4, 5

WELCOME_POINTS = 100_00
GOODWILL_POINTS = 5_00
PRICES = (25_00, 49_99, 80_00)
WARES = ("coffee ☕", "a day pass", "Kino für zwei", 'the "green" mug', "夕食")

SPENDS_SHARE = 0.12
RETURNS_SHARE = 0.1


def transactions(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    rider, came_on = day.rider, day.rider.account.saved_on + MINUTE
    if came_on >= day.midnight + DAY:
        return
    if day.has(came_on):
        yield _transaction(rider, came_on, WELCOME, WELCOME_POINTS, "welcome 👋", ids)
    elif has_just_left(day):
        # Early: what a rider began on the day before has ended, and nothing of this day has begun.
        yield _transaction(rider, day.midnight + 3 * HOUR, GOODWILL, GOODWILL_POINTS, "we're sorry to see you go", ids)
    last = max(came_on, day.midnight + 4 * HOUR)
    for journey in sorted(day.journeys, key=attrgetter("arrives_on")):
        if journey.mode is not DRIVING and journey.arrives_on > last:
            last = journey.arrives_on
            yield _earned(rider, journey, chance, ids)
    if chance.random() < SPENDS_SHARE:
        yield from _spent(rider, last + 10 * MINUTE, chance, ids)


def _earned(rider: Rider, journey: Journey, chance: Random, ids: Iterator[int]) -> Datum:
    """The points of a journey: a point for each kilometre, to the hundredth."""
    note = f"{journey.mode.name}, trip {journey.trip_id}" if chance.random() < 0.6 else None
    return _transaction(rider, journey.arrives_on, TRIP, 1 + int(journey.metres / 10), note, ids)


def _spent(rider: Rider, moment: int, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    price = PRICES[int(chance.random() * len(PRICES))]
    if price > rider.purse.points:
        return
    ware = WARES[int(chance.random() * len(WARES))]
    spent = _transaction(rider, moment, SPENT, -price, ware, ids)
    yield spent
    if chance.random() < RETURNS_SHARE:
        note = f"{ware} was out of stock"
        yield _transaction(rider, moment + MINUTE, RETURNED, price, note, ids, returns=spent["transaction_id"])


def _transaction(
    rider: Rider, moment: int, activity_type: int, points: int, note: str | None, ids: Iterator[int], returns: int = 0
) -> Datum:
    rider.purse.points += points
    return {
        "occurred_at": moment,
        "transaction_id": next(ids),
        "user_id": rider.rider_id,
        "activity_type": activity_type,
        "points": unscaled(points),
        "balance": unscaled(rider.purse.points),
        "note": note,
        "payer": rider.rider_id if points < 0 else 0,
        "payee": rider.rider_id if points > 0 else 0,
        "ref_transaction_id": returns,
        "created_on": moment,
    }


def _before_it_was_booked(transaction: Datum) -> Datum:
    return {**transaction, "note": "pending"}


SYNTHETICS = (Synthetic(PointsTransacted, tell=transactions, earlier=_before_it_was_booked),)
