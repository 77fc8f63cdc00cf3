"""`kill -9` of consumers that share topics full of duplicates, late and broken events: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.chaos.ordeal import Ordeal
from tests.chaos.strikes import (
    KILLS,
    Strike,
    freeze_one_until_the_other_took_over,
    kill_the_broker,
    kill_the_connections,
    kill_the_database,
)


def until_a_zombie_was_fenced(ordeal: Ordeal, strikes: Sequence[Strike], freezes_max: int) -> Iterator[Strike]:
    """The strikes in an order of chance, then freezes: half of those that wake up have something left to write."""
    yield from ordeal.chance.sample(strikes, len(strikes))
    while not ordeal.group.fenced() and ordeal.group.freezes < freezes_max:
        yield freeze_one_until_the_other_took_over


@pytest.mark.parametrize("database", ["mysql", pytest.param("mariadb", marks=pytest.mark.chaos)], indirect=True)
def test_kills_at_random_moments_leave_no_trace(ordeal: Ordeal) -> None:
    strikes = [*KILLS, freeze_one_until_the_other_took_over]
    ordeal.undergo(until_a_zombie_was_fenced(ordeal, strikes, freezes_max=4))
    assert ordeal.group.kills >= 11


@pytest.mark.chaos
@pytest.mark.timeout(420)
@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_kills_freezes_and_outages_leave_no_trace(ordeal: Ordeal) -> None:
    database, broker = ordeal.database, ordeal.broker
    outages = [kill_the_database(database), kill_the_broker(broker), kill_the_connections(database)]
    strikes = [*KILLS, freeze_one_until_the_other_took_over, *outages] * 3
    ordeal.undergo(until_a_zombie_was_fenced(ordeal, strikes, freezes_max=20))
    assert ordeal.group.kills >= 30
    assert ordeal.group.fenced(), "no zombie ever tried to write"
