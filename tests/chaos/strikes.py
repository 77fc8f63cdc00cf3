"""Everything that is done to consumers and their servers while they work, and how it is drawn by lot.

Left out are the faults that stop a partition until somebody decides: a log that retention has cut, a topic made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.chaos import brokers, conflicts, erasures, freezes, kills, members, outages
from tests.chaos.group import Group

Strike = Callable[[Group], None]

KILLS: tuple[Strike, ...] = (
    kills.kill_one_at_any_moment,
    kills.kill_one_while_it_keeps_a_dead_letter,
    kills.kill_one_before_it_moves_progress,
    kills.kill_one_soon_after_its_start,
    kills.kill_both_at_once,
    kills.kill_both_around_a_rebalance,
    kills.kill_both_the_heir_while_it_claims,
)
"""Eleven processes in all."""

FREEZE: Strike = freezes.freeze_one_until_the_other_took_over

QUICK: tuple[Strike, ...] = (
    outages.kill_the_connections,
    outages.lose_answers_to_commits,
    outages.make_the_database_read_only,
    conflicts.meet_one_crosswise,
    brokers.abort_a_producer,
    erasures.erase_somebody_in_the_middle_of_a_write,
)
"""Over within a second or two."""

SLOW: tuple[Strike, ...] = (
    outages.kill_the_database,
    outages.restart_the_database,
    outages.make_packets_small,
    conflicts.lock_progress_until_a_wait_runs_out,
    conflicts.lock_rows_until_a_wait_runs_out,
    brokers.kill_the_broker,
    brokers.restart_the_broker,
    members.replace_one,
    members.let_a_third_join_and_leave,
)

ONLY_MYSQL: tuple[Strike, ...] = (outages.fill_the_disk,)

GROWTH: Strike = brokers.add_a_partition
"""Can't be undone, so there are never more than two in a run."""


def draw(chance: Random, count: int, flavour: str) -> list[Strike]:
    """Each kind that this server takes twice, then any, in an order of chance."""
    any_number = [*KILLS, FREEZE, *QUICK, *SLOW, *(ONLY_MYSQL if flavour == "mysql" else ())]
    twice = [*any_number, GROWTH] * 2
    more = chance.choices(any_number, k=max(0, count - len(twice)))
    return chance.sample([*twice, *more], len(twice) + len(more))
