"""Topic trip.activity-location: riders' ways to work and back between clusters of places, reckoned anew every week."""

from collections.abc import Iterator
from random import Random

from stream.catalog.trip_activity_location import ActivityLocationClustered
from stream.produce.accounts import DAY, HOUR, MINUTE
from stream.produce.riders import CENTRE, CYCLING, DRIVING, TRANSIT, WALKING, Place, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic
from stream.produce.topics.user_lifecycle import has_just_left

CLUSTER_DEGREES = 0.05
CLUSTERS_A_SIDE = 7
"""The town as a grid: homes lie within 0.15 degrees of the centre."""

MODES = (DRIVING, TRANSIT, WALKING, CYCLING)
UNKNOWN_SHARE = 0.15
"""The share of probabilities that nobody could reckon."""


def ways(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    rider = day.rider
    is_first = day.has(rider.account.saved_on)
    if not is_first and (day.midnight < rider.account.saved_on or not (_is_reckoned(day) or has_just_left(day))):
        return
    occurred_at = rider.account.saved_on + HOUR if is_first else day.midnight + int(chance.random() * 4 * HOUR)
    ends = (rider.home, rider.work), (rider.work, rider.home)
    for way_id, (origin, destination) in zip(rider.way_ids, ends, strict=True):
        yield {
            "occurred_at": occurred_at,
            "activity_location_id": way_id,
            "user_id": rider.rider_id,
            "o_id": cluster(origin),
            "d_id": cluster(destination),
            "travel_mode": rider.mode.name,
            **_probabilities(day, chance),
            "created_on": rider.account.saved_on + HOUR - MINUTE,
        }


def _is_reckoned(day: RiderDay) -> bool:
    """Whether the rider's ways are reckoned on this day: not all riders' on the same weekday."""
    return (day.midnight // DAY + day.rider.rider_id) % 7 == 0


def cluster(place: Place) -> int:
    """The square of the grid that the place lies in, counted from 1."""
    row = int((place.latitude - CENTRE.latitude) / CLUSTER_DEGREES + CLUSTERS_A_SIDE / 2)
    column = int((place.longitude - CENTRE.longitude) / CLUSTER_DEGREES + CLUSTERS_A_SIDE / 2)
    return 1 + row * CLUSTERS_A_SIDE + column


def _probabilities(day: RiderDay, chance: Random) -> dict[str, float | None]:
    """The probabilities of modes: the rider's own mode is the likeliest, and together they make at most 1."""
    weights = [chance.random() * (8 if mode is day.rider.mode else 1) for mode in MODES]
    total = sum(weights) + chance.random()
    return {
        f"probability_{mode.name}": None if chance.random() < UNKNOWN_SHARE else weight / total
        for mode, weight in zip(MODES, weights, strict=True)
    }


def _before_the_modes_were_told_apart(way: Datum) -> Datum:
    return {**way, "travel_mode": "unknown"}


SYNTHETICS = (Synthetic(ActivityLocationClustered, tell=ways, earlier=_before_the_modes_were_told_apart),)
