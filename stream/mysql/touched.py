"""Changes beside the rows of a write: periods that rollups have to sum again, and late business dates.

A lane doesn't touch a rollup: two that did would lose counts, or wait for each other. It appends the periods whose
rows it wrote to `rollup_touched`, in its own transaction: those in which rows lie now, and those in which they lay
before. `stream/mysql/rollups.py` sums them again.

A date is late once it lies before the look-back window of dashboards; what is written or removed there, they would not
see. What changed nothing (a duplicate, an older version) is no change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import msgspec
from sqlalchemy import Connection, Table

from stream import moments
from stream.declaration.rollups import PERIOD_MICROS, PERIOD_MINUTES, share_of
from stream.declaration.service_tables import LATE_CHANGE, ROLLUP_TOUCHED
from stream.mysql.connection import answers
from stream.stages.values import EPOCH, with_json

DAY_MICROS = 24 * 3600 * 1_000_000
PERIODS_MAX = 100_000
"""Periods noted by one statement: each takes less than 100 bytes, and a packet has at least 16 MiB."""

NEVER_LATE = 0
"""As the moment before which dates are late."""


@dataclass(slots=True)
class Changes:
    """The changes that a transaction has to note beside its rows."""

    periods: set[tuple[str, int]] = field(default_factory=set)
    """Rollups with the periods to be summed again, counted from 1970."""
    late: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Rows that changed on late dates, by table and day, counted from 1970."""

    def __ior__(self, other: Self) -> Self:
        self.periods |= other.periods
        self.late += other.late
        return self


def late_before(look_back_days: int) -> int:
    """The moment (microseconds) before which dates are late now."""
    return (moments.now_micros() // DAY_MICROS - look_back_days) * DAY_MICROS


def note(connection: Connection, parts: Iterable[Changes]) -> None:
    """Note the changes in the caller's transaction. At its end: the rows of `late_change` are locked from here on, in
    an order that all share."""
    changes = Changes()
    for part in parts:
        changes |= part
    if changes.periods:
        periods = [(str(rollup), period) for rollup, period in sorted(changes.periods)]
        for start in range(0, len(periods), PERIODS_MAX):
            answers(connection, with_json(TOUCH, msgspec.json.encode(periods[start : start + PERIODS_MAX])))
    if changes.late:
        late = [(str(table), day, changes.late[table, day]) for table, day in sorted(changes.late)]
        answers(connection, with_json(ADD_LATE, msgspec.json.encode(late)))


TOUCH = (
    f"INSERT INTO {ROLLUP_TOUCHED.name} (rollup, period_start, touched_on) "  # noqa: S608
    f"SELECT j.rollup, {EPOCH} + INTERVAL j.period * {PERIOD_MINUTES} MINUTE, UTC_TIMESTAMP(6) "
    "FROM JSON_TABLE(%s, '$[*]' COLUMNS (rollup VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', "
    "period BIGINT PATH '$[1]')) j"
)


ADD_LATE = (
    f"INSERT INTO {LATE_CHANGE.name} (table_name, business_date, changes, first_changed_on, last_changed_on) "  # noqa: S608
    "SELECT j.table_name, DATE'1970-01-01' + INTERVAL j.day DAY, j.changes, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) "
    "FROM JSON_TABLE(%s, '$[*]' COLUMNS (table_name VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', "
    "day BIGINT PATH '$[1]', changes BIGINT PATH '$[2]')) j "
    f"ON DUPLICATE KEY UPDATE changes = {LATE_CHANGE.name}.changes + j.changes, last_changed_on = UTC_TIMESTAMP(6)"
)
"""A statement for all of them: of a list of values with a function among them the driver sends one for each date."""


def of_rows(table: Table, moments: Iterable[int], late_before: int) -> Changes:
    """The changes where rows of a table, whose business times (microseconds) these are, were written, removed or
    emptied."""
    return of_periods(table, Counter(map(PERIOD_MICROS.__rfloordiv__, moments)), late_before)


def of_periods(table: Table, periods: Mapping[int, int], late_before: int) -> Changes:
    """The changes where rows lay in these periods, counted from 1970, or lie in them now: so many in each. No period is
    late in part: the window begins at a midnight."""
    changes = Changes()
    share = share_of(table)
    for period, rows in periods.items():
        if share is not None:
            changes.periods.add((share.rollup.name, period))
        if period * PERIOD_MICROS < late_before:
            changes.late[table.name, day_of(period)] += rows
    return changes


def day_of(period: int) -> int:
    """The day of a period, both counted from 1970."""
    return period * PERIOD_MICROS // DAY_MICROS
