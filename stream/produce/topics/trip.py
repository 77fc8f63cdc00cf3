"""Topic trip: each journey told when it starts and again when it ends, and what some riders think of it."""

from collections.abc import Iterator
from random import Random

from stream.catalog.trip import TripRated, TripRecorded
from stream.produce.accounts import MINUTE
from stream.produce.riders import Journey, Rider, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic, unscaled

RATING_SHARE = 0.5
RATINGS = (5, 5, 5, 5, 4, 4, 4, 3, 2, 1)
FEEDBACK = (
    None,
    None,
    None,
    "on time",
    "Bus was packed, had to stand.",
    "¿Por qué tan tarde otra vez?",
    "The driver's \"shortcut\" wasn't one; it cost us ten minutes.",
    "smooth ride 🚌👍🏽",
    "とても快適でした",
    "",
)


def trips(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    for journey in day.journeys:
        yield _under_way(day.rider, journey)
        yield _ended(day.rider, journey)


def _under_way(rider: Rider, journey: Journey) -> Datum:
    return {
        "occurred_at": journey.departs_on,
        "trip_id": journey.trip_id,
        "user_id": rider.rider_id,
        "travel_mode": journey.mode.name,
        "started_on": journey.departs_on,
        "ended_on": None,
        "distance": 0.0,
        "origin_latitude": journey.origin.latitude,
        "origin_longitude": journey.origin.longitude,
        "destination_latitude": None,
        "destination_longitude": None,
        "fare": None,
        "created_on": journey.departs_on,
    }


def _ended(rider: Rider, journey: Journey) -> Datum:
    return {
        "occurred_at": journey.arrives_on,
        "trip_id": journey.trip_id,
        "user_id": rider.rider_id,
        "travel_mode": journey.mode.name,
        "started_on": journey.departs_on,
        "ended_on": journey.arrives_on,
        "distance": journey.metres,
        "origin_latitude": journey.origin.latitude,
        "origin_longitude": journey.origin.longitude,
        "destination_latitude": journey.destination.latitude,
        "destination_longitude": journey.destination.longitude,
        "fare": None if journey.fare_cents is None else unscaled(journey.fare_cents),
        "created_on": journey.departs_on,
    }


def _before_the_mode_was_known(trip: Datum) -> Datum:
    distance = trip["distance"] / 2
    return {**trip, "travel_mode": "unknown", "ended_on": None, "distance": distance, "fare": None}


def ratings(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    for journey in day.journeys:
        if chance.random() < RATING_SHARE:
            yield {
                "occurred_at": journey.arrives_on + int((1 + 20 * chance.random()) * MINUTE),
                "rating_id": next(ids),
                "trip_id": journey.trip_id,
                "user_id": day.rider.rider_id,
                "rating": RATINGS[int(chance.random() * len(RATINGS))],
                "feedback": FEEDBACK[int(chance.random() * len(FEEDBACK))],
            }


def _first_opinion(rating: Datum) -> Datum:
    return {**rating, "rating": 6 - rating["rating"], "feedback": "first impression"}


SYNTHETICS = (
    Synthetic(TripRecorded, tell=trips, earlier=_before_the_mode_was_known),
    Synthetic(TripRated, tell=ratings, earlier=_first_opinion),
)
