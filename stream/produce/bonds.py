"""What ties riders to each other and to the app: who brought whom, labels, and what is in their purses.

Who has which follows from the place in the cohort, so that even the smallest town has some of each.
"""

from __future__ import annotations

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
"""Of each five riders those whom the rider before them brought. Those who leave, and whom they brought, are among
them: see `FAREWELLS`."""


class Label(NamedTuple):
    label_id: int
    name: str
    description: str | None


class Referral(NamedTuple):
    """How a rider came to the app because of another."""

    referral_id: int
    sender_id: int
    sender: Account
    code: str | None


@dataclass(slots=True)
class Purse:
    """What a rider has, in hundredths. It fills as it is told of."""

    points: int = 0
    tokens: int = 0


class Group(NamedTuple):
    """What `EVERY` riders have in common."""

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
    """Whether the rider before this one brought them."""
    return place > 0 and place % 5 in BROUGHT


def referral(sender_id: int, sender: Account, ids: Iterator[int]) -> Referral:
    code = f"{(sender.first_name or 'RIDER').upper()}-{sender_id}" if sender_id % 3 else None
    return Referral(next(ids), sender_id, sender, code)


def brought_on(account: Account, found: Referral) -> int:
    """When it came to be: nobody brings others before they came themselves."""
    return max(account.opened_on, found.sender.opened_on + MINUTE)
