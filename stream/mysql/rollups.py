"""Rollups: the periods that were touched, summed again from the rows.

Whoever writes rows appends the periods that it touched (`changes`). One process at a time sums a rollup; each of its
transactions (`refresh_some`), in READ COMMITTED:

1. lock the rollup's row of `rollup_refresh`, or leave the work to whoever has it
2. read some of the entries; what these transactions wrote is committed, so the next statement sees it
3. sum their periods from the rows, in the place of what was there
4. delete these very entries: one that is committed later may have a smaller id
5. commit

So a rollup is right whenever no entry is left, and whatever is killed in between only has to be done again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.mysql import Insert, insert

from stream.catalog import ROLLUPS
from stream.declaration.rollups import PERIOD_MINUTES, Share, shares_of
from stream.declaration.service_tables import ROLLUP_REFRESH, ROLLUP_TOUCHED
from stream.declaration.tables import business_time_of
from stream.mysql.connection import answers
from stream.stages.values import EPOCH

PERIOD = timedelta(minutes=PERIOD_MINUTES)
LAST_MOMENT = PERIOD - timedelta(microseconds=1)
"""The last moment of a period, as the time since its beginning."""

ENTRIES_MAX = 10_000
"""Entries that one transaction reads: of a period that is written all the time there are many; it is summed once."""

PERIODS_MAX = 500
"""Periods that one transaction sums: a second's work, where they lie far from each other."""

PERIODS_TOGETHER_MAX = 96
"""Periods that one statement sums, a day's: the server keeps what it reads for no longer than that takes."""

SPANS_TOGETHER_MAX = 16
"""Spans of periods that one statement sums: in a backfill nearly every period is a span of its own."""

Span = tuple[datetime, datetime]
"""The first and the last of periods that follow each other."""


@dataclass(frozen=True)
class Backlog:
    """The part of a rollup that is left to be summed."""

    rollup: str
    entries: int
    touched_since: datetime | None
    """The moment (UTC) at which the oldest of the entries was written; None where there is none."""
    age_seconds: float


def backlogs(connection: Connection) -> list[Backlog]:
    """The backlog of each rollup."""
    oldest = func.min(ROLLUP_TOUCHED.c.touched_on)
    age = func.timestampdiff(literal_column("MICROSECOND"), oldest, func.utc_timestamp(6))
    query = select(ROLLUP_TOUCHED.c.rollup, func.count(), oldest, age).group_by(ROLLUP_TOUCHED.c.rollup)
    rows = connection.execute(query)
    waiting = {name: Backlog(name, entries, since, micros / 1e6) for name, entries, since, micros in rows}
    return [waiting.get(name, Backlog(name, 0, None, 0.0)) for name in ROLLUPS]


def last_entry(connection: Connection) -> int:
    """The greatest id of the entries; 0 where there is none."""
    return int(connection.execute(select(func.max(ROLLUP_TOUCHED.c.id))).scalar_one() or 0)


def has_entries_until(connection: Connection, entry: int) -> bool:
    """Whether an entry with this id or a smaller one is left."""
    first = connection.execute(select(func.min(ROLLUP_TOUCHED.c.id))).scalar_one()
    return first is not None and first <= entry


def refresh_some(connection: Connection, rollup: Table) -> int:
    """Sum some touched periods again, in the caller's transaction; the number of entries that are done by it: 0 where
    none is left, or somebody else is at it."""
    row = select(ROLLUP_REFRESH.c.rollup).where(ROLLUP_REFRESH.c.rollup == rollup.name)
    if connection.execute(row.with_for_update(skip_locked=True)).first() is None:
        return 0
    query = select(ROLLUP_TOUCHED.c.id, ROLLUP_TOUCHED.c.period_start).where(ROLLUP_TOUCHED.c.rollup == rollup.name)
    entries = connection.execute(query.order_by(ROLLUP_TOUCHED.c.id).limit(ENTRIES_MAX)).all()
    periods = set(list(dict.fromkeys(entry.period_start for entry in entries))[:PERIODS_MAX])
    for some in together(spans(periods)):
        sum_again(connection, rollup, some)
    done = [entry.id for entry in entries if entry.period_start in periods]
    if done:
        answers(connection, _removing(done))
        is_its = ROLLUP_REFRESH.c.rollup == rollup.name
        connection.execute(update(ROLLUP_REFRESH).where(is_its).values(refreshed_on=func.utc_timestamp(6)))
    return len(done)


def _removing(entries: Sequence[int]) -> bytes:
    """Removes entries; in numbers, for ten thousand parameters keep SQLAlchemy longer than the server."""
    ids = ",".join(map(str, entries))
    return f"DELETE FROM {ROLLUP_TOUCHED.name} WHERE id IN ({ids})".encode()  # noqa: S608 - numbers


def prepare(connection: Connection) -> None:
    """Have a row to lock for each rollup."""
    known = set(connection.execute(select(ROLLUP_REFRESH.c.rollup)).scalars())
    for name in ROLLUPS.keys() - known:
        fresh = insert(ROLLUP_REFRESH).values(rollup=name)
        connection.execute(fresh.on_duplicate_key_update(rollup=name))


def spans(periods: Iterable[datetime]) -> list[Span]:
    """Periods that follow each other taken together. What comes behind the last may be behind the end of calendars."""
    joined: list[Span] = []
    for period in sorted(periods):
        first, last = joined[-1] if joined else (period, None)
        if last is not None and period - last == PERIOD and period - first < PERIODS_TOGETHER_MAX * PERIOD:
            joined[-1] = (first, period)
        else:
            joined.append((period, period))
    return joined


def together(joined: Iterable[Span]) -> Iterator[list[Span]]:
    """The spans in as few parts as there may be statements."""
    some: list[Span] = []
    for span in joined:
        periods = sum((last - first) // PERIOD + 1 for first, last in (*some, span))
        if some and (len(some) == SPANS_TOGETHER_MAX or periods > PERIODS_TOGETHER_MAX):
            yield some
            some = []
        some.append(span)
    if some:
        yield some


def sum_again(connection: Connection, rollup: Table, some: Sequence[Span]) -> None:
    """Sum up to SPANS_TOGETHER_MAX spans from the rows, in the place of what was there."""
    # The statements name as many spans as they can hold: the last is repeated.
    bounds: dict[str, datetime] = {}
    for number in range(SPANS_TOGETHER_MAX):
        first, last = some[min(number, len(some) - 1)]
        bounds |= {f"from_{number}": first, f"until_{number}": last + LAST_MOMENT}
    for statement in _statements(rollup):
        connection.execute(statement, bounds)


@cache
def _statements(rollup: Table) -> tuple[Delete, Insert]:
    """Remove the rollup's rows for some spans, and sum them again from the rows of its tables. Made once: to put them
    together takes the client longer than the server takes to run them."""
    shares = union_all(*map(_share, shares_of(rollup))).subquery("shares")
    keys = [shares.c[column.name] for column in rollup.primary_key]
    sums = [func.sum(shares.c[column.name]).label(column.name) for column in _summed_columns(rollup)]
    summed = select(*keys, *sums).group_by(*keys)
    names = [column.name for column in summed.selected_columns]
    return delete(rollup).where(_lies_within(rollup.c.period_start)), insert(rollup).from_select(names, summed)


def _lies_within(moment: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a moment lies in one of the spans that `sum_again` names."""
    return or_(*(moment.between(bindparam(f"from_{n}"), bindparam(f"until_{n}")) for n in range(SPANS_TOGETHER_MAX)))


def _share(share: Share) -> Select[Any]:
    moment = business_time_of(share.table)
    assert moment is not None
    period = period_of(moment).label("period_start")
    groups = [expression.label(name) for name, expression in share.groups.items()]
    names = [column.name for column in _summed_columns(share.rollup)]
    sums = [share.sums.get(name, literal_column("0")).label(name) for name in names]
    query = select(period, *groups, *sums).where(_lies_within(moment))
    if share.where is not None:
        query = query.where(share.where)
    return query.group_by(period, *groups)


def _summed_columns(rollup: Table) -> Sequence[Any]:
    return [column for column in rollup.columns if not column.primary_key]


def period_of(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """The beginning of the period in which a moment lies."""
    minute: ColumnElement[Any] = literal_column("MINUTE")
    number = func.timestampdiff(minute, literal_column(EPOCH), moment).op("DIV")(literal_column(str(PERIOD_MINUTES)))
    start: ColumnElement[Any] = literal_column("TIMESTAMP'1970-01-01 00:00:00'")  # without a fraction of a second
    return func.timestampadd(minute, number * literal_column(str(PERIOD_MINUTES)), start)
