"""What is done to consumers while they work: kill -9 anywhere, and aimed at the places where it could hurt most."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from sqlalchemy.exc import OperationalError

from stream.records import TopicPartition
from tests.broker import Broker
from tests.chaos.group import Group
from tests.chaos.watch import CLAIMING, REJECTING, WRITING, Progress
from tests.consumers import Consumer
from tests.databases import Database
from tests.waiting import wait_for

Strike = Callable[[Group], None]

LANES = 2

ANY_SECONDS = 1.0
"""Dozens of transactions."""

START_SECONDS = 3.0
"""What a consumer takes from its start to its first batch, the rebalance included."""

REBALANCE_SECONDS = 3.5
"""What the group takes to miss a killed member, and its heir to claim and to read on."""

STUTTER_SECONDS = 1.0
"""Less than the session timeout: who stands still for so long loses nothing but has much to catch up on."""

CATCHING_UP_SECONDS = 0.03
"""In which it is busy in both lanes, with batches waiting."""

FREEZES_MAX = 6
"""A lane is within a transaction about half of the time."""

HEAD_START_SECONDS = 1.0
"""What the heir does alone before the zombie wakes up."""

TAKEOVER_SECONDS_MAX = 60.0
"""The session timeout, then up to 10 s until the server takes a frozen process's row locks away, and a busy machine."""


# --- Kills


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
    sent = sorted(watch.rows_sent())
    for where, table in group.chance.sample(sent, len(sent)):
        with watch.holding_ledger(where, table):
            victim = group.wait_at(WRITING)
            if watch.is_waiting_with_rows_written(WRITING, victim.pid):
                group.kill(victim)
                return
        # It was just passing by, or its batch held nothing but duplicates: try elsewhere.
    raise AssertionError("no transaction was caught that had written rows")


def kill_both_the_heir_while_it_claims(group: Group) -> None:
    first = group.someone()
    where = group.chance.choice(group.owned_by(first))
    group.kill(first)
    with group.watch.holding_progress(where):
        group.kill(group.wait_at(CLAIMING))


KILLS: tuple[Strike, ...] = (
    kill_one_at_any_moment,
    kill_one_while_it_keeps_a_dead_letter,
    kill_one_before_it_moves_progress,
    kill_one_soon_after_its_start,
    kill_both_at_once,
    kill_both_around_a_rebalance,
    kill_both_the_heir_while_it_claims,
)
"""Eleven processes in all."""


# --- Zombies


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
    """Freeze it, where possible, with a lane between two transactions: there it holds no locks, so that others can
    take over at once, and has most likely polled, or even decoded, what it will write when it wakes up."""
    for _ in range(FREEZES_MAX):
        zombie.freeze()
        group.let_pass(STUTTER_SECONDS)
        zombie.thaw()
        group.let_pass(CATCHING_UP_SECONDS)
        zombie.freeze()
        open_transactions = group.watch.open_transactions(zombie.pid)
        if open_transactions < LANES:
            break
        zombie.thaw()
    zombie.freeze()
    group.freezes += 1
    group.note(f"  frozen {zombie.pid} ({zombie.log.name}) within {open_transactions} transactions")


def _has_heir_moved(group: Group, partitions: Iterable[TopicPartition], since: Progress) -> bool:
    now = group.watch.progress()
    return any(
        now[one]["owner_epoch"] > since[one]["owner_epoch"] and now[one]["next_offset"] > since[one]["next_offset"]
        for one in partitions
    )


def _has_claimed(group: Group, member: Consumer, since: Progress) -> bool:
    now = group.watch.progress()
    return any(now[one]["owner_epoch"] > since[one]["owner_epoch"] for one in group.owned_by(member))


# --- The servers


def kill_the_database(database: Database) -> Strike:
    def kill_the_database(group: Group) -> None:
        group.let_pass(ANY_SECONDS)
        database.server.kill()
        group.let_pass(ANY_SECONDS)
        database.server.start()
        database.hasten()

    return kill_the_database


def kill_the_broker(broker: Broker) -> Strike:
    def kill_the_broker(group: Group) -> None:
        group.let_pass(ANY_SECONDS)
        broker.server.kill()
        group.let_pass(ANY_SECONDS)
        broker.server.start()

    return kill_the_broker


def kill_the_connections(database: Database) -> Strike:
    """The program's own: whatever a lane was at, it has to find out how far it came."""

    def kill_the_connections(group: Group) -> None:
        group.let_pass(ANY_SECONDS)
        for one in database.connection_ids():
            with suppress(OperationalError):  # it ended meanwhile
                database.execute(f"KILL {one}")

    return kill_the_connections
