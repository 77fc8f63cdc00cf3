"""Consumers that share topics full of duplicates, late and broken events and erasures are killed, frozen, cut off and
left without their servers: nothing is lost or doubled, and nothing personal is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.chaos.ordeal import Ordeal
from tests.chaos.strikes import FREEZE, KILLS, QUICK, Strike, draw

QUICK_AMONG_KILLS = 2
"""`make test` has a minute for all of it."""

RECORDS_A_SECOND = 250
"""In `make test`, where other tests need the machine as well."""

FAULTS = 52
"""At least 50, and each kind twice."""


def until_a_zombie_was_fenced(ordeal: Ordeal, strikes: Sequence[Strike], freezes_max: int) -> Iterator[Strike]:
    """The strikes, then freezes: half of those that wake up have something left to write."""
    yield from strikes
    while not ordeal.group.fenced() and ordeal.group.freezes < freezes_max:
        yield FREEZE


@pytest.mark.parametrize("database", ["mysql", pytest.param("mariadb", marks=pytest.mark.chaos)], indirect=True)
def test_kills_at_random_moments_leave_no_trace(ordeal: Ordeal) -> None:
    strikes = [*KILLS, FREEZE, *ordeal.chance.sample(QUICK, QUICK_AMONG_KILLS)]
    ordeal.undergo(ordeal.chance.sample(strikes, len(strikes)), rate=RECORDS_A_SECOND)
    assert ordeal.group.kills >= 11


@pytest.mark.chaos
@pytest.mark.timeout(500)
@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_faults_of_every_kind_leave_no_trace(ordeal: Ordeal) -> None:
    strikes = draw(ordeal.chance, FAULTS, ordeal.watch.database.flavour)
    ordeal.undergo(until_a_zombie_was_fenced(ordeal, strikes, freezes_max=10))
    assert ordeal.strikes.total() >= FAULTS
    assert ordeal.group.kills >= 20
    assert ordeal.group.fenced(), "no zombie ever tried to write"
