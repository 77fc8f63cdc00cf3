"""kill -9 of consumers while they work: anywhere, and aimed at the places where it could hurt most."""

from __future__ import annotations

from tests.chaos.group import Group
from tests.chaos.watch import CLAIMING, REJECTING, WRITING

ANY_SECONDS = 1.0
"""Dozens of transactions."""

START_SECONDS = 3.0
"""The time of a consumer from its start to its first batch, the rebalance included."""

REBALANCE_SECONDS = 3.5
"""The time of the group to miss a killed member, and of its heir to claim and to read on."""


def kill_one_at_any_moment(group: Group) -> None:
    group.let_pass(ANY_SECONDS)
    group.kill(group.someone())


def kill_both_at_once(group: Group) -> None:
    group.let_pass(ANY_SECONDS)
    group.kill_all()


def kill_one_soon_after_its_start(group: Group) -> None:
    """While it reads its settings, joins, claims or applies its first batch."""
    group.kill(group.someone())
    fresh = group.start_one()
    group.let_pass(START_SECONDS)
    group.kill(fresh)


def kill_both_around_a_rebalance(group: Group) -> None:
    """The second one while it waits for the group, claims, or has just begun the partitions of the first."""
    first = group.someone()
    heir = group.other(first)
    group.kill(first)
    group.let_pass(REBALANCE_SECONDS)
    group.kill(heir)


def kill_one_while_it_keeps_a_dead_letter(group: Group) -> None:
    """Rows are sent, dead letters and progress are not."""
    with group.watch.holding_dead_letters():
        group.kill(group.wait_at(REJECTING))


def kill_one_before_it_moves_progress(group: Group) -> None:
    """Rows and dead letters are sent, progress is not."""
    watch = group.watch
    for where, table in group.ledgers():
        with watch.holding_ledger(where, table):
            victim = group.passing(WRITING)
            if victim and watch.is_waiting_with_rows_written(WRITING, victim.pid):
                group.kill(victim)
                return
        # Nobody came, or was just passing by, or its batch held nothing but duplicates: try elsewhere.
    raise AssertionError("no transaction was caught that had written rows")


def kill_both_the_heir_while_it_claims(group: Group) -> None:
    first = group.someone()
    where = group.chance.choice(group.owned_by(first))
    group.kill(first)
    with group.watch.holding_progress(where):
        group.kill(group.wait_at(CLAIMING))
