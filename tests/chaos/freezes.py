"""Processes that stand still until their partitions are another's, and wake up with work in their hands."""

from __future__ import annotations

from collections.abc import Iterable

from stream.records import TopicPartition
from tests.chaos.group import Group
from tests.chaos.watch import Progress
from tests.consumers import Consumer
from tests.waiting import wait_for

STUTTER_SECONDS = 1.0
"""Less than the session timeout: who stands still for so long loses nothing but has much to catch up on."""

CATCHING_UP_SECONDS = 0.03
"""In which it is busy in both lanes, with batches waiting."""

FREEZES_MAX = 6
"""A lane is within a transaction about half of the time."""

HEAD_START_SECONDS = 1.0
"""The heir's head start, before the zombie wakes up."""

TAKEOVER_SECONDS_MAX = 60.0
"""The session timeout, then up to 10 s until the server takes a frozen process's row locks away, and a busy machine."""


def freeze_one_until_the_other_took_over(group: Group) -> None:
    """It wakes up with work in its hands that is another's by now."""
    zombie = group.someone()
    freeze_at_work(group, zombie)
    try:
        lost = group.watch.progress()
        owned = group.owned_by(zombie)
        wait_for(lambda: _has_heir_moved(group, owned, lost), "the heir to go on", TAKEOVER_SECONDS_MAX)
        group.let_pass(HEAD_START_SECONDS)
    finally:
        zombie.thaw()
    wait_for(lambda: _has_claimed(group, zombie, lost), "the zombie to take part again", TAKEOVER_SECONDS_MAX)


def freeze_at_work(group: Group, zombie: Consumer) -> None:
    """Freeze it, where possible, between two transactions: there it holds no locks, so that others can take over at
    once, and has most likely polled, or even decoded, what it will write when it wakes up."""
    for _ in range(FREEZES_MAX):
        zombie.freeze()
        group.let_pass(STUTTER_SECONDS)
        zombie.thaw()
        group.let_pass(CATCHING_UP_SECONDS)
        zombie.freeze()
        open_transactions = group.watch.open_transactions(zombie.pid)
        if not open_transactions:
            break
        zombie.thaw()
    zombie.freeze()
    group.freezes += 1
    group.note(f"  frozen {zombie.pid} ({zombie.log.name}) within {open_transactions} transactions")


def _has_heir_moved(group: Group, partitions: Iterable[TopicPartition], since: Progress) -> bool:
    now = group.watch.progress()
    return any(
        now[partition]["owner_epoch"] > since[partition]["owner_epoch"]
        and now[partition]["next_offset"] > since[partition]["next_offset"]
        for partition in partitions
    )


def _has_claimed(group: Group, member: Consumer, since: Progress) -> bool:
    now = group.watch.progress()
    return any(now[partition]["owner_epoch"] > since[partition]["owner_epoch"] for partition in group.owned_by(member))
