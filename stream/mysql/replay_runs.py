"""Runs of a replay, as MySQL remembers them: which ranges, and how many rows there were before.

A run's progress, its owner and its two ledgers are rows of `progress` and `ledger` under a group of its own,
`replay:<run id>`. So the fence, the resumption and the ledgers are those of `stream run`; an erasure's sweep, which
locks every progress row, waits for a replay's writes too; and a restored backup takes a replay back with the rows.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from stream import moments
from stream.catalog import STREAMS
from stream.declaration.service_tables import LEDGER, PROGRESS, REPLAY_RUN
from stream.errors import TerminalError
from stream.mysql import progress
from stream.mysql.connection import read_connection, translated_errors
from stream.records import Range, TopicPartition

GROUP_PREFIX = "replay:"
"""The beginning of such groups' names, and of no consumer's."""

REMOVED_ROWS_MAX = 1000
"""Ledger rows removed in one transaction: a run has one for each partition and table."""

RowsByDate = Mapping[str, Mapping[str, int]]
"""The number of rows of each table, by the date (UTC) of `created_on`."""


@dataclass(frozen=True)
class Run:
    """One replay, from its plan to its end, over as many processes as it takes."""

    run_id: str
    ranges: Sequence[Range]
    rewrites: bool
    """Whether an event may change the row that it wrote before."""
    rows_before: RowsByDate
    has_ended: bool = False

    @property
    def group_id(self) -> str:
        """The group of its progress and its ledgers."""
        return GROUP_PREFIX + self.run_id

    @property
    def topics(self) -> list[str]:
        return sorted({each.topic for each in self.ranges})

    @property
    def records_max(self) -> int:
        return sum(each.records_max for each in self.ranges)


@dataclass(frozen=True)
class Effect:
    """One number of what came of a replay."""

    what: str
    """records, rows, or rows by date."""
    name: str
    """The topic, or the table."""
    date: str | None
    outcome: str
    count: int


def create(database: Engine, ranges: Sequence[Range], *, rewrites: bool = False) -> Run:
    """Note a new run, and the places where its partitions begin. Raises DatabaseUnavailable."""
    run_id = f"{moments.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    run = Run(run_id, ranges, rewrites, rows_by_date(database, {each.topic for each in ranges}))
    starts = {each.topic_partition: (each.topic_id, each.from_offset) for each in ranges}
    noted = {"ranges": json.dumps([astuple(each) for each in ranges]), "rows_before": json.dumps(run.rows_before)}
    with translated_errors(), database.begin() as connection:
        began = {"run_id": run_id, "rewrites": rewrites, "started_on": func.utc_timestamp(6)}
        connection.execute(insert(REPLAY_RUN).values(**began, **noted))
        progress.prepare(connection, run.group_id, starts)
    return run


def load(database: Engine, run_id: str) -> Run:
    """A run that was begun. Raises TerminalError where there is none, and DatabaseUnavailable."""
    with read_connection(database) as connection:
        row = connection.execute(select(REPLAY_RUN).where(REPLAY_RUN.c.run_id == run_id)).first()
    if row is None:
        raise TerminalError(f"no replay {run_id} was begun: its first line of output names it")
    ranges = [Range(*place) for place in json.loads(row.ranges)]
    rows_before = json.loads(row.rows_before)
    return Run(run_id, ranges, bool(row.rewrites), rows_before, has_ended=row.ended_on is not None)


def next_offsets(database: Engine, run: Run) -> dict[TopicPartition, int]:
    """The offset at which each of its partitions goes on. Raises DatabaseUnavailable."""
    with read_connection(database) as connection:
        return progress.next_offsets(connection, run.group_id, run.topics)


def skip_to(database: Engine, run: Run, offsets: Mapping[TopicPartition, int]) -> None:
    """Go on there: what is before has left the log, and can't be read again."""
    topic_ids = {each.topic: each.topic_id for each in run.ranges}
    with translated_errors(), database.begin() as connection:
        stored = progress.next_offsets(connection, run.group_id, run.topics)
        for partition, offset in offsets.items():
            start, topic_id = stored[partition], topic_ids[partition.topic]
            if start < offset:
                progress.move(
                    connection, run.group_id, partition, topic_id=topic_id, from_offset=start, to_offset=offset
                )


def end(database: Engine, run: Run) -> None:
    """Note that everything is applied."""
    its = REPLAY_RUN.c.run_id == run.run_id
    with translated_errors(), database.begin() as connection:
        connection.execute(update(REPLAY_RUN).where(its).values(ended_on=func.utc_timestamp(6)))


def remove_old(connection: Connection, before: datetime) -> dict[str, int]:
    """Remove some rows of a run that nobody has gone on with since a moment; how many, by table: none when no such
    run is left."""
    is_its = PROGRESS.c.group_id == func.concat(GROUP_PREFIX, REPLAY_RUN.c.run_id)
    gone_on_at = select(func.max(PROGRESS.c.updated_on)).where(is_its).scalar_subquery()
    is_old = func.coalesce(gone_on_at, REPLAY_RUN.c.started_on) < before
    run_id = connection.execute(select(REPLAY_RUN.c.run_id).where(is_old).limit(1)).scalar()
    if run_id is None:
        return {}
    its = PROGRESS.c.group_id == GROUP_PREFIX + run_id
    locked = connection.execute(select(PROGRESS.c.updated_on).where(its).with_for_update()).scalars()
    if any(moment >= before for moment in locked):
        return {}  # somebody resumed it meanwhile
    rows = delete(LEDGER).where(LEDGER.c.group_id == GROUP_PREFIX + run_id)
    removed = {LEDGER.name: connection.execute(rows.with_dialect_options(mysql_limit=REMOVED_ROWS_MAX)).rowcount}
    if removed[LEDGER.name] < REMOVED_ROWS_MAX:  # else the rest is for the next step
        removed[PROGRESS.name] = progress.remove(connection, GROUP_PREFIX + run_id)
        removed[REPLAY_RUN.name] = connection.execute(delete(REPLAY_RUN).where(REPLAY_RUN.c.run_id == run_id)).rowcount
    return removed


def rows_by_date(database: Engine, topics: set[str]) -> dict[str, dict[str, int]]:
    """The number of rows of some topics' tables on each date. Locks nothing. Raises DatabaseUnavailable."""
    counted = {}
    with read_connection(database) as connection:
        for table in (table for topic in sorted(topics) for table in STREAMS[topic].tables):
            date = func.date(table.c.created_on)
            rows = connection.execute(select(date, func.count()).group_by(date))
            counted[table.name] = {str(day): int(count) for day, count in rows}
    return counted


def effects(database: Engine, run: Run) -> list[Effect]:
    """The effects of a replay so far: both ledgers, and the dates whose numbers of rows are not as they were before."""
    ledgers = []
    for table, kept, what in ((PROGRESS, "topic", "records"), (LEDGER, "table_name", "rows")):
        outcomes = [column for column in table.columns if column.name.startswith(f"{what}_")][1:]  # first is their sum
        name = table.c[kept]
        sums = [func.sum(outcome).label(outcome.name.removeprefix(f"{what}_")) for outcome in outcomes]
        query = select(name, *sums).where(table.c.group_id == run.group_id).group_by(name).order_by(name)
        with read_connection(database) as connection:
            rows = connection.execute(query).mappings().all()
        ledgers += [Effect(what, row[kept], None, sum_.name, int(row[sum_.name])) for row in rows for sum_ in sums]
    return ledgers + changed_dates(run.rows_before, rows_by_date(database, set(run.topics)))


def changed_dates(before: RowsByDate, after: RowsByDate) -> list[Effect]:
    """The dates on which a table has more rows, or fewer, than before."""
    changed = []
    for table, dates in after.items():
        earlier = before.get(table, {})
        for date in sorted({*dates, *earlier}):
            was, now = earlier.get(date, 0), dates.get(date, 0)
            if was != now:
                changed += [Effect("rows by date", table, date, "before", was)]
                changed += [Effect("rows by date", table, date, "after", now)]
    return changed
