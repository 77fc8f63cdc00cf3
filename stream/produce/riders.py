"""The riders of a town and their days. All topics tell about the same days, so their events fit together.

The town lies where Houston does, but its clocks show UTC: the peaks are at the hours where a reader looks for them.
"""

from collections.abc import Iterator
from math import cos, hypot, radians
from random import Random
from typing import NamedTuple

from stream.produce.accounts import DAY, EVERY, HOUR, MINUTE, SECOND, Account, Span, open_accounts
from stream.produce.bonds import Label, Purse, Referral, gather, is_brought, labels_of, made_up_by, referral
from stream.produce.communities import Announcement, Campaign, Community, announcements, communities_of
from stream.produce.purchases import Purchase, buy

METRES_PER_DEGREE = 111_320
DETOUR = 1.3
"""The length of a way, as a multiple of the straight line."""

ERRAND_DEGREES_MAX = 0.04
"""An errand leads at most about 4 km away from home."""


class Place(NamedTuple):
    latitude: float
    longitude: float


CENTRE = Place(29.7604, -95.3698)
METRES_PER_DEGREE_EAST = METRES_PER_DEGREE * cos(radians(CENTRE.latitude))


class Mode(NamedTuple):
    """A way to travel."""

    name: str
    metres_per_second: float
    fare_cents: int | None
    """The price of a ride to begin with; None where nobody asks for a fare."""
    fare_cents_per_kilometre: int = 0


WALKING = Mode("walking", 1.4, None)
CYCLING = Mode("cycling", 4.2, None)
TRANSIT = Mode("transit", 7.5, 125, 9)
DRIVING = Mode("driving", 11.0, None)
RIDE_HAILING = Mode("ride_hailing", 10.0, 350, 95)

COMMUTE_MODES = (*[TRANSIT] * 5, *[DRIVING] * 3, CYCLING, RIDE_HAILING)
ERRAND_MODES = (WALKING, WALKING, CYCLING, TRANSIT, DRIVING)

TICKET_SHARE = 0.4
"""The share of days with a ride by transit on which a ticket is bought."""


class Rider(NamedTuple):
    rider_id: int
    home: Place
    work: Place
    mode: Mode
    """The way to work is travelled so. A rider who goes by transit has a pass."""
    leaves_home: int
    leaves_work: int
    """The usual moments, counted from midnight."""
    account: Account
    way_ids: tuple[int, int]
    """Names of the way to work and of the way back."""
    referral: Referral | None
    """The referral that brought the rider to the app; None for a rider who came alone."""
    labels: tuple[Label, ...]
    made_up: Label | None
    """A label that this rider made up."""
    purse: Purse
    community: Community
    speaks_for_community: bool
    """Whether this is the rider of the community who tells its events."""

    @property
    def campaign(self) -> Campaign:
        """The campaign from which the rider gets tokens."""
        return self.community.campaigns[0]


class Journey(NamedTuple):
    """One way from here to there."""

    trip_id: int
    mode: Mode
    origin: Place
    destination: Place
    metres: float
    departs_on: int
    arrives_on: int
    fare_cents: int | None


class RiderDay:
    """The events of one rider on one day. Journeys are decided when they are first asked for: not every plan asks."""

    __slots__ = ("_announcements", "_chance", "_has_shopped", "_ids", "_journeys", "_purchase", "midnight", "rider")

    def __init__(self, rider: Rider, midnight: int, chance: Random, ids: Iterator[int]) -> None:
        self.rider = rider
        self.midnight = midnight
        self._chance = chance
        self._ids = ids
        self._journeys: list[Journey] | None = None
        self._purchase: Purchase | None = None
        self._has_shopped = False
        self._announcements: list[Announcement] | None = None

    @property
    def journeys(self) -> list[Journey]:
        if self._journeys is None:
            self._journeys = journeys(self.rider, self.midnight, self._chance, self._ids)
        return self._journeys

    @property
    def purchase(self) -> Purchase | None:
        """The rider's purchase on this day. Everybody buys once, and a rider who left may do so again the day after."""
        if not self._has_shopped:
            self._has_shopped = True
            self._purchase = self._shop()
        return self._purchase

    def _shop(self) -> Purchase | None:
        rider, chance = self.rider, self._chance
        rides_on = min((journey.departs_on for journey in self.journeys if journey.mode is TRANSIT), default=None)
        if rides_on is not None and chance.random() < TICKET_SHARE:
            return buy(rider.rider_id, rides_on - 10 * MINUTE, rides_on - MINUTE, chance, self._ids)
        if self.has(rider.account.saved_on):
            return buy(rider.rider_id, rider.account.saved_on + MINUTE, None, chance, self._ids)
        if self.follows_farewell_of(rider.account):
            return buy(rider.rider_id, self.midnight + 12 * HOUR, None, chance, self._ids)
        return None

    @property
    def announcements(self) -> list[Announcement]:
        """The community's messages to its learners, told by the rider who speaks for it."""
        if self._announcements is None:
            community = self.rider.community if self.rider.speaks_for_community else None
            self._announcements = announcements(community, self.midnight, self._chance, self._ids) if community else []
        return self._announcements

    def has(self, moment: int) -> bool:
        """Whether the moment lies in this day."""
        return self.midnight <= moment < self.midnight + DAY

    def follows_farewell_of(self, account: Account) -> bool:
        """Whether one of somebody's accounts ended on the day before."""
        return account.has_left_on_day(self.midnight - DAY)


def move_in(count: int, span: Span, chance: Random, ids: Iterator[int]) -> list[Rider]:
    """New riders, each with a home, a workplace and habits. Homes lie around the centre, work near it."""
    accounts = list(open_accounts(count, span, chance, ids))
    groups = gather(count, ids)
    communities = communities_of(accounts, span, chance, ids)
    riders: list[Rider] = []
    for place, account in enumerate(accounts):
        group, before = groups[place // EVERY], riders[-1] if riders else None
        riders.append(
            Rider(
                rider_id=next(ids),
                home=_near(CENTRE, 0.15, chance),
                work=_near(CENTRE, 0.05, chance),
                mode=COMMUTE_MODES[int(chance.random() * len(COMMUTE_MODES))],
                leaves_home=int(chance.gauss(7.75 * HOUR, 0.6 * HOUR)),
                leaves_work=int(chance.gauss(17.0 * HOUR, 0.7 * HOUR)),
                account=account,
                way_ids=(next(ids), next(ids)),
                referral=referral(before.rider_id, before.account, ids) if before and is_brought(place) else None,
                labels=labels_of(place, group),
                made_up=made_up_by(place, group),
                purse=Purse(),
                community=communities[place // EVERY],
                speaks_for_community=place % EVERY == 0,
            )
        )
    return riders


def journeys(rider: Rider, midnight: int, chance: Random, ids: Iterator[int]) -> list[Journey]:
    """One rider's ways on one day: to work and back on most workdays, now and then an errand, mostly at weekends."""
    # 1970 began on a Thursday.
    is_workday = (midnight // DAY + 3) % 7 < 5
    ways: list[Journey] = []
    if is_workday and chance.random() < 0.9:
        leaves, returns = midnight + rider.leaves_home, midnight + rider.leaves_work
        ways += _there_and_back(rider.home, rider.work, rider.mode, leaves, returns, chance, ids)
    if chance.random() < (0.3 if is_workday else 0.8):
        opens, closes = (19 * HOUR, 21 * HOUR) if is_workday else (9 * HOUR, 19 * HOUR)
        leaves = midnight + opens + int(chance.random() * (closes - opens))
        mode = ERRAND_MODES[int(chance.random() * len(ERRAND_MODES))]
        shop = _near(rider.home, ERRAND_DEGREES_MAX, chance)
        ways += _there_and_back(rider.home, shop, mode, leaves, leaves + 90 * MINUTE, chance, ids)
    return ways


def _there_and_back(
    home: Place, away: Place, mode: Mode, leaves: int, returns: int, chance: Random, ids: Iterator[int]
) -> tuple[Journey, Journey]:
    metres = metres_between(home, away)
    fare = mode.fare_cents
    if fare is not None:
        fare += int(metres) * mode.fare_cents_per_kilometre // 1000
    departs, arrives = _times(leaves, metres, mode, chance)
    there = Journey(next(ids), mode, home, away, metres, departs, arrives, fare)
    # Nobody turns back before arriving, even if the way was longer than the stay.
    departs, arrives = _times(max(returns, arrives + 20 * MINUTE), metres, mode, chance)
    return there, Journey(next(ids), mode, away, home, metres, departs, arrives, fare)


def _times(leaves: int, metres: float, mode: Mode, chance: Random) -> tuple[int, int]:
    """The moments of departure, within 15 minutes of the habit, and of arrival, after a delay or none."""
    departs = leaves + int((chance.random() - 0.5) * 30 * MINUTE)
    return departs, departs + int(metres / mode.metres_per_second * (1 + 0.4 * chance.random()) * SECOND)


def metres_between(origin: Place, destination: Place) -> float:
    """The length of the way, to the decimetre."""
    north = (destination.latitude - origin.latitude) * METRES_PER_DEGREE
    east = (destination.longitude - origin.longitude) * METRES_PER_DEGREE_EAST
    return round(DETOUR * hypot(north, east), 1)


def _near(place: Place, degrees_max: float, chance: Random) -> Place:
    """A place within a square around `place`, more often near its middle."""
    return Place(
        round(place.latitude + (chance.random() - chance.random()) * degrees_max, 6),
        round(place.longitude + (chance.random() - chance.random()) * degrees_max, 6),
    )
