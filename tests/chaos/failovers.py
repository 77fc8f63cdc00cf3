"""The primary of a replicated MySQL is gone for a moment, and another server takes its place."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.chaos.group import Group
from tests.chaos.kills import ANY_SECONDS
from tests.cluster.replicas import Member, Replicas

AT_WORK_SECONDS_MAX = 10.0
"""The promise: from the moment when the new primary takes writes until both members are at work again."""


def kill_the_primary(group: Group) -> None:
    _depose(group, Member.kill, Member.start)


def freeze_the_primary(group: Group) -> None:
    """It still takes connections, and says nothing."""
    _depose(group, Member.freeze, Member.thaw)


def cut_the_primary_off(group: Group) -> None:
    """It goes on by itself, and can reach nobody."""
    _depose(group, Member.cut, Member.mend)


def _depose(group: Group, strike: Callable[[Member], None], undo: Callable[[Member], None]) -> None:
    replicas = group.watch.database.server
    assert isinstance(replicas, Replicas)
    deposed = replicas.primary()
    group.let_pass(ANY_SECONDS)
    try:
        replicas.depose(strike)
        elected_at = time.monotonic()
        group.settle()
        seconds = time.monotonic() - elected_at
        group.note(f"  at work {seconds:.1f} s after the election")
        group.failovers.append((seconds, strike.__name__))
    finally:
        undo(deposed)
    replicas.take_back(deposed)
