"""Another program's transactions on the same rows."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tests.chaos.group import Group
from tests.chaos.watch import WRITING

BUSY_TABLES = ("trip", "hntb_trip", "user_data")
"""Of whose rows some are written again all the time."""

NUMBERS = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900)"


def lock_progress_until_a_wait_runs_out(group: Group) -> None:
    where = group.chance.choice(group.owned())
    retries = group.retries("lock_wait")
    with group.watch.holding_progress(where):
        group.wait_while_alive(lambda: group.retries("lock_wait") > retries, f"a wait for {where} to run out")


def lock_rows_until_a_wait_runs_out(group: Group) -> None:
    table = group.chance.choice(BUSY_TABLES)
    retries = group.retries("lock_wait")
    with group.watch.holding_rows(table):
        group.wait_while_alive(lambda: group.retries("lock_wait") > retries, f"a wait for {table} to run out")


def meet_one_crosswise(group: Group) -> None:
    """A deadlock: it has its progress row and waits for ours of the ledger; then we want its progress row."""
    watch = group.watch
    retries = group.retries("deadlock")
    for where, table in group.ledgers():
        with suppress(OperationalError), watch.holding_ledger(where, table) as ours:
            _make_heavy(ours)
            group.wait_at(WRITING)
            watch.lock_progress(ours, where)
        # It was just passing by, or the server gave up our transaction: try elsewhere.
        if group.retries("deadlock") > retries:
            return
    raise AssertionError("nobody was met in a deadlock")


def _make_heavy(ours: Connection) -> None:
    """The server gives up the transaction that has changed less: let that be theirs. What we change is rolled back."""
    ours.execute(
        text(
            f"INSERT INTO erasure (person_kind, person_id, erased_on, swept_on) {NUMBERS} "
            "SELECT 'other', CONCAT(n.i, '-', m.i), NOW(6), NOW(6) FROM n JOIN (SELECT i FROM n WHERE i < 4) m"
        )
    )
