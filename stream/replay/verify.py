"""`stream verify`: proof that MySQL equals the log.

1. take a snapshot of MySQL; the live group's progress is in it, so its offsets fit the rows exactly
2. read the log up to these offsets into shadow tables (`shadow`), beside the live ones
3. let the server make digests of both (`digests`); where they differ, read both in the order of their keys, and compare

A row whose event isn't in the part that was read (it left the log, or a replay brought it ahead of the live group)
can't be proved, and is counted. Where it came from and when it was loaded is not compared: any order of events gives
the rest.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Table,
    and_,
    false,
    not_,
    or_,
    select,
    text,
    tuple_,
)

from stream.catalog import STREAMS
from stream.counts import Reached, Tell
from stream.declaration.persons import OnErasure
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import LINEAGE_COLUMNS, persons_of
from stream.errors import StopReason, TerminalError
from stream.kafka.brokers import Brokers
from stream.kafka.ranges import read
from stream.mysql.connection import read_connection
from stream.mysql.digests import differing, digests, row_counts
from stream.operate.standing import Place, look
from stream.records import Range
from stream.replay.shadow_tables import IDLE_SECONDS_MAX, Shadow, in_key_order, key_of, version_of
from stream.schemas.decoder import Decoder

FAULTS_SHOWN_MAX = 50
"""Of each table: somebody who has more looks at the first, mends the cause, and verifies again."""


class Outcome(StrEnum):
    """What became of one key's comparison."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"
    TOO_MANY = "too_many"
    NOT_PROVABLE = "not_provable"
    BEING_ERASED = "being_erased"
    """About a person who was erased meanwhile: not compared."""


FAULTS = (Outcome.DIFFERS, Outcome.MISSING, Outcome.TOO_MANY)


@dataclass(frozen=True)
class Verified:
    """What was found of a table: how many rows, or one of those that aren't as the log says."""

    table: str
    outcome: Outcome
    rows: int
    coordinates: str | None = None
    """Where the event of the row is: topic/partition/offset. Never a key, which may be personal."""
    columns: str | None = None
    """The columns that differ."""


@dataclass
class Comparison:
    """Counts the outcomes of one table, and keeps the first faults."""

    topic: str
    table: Table
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    faults: list[Verified] = field(default_factory=list)

    def add(self, outcome: Outcome, row: RowMapping, columns: Sequence[str] = ()) -> None:
        self.outcomes[outcome] += 1
        if outcome in FAULTS and len(self.faults) < FAULTS_SHOWN_MAX:
            where = f"{self.topic}/{row['kafka_partition']}/{row['kafka_offset']}"
            self.faults.append(Verified(self.table.name, outcome, 1, where, ", ".join(columns) or None))

    @property
    def findings(self) -> list[Verified]:
        counts = [Verified(self.table.name, one, self.outcomes[one]) for one in Outcome if self.outcomes[one]]
        return [*counts, *self.faults]


def verify(
    properties: Mapping[str, str],
    database: Engine,
    group_id: str,
    decoder: Decoder,
    tell: Tell,
) -> list[Verified]:
    """Compare the tables of some topics with their log; `tell` is told how many records are read.

    Raises KafkaUnavailable, DatabaseUnavailable, RegistryUnavailable, and TerminalError where the log isn't the one
    that was applied.
    """
    tables = [(topic, table) for topic in decoder.readers for table in STREAMS[topic].tables]
    with snapshot(database) as live, Shadow(database, [table for _, table in tables]) as shadow:
        ranges = applied_ranges(look(Brokers(properties), live, group_id, list(decoder.readers)))
        total, done = sum(one.records_max for one in ranges), 0
        for written in shadow.apply(read(properties, "verify", ranges), decoder):
            done += written.records.consumed
            tell(Reached(done, total))
        found: list[Verified] = []
        for topic, table in tables:
            comparison = Comparison(topic, table)
            its = {one.partition: one for one in ranges if one.topic == topic}
            buckets = differing_buckets(comparison, its, live, shadow)
            if buckets:
                rows = in_key_order(live, table, buckets), shadow.rows(table, buckets)
                compare(comparison, its, *rows, _Erased(database))
            found += comparison.findings
    return found


def differing_buckets(
    comparison: Comparison, ranges: Mapping[int, Range], live: Connection, shadow: Shadow
) -> Collection[int]:
    """The buckets of a table's rows that have to be read; the rows of all others are judged.

    Live rows whose events were not read are kept out of the digests: where the rest is the same, the log that was read
    has none of their keys. So the rows of years, whose events have left the log, need not be read.
    """
    table = comparison.table
    was_read = or_(false(), *(_holds(one, table) for one in ranges.values()))
    with ThreadPoolExecutor(1, "digests") as beside:
        theirs = beside.submit(shadow.digests, table)
        ours = digests(live, table, was_read)
        others = row_counts(live, table, not_(was_read))
    buckets = differing(ours, theirs.result())
    comparison.outcomes[Outcome.SAME] += sum(rows for number, (rows, _) in ours.items() if number not in buckets)
    comparison.outcomes[Outcome.NOT_PROVABLE] += sum(rows for number, rows in others.items() if number not in buckets)
    return buckets


def _holds(one: Range, table: Table) -> ColumnElement[bool]:
    """Whether the event that wrote a row is in the range; `_was_read` of a row in the server."""
    offset = table.c.kafka_offset
    return and_(table.c.kafka_partition == one.partition, offset >= one.from_offset, offset < one.to_offset)


@contextmanager
def snapshot(database: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is now, whatever others commit meanwhile; it locks nothing."""
    with read_connection(database) as connection:
        connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text(f"SET SESSION wait_timeout = {IDLE_SECONDS_MAX}"))
        connection.commit()
        connection.execute(text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))
        yield connection


def applied_ranges(places: Iterable[Place]) -> list[Range]:
    """The parts of the log that are applied, and still there.

    Raises TerminalError where the log is no longer the one that was applied.
    """
    ranges = []
    for place in places:
        if place.stop_reason in (StopReason.TOPIC_RECREATED, StopReason.LOG_IS_SHORTER):
            raise TerminalError(
                f"{place.partition} is not the log that was applied: `stream offsets accept` says how to go on"
            )
        if place.applied is not None and place.log.low < place.applied.next_offset:
            ranges.append(Range(*place.partition, place.log.topic_id, place.log.low, place.applied.next_offset))
    return ranges


class _Erased:
    """Who is erased now: after the snapshot there may be others than in it."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def is_about_any(self, table: Table, row: RowMapping, columns: Sequence[str] = ()) -> bool:
        """Whether the row, or these columns of it, go with a person who is erased. Asked of faults only."""
        persons = [
            (one.kind.value, str(row[one.column]))
            for one in persons_of(table)
            if one.is_stored and (one.on_erasure is OnErasure.DELETE_ROW or set(columns) & set(one.emptied))
        ]
        if not persons:
            return False
        marked = select(ERASURE.c.person_kind).where(tuple_(ERASURE.c.person_kind, ERASURE.c.person_id).in_(persons))
        with read_connection(self._database) as connection:
            return connection.execute(marked.limit(1)).first() is not None


def compare(
    comparison: Comparison,
    ranges: Mapping[int, Range],
    live: Iterator[Sequence[RowMapping]],
    shadow: Iterator[Sequence[RowMapping]],
    erased: _Erased,
) -> None:
    """Walk through a table's rows and its shadow's, both in the order of the key, and judge each key."""
    table = comparison.table
    ours, theirs = chain.from_iterable(live), chain.from_iterable(shadow)
    row, wanted = next(ours, None), next(theirs, None)
    while row is not None or wanted is not None:
        if wanted is None or (row is not None and key_of(table, row) < key_of(table, wanted)):
            assert row is not None
            _judge_live_only(comparison, ranges, row, erased)
            row = next(ours, None)
        elif row is None or key_of(table, wanted) < key_of(table, row):
            is_theirs = erased.is_about_any(table, wanted)
            comparison.add(Outcome.BEING_ERASED if is_theirs else Outcome.MISSING, wanted)
            wanted = next(theirs, None)
        else:
            _judge_both(comparison, ranges, row, wanted, erased)
            row, wanted = next(ours, None), next(theirs, None)


def _judge_live_only(comparison: Comparison, ranges: Mapping[int, Range], row: RowMapping, erased: _Erased) -> None:
    if not _was_read(ranges, row):
        comparison.add(Outcome.NOT_PROVABLE, row)
    elif erased.is_about_any(comparison.table, row):
        comparison.add(Outcome.BEING_ERASED, row)
    else:
        comparison.add(Outcome.TOO_MANY, row)


def _judge_both(
    comparison: Comparison, ranges: Mapping[int, Range], row: RowMapping, wanted: RowMapping, erased: _Erased
) -> None:
    columns = [name for name in row if name not in LINEAGE_COLUMNS and row[name] != wanted[name]]
    if not columns:
        comparison.add(Outcome.SAME, row)
    elif version_of(row) > version_of(wanted) and not _was_read(ranges, row):
        comparison.add(Outcome.NOT_PROVABLE, row)
    elif erased.is_about_any(comparison.table, row, columns):
        comparison.add(Outcome.BEING_ERASED, row)
    else:
        comparison.add(Outcome.DIFFERS, row, columns)


def _was_read(ranges: Mapping[int, Range], row: RowMapping) -> bool:
    """Whether the event that wrote the row is in the part of the log that was read."""
    one = ranges.get(row["kafka_partition"])
    return one is not None and one.from_offset <= row["kafka_offset"] < one.to_offset
