"""The accounts of a town's riders, of the app, of Clerk and of Telegram, and how a few of them end.

Which riders have what follows from their place in the cohort, so that even the smallest town has some of each.
"""

from collections.abc import Iterator
from random import Random
from string import ascii_letters, digits
from typing import NamedTuple

from stream.declaration.persons import PersonKind

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Moments and durations are in microseconds throughout `produce`."""

EVERY = 50
"""The riders among whom farewells are dealt; the next as many riders are dealt theirs anew."""

FAREWELLS: dict[int, tuple[PersonKind, bool]] = {
    4: (PersonKind.APP, False),
    9: (PersonKind.APP, True),
    7: (PersonKind.TELEGRAM, False),
    12: (PersonKind.TELEGRAM, True),
    14: (PersonKind.CLERK, False),
    19: (PersonKind.CLERK, True),
}
"""The riders of each `EVERY` who leave: with which account, and whether by a tombstone rather than by the deletion
event. All are among the first 20, for no town has fewer riders."""

ADMINISTRATORS = (3, 14)
"""The riders of a cohort who change others' names; the second rider leaves."""

FAREWELL_FIRST, FAREWELL_LAST = 0.6, 0.85
"""The span in which farewells lie, as shares of the time that is told: much comes before a farewell, and enough after
it."""

RETURN_AFTER = 12 * HOUR
"""The time of the day after the farewell at which some are back: so there is something to tell before it and after."""

HISTORY_DAYS_MAX = 400
"""The age of the oldest accounts when the time that is told begins."""

TELEGRAM_ID_MIN = 5_000_000_000
"""The least Telegram id, beyond 32 bits as Telegram's newer ids are."""

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
    """Whether a record without a value tells the farewell, rather than the deletion event."""


class Account(NamedTuple):
    """A rider as the app, Clerk and Telegram know them."""

    first_name: str
    last_name: str
    email: str | None
    opened_on: int
    """The moment at which the app account came to be, mostly long before the time that is told."""
    saved_on: int
    """The moment at which the account is first told."""
    clerk_id: str | None
    joined_on: int
    """The moment at which the Clerk account came to be."""
    administrator: str
    """The administrator who changes this rider's name: a Clerk id, perhaps the account's own."""
    is_administrator: bool
    telegram_id: int | None
    farewell: Farewell | None

    def has_left_on_day(self, midnight: int) -> bool:
        """Whether the farewell falls on the day that begins at this midnight."""
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
