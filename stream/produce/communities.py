"""Communities of neighbours: campaigns that hand out tokens, and messages to those who learn.

A community is `EVERY` riders of a cohort, in the order in which they moved in, so that even the smallest town has one
with some learners, and a large town tells no more of each than a small one.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from stream.produce.accounts import DAY, EVERY, HOUR, MINUTE, Account, Span

CAMPAIGNS = ("Ride to school", "Bike May 🚲", "Sin coche", 'Rain or shine "2x"')
"""The names of a community's campaigns."""

ANNOUNCEMENTS_DAILY_MAX = 2
ANNOUNCED_SHARE = 0.6
"""The share of a community's learners that a message goes to."""

WITHDRAWN_SHARE = 0.25


class Campaign(NamedTuple):
    """A campaign that hands out tokens."""

    campaign_id: int
    ap_campaign_id: int
    """The id by which tokens refer to the campaign; no other campaign has it."""
    token_id: int
    name: str
    token_cents: int
    """The tokens that the campaign may hand out to begin with, in hundredths."""
    opens_on: int


class Community(NamedTuple):
    """Riders who live together."""

    campaigns: Sequence[Campaign]
    learners: Sequence[Account]
    """The accounts with a Telegram account."""


class Announcement(NamedTuple):
    """A message to learners."""

    message_id: int
    written_on: int
    recipients: Sequence[int]
    """Telegram ids."""
    withdrawn_on: int | None
    """The moment of its deletion; None for a message that stays."""


def communities_of(accounts: Sequence[Account], span: Span, chance: Random, ids: Iterator[int]) -> list[Community]:
    """The communities of a cohort."""
    return [
        Community(
            campaigns=[_campaign(name, span, chance, ids) for name in CAMPAIGNS],
            learners=[account for account in accounts[first : first + EVERY] if account.telegram_id],
        )
        for first in range(0, len(accounts), EVERY)
    ]


def _campaign(name: str, span: Span, chance: Random, ids: Iterator[int]) -> Campaign:
    return Campaign(
        campaign_id=next(ids),
        ap_campaign_id=next(ids),
        token_id=chance.randrange(4),
        name=name,
        token_cents=chance.randint(100, 5000) * 100,
        opens_on=span.starts + 1 + int(chance.random() * (span.ends - span.starts) / 2),
    )


def announcements(community: Community, midnight: int, chance: Random, ids: Iterator[int]) -> list[Announcement]:
    """Messages that a community sends out on one day. A learner who left the day before gets at least one more."""
    present = [account for account in community.learners if account.saved_on < midnight]
    just_left = [account for account in present if account.has_left_on_day(midnight - DAY)]
    count = chance.randrange(ANNOUNCEMENTS_DAILY_MAX + 1)
    return [
        _announcement(present, just_left, midnight, chance, ids)
        for _ in range(max(count, 1) if just_left else count)
        if present
    ]


def _announcement(
    present: Sequence[Account], just_left: Sequence[Account], midnight: int, chance: Random, ids: Iterator[int]
) -> Announcement:
    chosen = [account for account in present if account in just_left or chance.random() < ANNOUNCED_SHARE]
    written_on = midnight + 8 * HOUR + int(chance.random() * 10 * HOUR)
    is_withdrawn = chance.random() < WITHDRAWN_SHARE
    return Announcement(
        message_id=next(ids),
        written_on=written_on,
        recipients=[account.telegram_id for account in chosen or present[:1] if account.telegram_id],
        withdrawn_on=written_on + int((60 + chance.random() * 60) * MINUTE) if is_withdrawn else None,
    )
