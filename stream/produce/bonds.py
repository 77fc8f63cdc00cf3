"""Bonds of riders with each other and with the app: referrals, labels, and what is in their purses.

Who has which follows from the place in the cohort, so that even the smallest town has some of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stream.produce.accounts import EVERY, MINUTE, Account

LABELS = (
    ("Early birds", "on their way before six"),
    ("Commuters", "to work and back, five days a week"),
    ("Night owls 🦉", None),
    ("¿Aún en coche?", 'drivers who live next to a "transit" stop; don\'t write to them on Mondays'),
    ("通勤者", ""),
    ("Pilot of the new map", "see the map before others do"),
)
"""Names and descriptions; each group of `EVERY` riders has labels of its own."""

BROUGHT = (0, 4)
"""The places, of each five riders, of those whom the rider before them brought. Riders who leave, and riders whom these
brought, are at such places: see `FAREWELLS`."""


class Label(NamedTuple):
    label_id: int
    name: str
    description: str | None


class Referral(NamedTuple):
    """A rider's way into the app: another rider, and perhaps a code."""

    referral_id: int
    sender_id: int
    sender: Account
    code: str | None


@dataclass(slots=True)
class Purse:
    """A rider's points and tokens, in hundredths. A purse fills as its events are told."""

    points: int = 0
    tokens: int = 0


class Group(NamedTuple):
    """The property that `EVERY` riders have in common."""

    labels: tuple[Label, ...]


def gather(count: int, ids: Iterator[int]) -> list[Group]:
    """The groups of a cohort of so many riders. Each label has a rider who makes it up."""
    return [
        Group(
            labels=tuple(
                Label(next(ids), f"{name} {first // EVERY + 1}", description)
                for name, description in LABELS[: count - first]
            )
        )
        for first in range(0, count, EVERY)
    ]


def labels_of(place: int, group: Group) -> tuple[Label, ...]:
    """The labels that a rider has: one, or two different ones."""
    labels = group.labels
    chosen = (labels[place % len(labels)], labels[place * place % len(labels)])
    return tuple(dict.fromkeys(chosen))


def made_up_by(place: int, group: Group) -> Label | None:
    """The label that this rider made up."""
    return group.labels[place % EVERY] if place % EVERY < len(group.labels) else None


def is_brought(place: int) -> bool:
    """Whether the rider at this place was brought by the rider before."""
    return place > 0 and place % 5 in BROUGHT


def referral(sender_id: int, sender: Account, ids: Iterator[int]) -> Referral:
    code = f"{(sender.first_name or 'RIDER').upper()}-{sender_id}" if sender_id % 3 else None
    return Referral(next(ids), sender_id, sender, code)


def brought_on(account: Account, referral: Referral) -> int:
    """The moment of a referral: nobody refers others before joining."""
    return max(account.opened_on, referral.sender.opened_on + MINUTE)
