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
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Table, and_, false, or_, text

from stream.catalog import STREAMS
from stream.counts import Tell
from stream.declaration.persons import OnErasure, Person
from stream.declaration.tables import LINEAGE_COLUMNS, named_columns, persons_of
from stream.errors import StopReason, TerminalError
from stream.kafka.brokers import Brokers
from stream.mysql.connection import read_connection
from stream.mysql.digests import differing, digests, row_counts
from stream.mysql.markers import markers
from stream.operate.standing import Place, look
from stream.records import Range
from stream.replay.shadow_tables import IDLE_SECONDS_MAX, Key, Shadow, in_key_order, key_of, shadow_of, version_of
from stream.schemas.decoder import Decoder

FAULTS_SHOWN_MAX = 50
"""Of each table: somebody who has more looks at the first, mends the cause, and verifies again."""


class Outcome(StrEnum):
    """The outcome of one key's comparison."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"
    TOO_MANY = "too_many"
    NOT_PROVABLE = "not_provable"
    BEING_ERASED = "being_erased"
    """About a person who was erased meanwhile: not compared."""
    SEVERAL_PERSONS = "several_persons"
    """Not as the log says, under a key that an erased person's event claims as well: not compared. If their row had
    overwritten the other's, that one went with it."""


FAULTS = (Outcome.DIFFERS, Outcome.MISSING, Outcome.TOO_MANY)


@dataclass(frozen=True)
class Verified:
    """A finding about a table: the number of rows of an outcome, or a row that isn't as the log says."""

    table: str
    outcome: Outcome
    rows: int
    coordinates: str | None = None
    """Topic/partition/offset of the row's event. Never a key, which may be personal."""
    columns: str | None = None
    """The columns that differ."""


def verify(
    properties: Mapping[str, str], database: Engine, group_id: str, decoder: Decoder, tell: Tell
) -> list[Verified]:
    """Compare the tables of some topics with their log; `tell` is told how many records are read. Raises
    KafkaUnavailable, DatabaseUnavailable, RegistryUnavailable, and TerminalError where the log isn't the one that was
    applied."""
    tables = [(topic, table) for topic in decoder.readers for table in STREAMS[topic].tables]
    with snapshot(database) as live, shadow_of(database, [table for _, table in tables]) as shadow:
        ranges = applied_ranges(look(Brokers(properties), live, group_id, list(decoder.readers)).required())
        for _ in shadow.apply_ranges(properties, "verify", ranges, decoder, tell):
            pass
        findings: list[Verified] = []
        for topic, table in tables:
            findings += Comparison(topic, table, ranges, database).run(live, shadow)
    return findings


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
    """The parts of the log that are applied, and still there. Raises TerminalError where the log is no longer the one
    that was applied."""
    ranges = []
    for place in places:
        if place.stop_reason in (StopReason.TOPIC_RECREATED, StopReason.LOG_IS_SHORTER):
            raise TerminalError(
                f"{place.partition} is not the log that was applied: `stream offsets accept` says how to go on"
            )
        if place.applied is not None and place.log.low < place.applied.next_offset:
            ranges.append(Range(*place.partition, place.log.topic_id, place.log.low, place.applied.next_offset))
    return ranges


class Comparison:
    """Compares a topic's table with its shadow, made from `ranges`: counts outcomes, and keeps the first faults."""

    def __init__(self, topic: str, table: Table, ranges: Sequence[Range], database: Engine) -> None:
        self._topic = topic
        self._table = table
        self._ranges = {part.partition: part for part in ranges if part.topic == topic}
        self._database = database
        self._claimed: Collection[Key] = ()
        self._outcomes: Counter[Outcome] = Counter()
        self._faults: list[Verified] = []

    def run(self, live: Connection, shadow: Shadow) -> list[Verified]:
        """Judge each key, by digests where these agree; the numbers of rows by outcome, and behind them the faults."""
        self._claimed = shadow.claimed.get(self._table.name, ())
        if buckets := self._differing_buckets(live, shadow):
            self._walk(in_key_order(live, self._table, buckets), shadow.rows(self._table, buckets))
        counted = [outcome for outcome in Outcome if self._outcomes[outcome]]
        return [Verified(self._table.name, outcome, self._outcomes[outcome]) for outcome in counted] + self._faults

    def _differing_buckets(self, live: Connection, shadow: Shadow) -> Collection[int]:
        """The buckets of rows that have to be read; the rows of all others are judged. Live rows whose events were not
        read are kept out of the digests: where the rest is the same, the log that was read has none of their keys. So
        the rows of years, whose events have left the log, need not be read."""
        was_read = or_(false(), *(_holds(part, self._table) for part in self._ranges.values()))
        with ThreadPoolExecutor(1, "digests") as beside:
            expected = beside.submit(shadow.digests, self._table)
            stored = digests(live, self._table, was_read)
            others = row_counts(live, self._table, ~was_read)
        buckets = differing(stored, expected.result())
        self._outcomes[Outcome.SAME] += sum(rows for number, (rows, _) in stored.items() if number not in buckets)
        self._outcomes[Outcome.NOT_PROVABLE] += sum(rows for number, rows in others.items() if number not in buckets)
        return buckets

    def _walk(self, live: Iterator[Sequence[RowMapping]], shadow: Iterator[Sequence[RowMapping]]) -> None:
        """Walk through a table's rows and its shadow's, both in the order of the key, and judge each key."""
        stored, expected = chain.from_iterable(live), chain.from_iterable(shadow)
        row, wanted = next(stored, None), next(expected, None)
        while row is not None or wanted is not None:
            if wanted is None or (row is not None and key_of(self._table, row) < key_of(self._table, wanted)):
                assert row is not None
                self._add(Outcome.TOO_MANY if self._was_read(row) else Outcome.NOT_PROVABLE, row)
                row = next(stored, None)
            elif row is None or key_of(self._table, wanted) < key_of(self._table, row):
                self._add(Outcome.MISSING, wanted)
                wanted = next(expected, None)
            else:
                self._compare(row, wanted)
                row, wanted = next(stored, None), next(expected, None)

    def _compare(self, row: RowMapping, wanted: RowMapping) -> None:
        differing = [name for name in row if name not in LINEAGE_COLUMNS and row[name] != wanted[name]]
        columns = [name for name in differing if name not in self._named_before(row, wanted)]
        if not differing:
            self._add(Outcome.SAME, row)
        elif not columns or (version_of(row) > version_of(wanted) and not self._was_read(row)):
            self._add(Outcome.NOT_PROVABLE, row)
        else:
            self._add(Outcome.DIFFERS, row, columns)

    def _named_before(self, row: RowMapping, wanted: RowMapping) -> set[str]:
        """The columns that an event named which isn't in the part that was read: no event there names them later."""
        versions = named_columns(self._table).items()
        return {part for name, version in versions if row[version] > wanted[version] for part in (name, version)}

    def _add(self, outcome: Outcome, row: RowMapping, columns: Sequence[str] = ()) -> None:
        if outcome in FAULTS and self._is_being_erased(row, columns):
            outcome = Outcome.BEING_ERASED
        elif outcome in (Outcome.DIFFERS, Outcome.MISSING) and key_of(self._table, row) in self._claimed:
            outcome = Outcome.SEVERAL_PERSONS
        self._outcomes[outcome] += 1
        if outcome in FAULTS and len(self._faults) < FAULTS_SHOWN_MAX:
            coordinates = f"{self._topic}/{row['kafka_partition']}/{row['kafka_offset']}"
            self._faults.append(Verified(self._table.name, outcome, 1, coordinates, ", ".join(columns) or None))

    def _was_read(self, row: RowMapping) -> bool:
        """Whether the event that wrote the row is in the part of the log that was read."""
        part = self._ranges.get(row["kafka_partition"])
        return part is not None and part.from_offset <= row["kafka_offset"] < part.to_offset

    def _is_being_erased(self, row: RowMapping, columns: Sequence[str]) -> bool:
        """Whether the row, or any of these columns of it, goes with a person who is erased. Asked of the database as it
        is now: after the snapshot there may be more such persons than in it."""
        persons = {
            Person(about.kind, str(row[about.column]))
            for about in persons_of(self._table)
            if about.is_stored and (about.on_erasure is OnErasure.DELETE_ROW or set(columns) & set(about.emptied))
        }
        if not persons:
            return False
        with read_connection(self._database) as connection:
            marked = markers(connection, persons)
        return any(marker.covers(row["event_time"]) for marker in marked.values())


def _holds(part: Range, table: Table) -> ColumnElement[bool]:
    """Whether the event that wrote a row is in the range; `_was_read` of a row in the server."""
    offset = table.c.kafka_offset
    return and_(table.c.kafka_partition == part.partition, offset >= part.from_offset, offset < part.to_offset)
