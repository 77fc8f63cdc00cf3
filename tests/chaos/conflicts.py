"""Another program's transactions on the same rows."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.exc import OperationalError

from stream.every import Every
from tests.chaos.group import Group
from tests.chaos.watch import WRITING
from tests.databases import make_heavy

HOLD_AGAIN_SECONDS = 5.0
"""Each look reads the whole table."""

BUSY_TABLES = ("trip", "hntb_trip", "user_data")
"""Of whose rows some are written again all the time."""


def lock_progress_until_a_wait_runs_out(group: Group) -> None:
    where = group.chance.choice(group.owned())
    retries = group.retries("lock_wait")
    with group.watch.holding_progress(where):
        group.wait_while_alive(lambda: group.retries("lock_wait") > retries, f"a wait for {where} to run out")


def lock_rows_until_a_wait_runs_out(group: Group) -> None:
    table = group.chance.choice(BUSY_TABLES)
    retries = group.retries("lock_wait")
    again = Every(HOLD_AGAIN_SECONDS)
    with group.watch.holding_rows(table) as hold:

        def has_run_out() -> bool:
            if again.take():
                hold()  # town follows upon town, and lanes that were behind may have left the rows of ours
            return group.retries("lock_wait") > retries

        group.wait_while_alive(has_run_out, f"a wait for {table} to run out")


def meet_one_crosswise(group: Group) -> None:
    """A deadlock: it has its progress row and waits for ours of the ledger; then we want its progress row."""
    watch = group.watch
    retries = group.retries("deadlock")
    for where, table in group.ledgers():
        with suppress(OperationalError), watch.holding_ledger(where, table) as ours:
            make_heavy(ours)
            if group.passing(WRITING):
                watch.lock_progress(ours, where)
        # Nobody came, or was just passing by, or the server gave up our transaction: try elsewhere.
        if group.retries("deadlock") > retries:
            return
    raise AssertionError("nobody was met in a deadlock")
