"""The accounts of a town's riders, of the app, of Clerk and of Telegram, and how a few of them end.

Which riders have what follows from their place in the cohort, so that even the smallest town has some of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits
from typing import NamedTuple

from stream.declaration.persons import PersonKind

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""In microseconds, as all moments here are."""

EVERY = 50
"""Riders are dealt their farewells anew every so many."""

FAREWELLS: dict[int, tuple[PersonKind, bool]] = {
    4: (PersonKind.APP, False),
    9: (PersonKind.APP, True),
    7: (PersonKind.TELEGRAM, False),
    12: (PersonKind.TELEGRAM, True),
    14: (PersonKind.CLERK, False),
    19: (PersonKind.CLERK, True),
}
"""Of each `EVERY` riders who leaves with which account, and whether by a tombstone or by the deletion event. All are
among the first 20, for no town has fewer riders."""

ADMINISTRATORS = (3, 14)
"""Who of a cohort changes others' names; the second one leaves."""

FAREWELL_FIRST, FAREWELL_LAST = 0.6, 0.85
"""When they leave, as a share of the time that is told: much comes before it, and enough after it."""

HISTORY_DAYS_MAX = 400
"""How long before the time that is told the oldest accounts were opened."""

TELEGRAM_ID_MIN = 5_000_000_000
"""Beyond 32 bits, as Telegram's newer ids are."""

FIRST_NAMES = ("Maria", "José", "Zoë", "Linh", "Ahmed", "Grace", "美咲", "D'Andre", "Aaliyah", "Siobhán", "🦄", "")
LAST_NAMES = ("Garcia", "O'Brien", "Nguyễn", "Smith-Jones", "Müller", "山田", "de la Cruz", "Okafor", "", "Lee")

CLERK_ID_CHARACTERS = ascii_letters + digits


class Span(NamedTuple):
    """The time that is told."""

    starts: int
    ends: int


class Farewell(NamedTuple):
    """The end of an account, with which a person is to be forgotten."""

    kind: PersonKind
    occurs_on: int
    is_tombstone: bool
    """Told by a record without a value rather than by the deletion event."""


class Account(NamedTuple):
    """A rider as the app, Clerk and Telegram know them."""

    first_name: str
    last_name: str
    email: str | None
    opened_on: int
    """When the app account came to be, mostly long before the time that is told."""
    saved_on: int
    """When it is first told."""
    clerk_id: str | None
    joined_on: int
    """When the Clerk account came to be."""
    administrator: str
    """Who changes names on behalf of others: a Clerk id, perhaps the account's own."""
    is_administrator: bool
    telegram_id: int | None
    farewell: Farewell | None

    def has_left_on_day(self, midnight: int) -> bool:
        """Whether one of the accounts ended on the day that begins then."""
        return self.farewell is not None and midnight <= self.farewell.occurs_on < midnight + DAY


def open_accounts(count: int, span: Span, chance: Random, ids: Iterator[int]) -> Iterator[Account]:
    """The accounts of a cohort, in the order of its riders."""
    administrators = {place: _clerk_id(chance) for place in ADMINISTRATORS}
    told = span.ends - span.starts
    for place in range(count):
        kind, is_tombstone = FAREWELLS.get(place % EVERY, (None, False))
        share = FAREWELL_FIRST + (FAREWELL_LAST - FAREWELL_FIRST) * chance.random()
        has_clerk_account, has_telegram = place % 5 >= 3, place % 5 == 2
        yield Account(
            first_name=FIRST_NAMES[int(chance.random() * len(FIRST_NAMES))],
            last_name=LAST_NAMES[int(chance.random() * len(LAST_NAMES))],
            email=f"rider+{next(ids)}@example.org" if chance.random() < 0.9 else None,
            opened_on=span.starts - int(chance.random() * HISTORY_DAYS_MAX * DAY),
            saved_on=span.starts + 1 + int(chance.random() * min(told // 10, 2 * HOUR)),
            clerk_id=administrators.get(place) or _clerk_id(chance) if has_clerk_account else None,
            joined_on=span.starts + 1 + int(chance.random() * told / 2),
            administrator=administrators[ADMINISTRATORS[int(chance.random() * len(ADMINISTRATORS))]],
            is_administrator=place in administrators,
            telegram_id=TELEGRAM_ID_MIN + next(ids) if has_telegram else None,
            farewell=Farewell(kind, span.starts + int(share * told), is_tombstone) if kind else None,
        )


def _clerk_id(chance: Random) -> str:
    return "user_2" + "".join(chance.choices(CLERK_ID_CHARACTERS, k=26))
