"""Topic research.target-user: some riders are chosen for studies, now and then twice, and most of them by their id."""

from collections.abc import Iterator
from hashlib import sha256
from random import Random

from stream.catalog.research_target_user import TargetUserSelected
from stream.produce.accounts import DAY
from stream.produce.riders import RiderDay
from stream.produce.topics.declaration import Datum, Synthetic
from stream.produce.topics.user_lifecycle import has_just_left

SELECTED_SHARE = 0.02
"""The share of a day's riders who are chosen."""

SELECTED_AFTER_LEAVING_SHARE = 0.5
"""The share who are chosen on the day after an account ended: not every study has heard of it."""

HASHED_ELSEWHERE_SHARE = 0.2
TWICE_SHARE = 0.05

STUDIES = ("transit-habits-2026", "commute & weather", "evacuación 2026 🌀")


def selections(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    if chance.random() < (SELECTED_AFTER_LEAVING_SHARE if has_just_left(day) else SELECTED_SHARE):
        selected = _selected(day, chance, ids)
        yield selected
        if chance.random() < TWICE_SHARE:  # the same participant once more, under another id
            yield {**selected, "target_user_id": next(ids), "occurred_at": selected["occurred_at"] + 1}


def _selected(day: RiderDay, chance: Random, ids: Iterator[int]) -> Datum:
    user_id = str(day.rider.rider_id)
    occurred_at = day.midnight + int(chance.random() * (DAY - 1))
    is_hashed_elsewhere = chance.random() < HASHED_ELSEWHERE_SHARE
    return {
        "occurred_at": occurred_at,
        "target_user_id": next(ids),
        "study_id": STUDIES[int(chance.random() * len(STUDIES))],
        "user_id": None if is_hashed_elsewhere else user_id,
        # Whose it is, nobody here can tell.
        "hash_id": sha256(f"elsewhere {user_id}".encode()).hexdigest() if is_hashed_elsewhere else None,
        "created_on": occurred_at,
    }


def _as_planned(selected: Datum) -> Datum:
    return {**selected, "created_on": selected["created_on"] - DAY}


SYNTHETICS = (Synthetic(TargetUserSelected, tell=selections, earlier=_as_planned),)
