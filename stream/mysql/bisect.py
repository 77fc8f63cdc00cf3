"""Writing a slice's rows, and finding the records that only the database refuses.

A refused statement is bisected down to the record at fault: about 2·log₂ n statements for one among n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from stream.declaration.persons import Person
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import sets_of
from stream.errors import DataRefused, Reason, Rejection, Stage, TransactionConflict, Trouble
from stream.mysql import erasure
from stream.mysql import touched as changes
from stream.mysql.connection import translated_errors
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.errnos import refusal_of_warning
from stream.mysql.progress import RecordCounts
from stream.mysql.touched import NEVER_LATE, Changes
from stream.records import Record, Slice
from stream.stages.compact import Compacted, Row, TableRows, compact
from stream.stages.decode import Decoded
from stream.stages.upsert import (
    RowCounts,
    absent_keys_statement,
    encoded,
    outdated_members_statement,
    row_counts,
    upsert_statement,
)

Refused = dict[int, tuple[Record, Rejection]]
"""By offset."""


@dataclass(slots=True)
class DecodedSlice:
    """A slice and what decoding made of it."""

    slice: Slice
    decoded: Decoded


@dataclass(slots=True)
class WrittenSlice:
    """What a transaction did with a slice."""

    slice: Slice
    records: RecordCounts
    rows: dict[str, RowCounts]
    """By table."""
    rejected: list[tuple[Record, Rejection]] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    """What is to be noted beside the rows, in the same transaction."""

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What is to be kept of the rejected records."""
        claim = self.slice.claim
        return [DeadLetter(claim.topic_id, claim.topic_partition, *rejected) for rejected in self.rejected]


Mark = Callable[[Connection, Sequence[tuple[Person, int]]], RowCounts]


def write_slice(
    connection: Connection, one: DecodedSlice, mark: Mark = erasure.mark, late_before: int = NEVER_LATE
) -> WrittenSlice:
    """Write a slice's rows within the caller's transaction; records that the database refuses are rejected.

    Then the slice is written again as a whole without them, for what a refused record had superseded takes its
    place. `mark` writes the markers of the persons whom records erase. Business dates are late before `late_before`
    (microseconds).
    """
    partition = one.slice.topic_partition.partition
    accepted, rejected = one.decoded.accepted, list(one.decoded.rejected)
    while True:
        compacted = compact(accepted)
        noted = Changes()
        savepoint = connection.begin_nested()
        try:
            # Markers first: rows of the same slice about an erased person are left out already.
            markers = mark(connection, compacted.erased)
            rows = {}
            for table in compacted.tables:
                before = changes.before(connection, table, late_before)
                rows[table.feed.table.name] = send(connection, partition, table, table.rows)
                noted |= changes.after(connection, before, rows[table.feed.table.name])
            for table in compacted.tables:
                delete_outdated_members(connection, table)
        except DataRefused:
            savepoint.rollback()
            refused = find_refused(connection, partition, compacted.tables)
            accepted = [each for each in accepted if each[0].offset not in refused]
            rejected += refused.values()
        else:
            savepoint.commit()
            if compacted.erased:
                rows[ERASURE.name] = markers
            return WrittenSlice(one.slice, _record_counts(compacted, len(rejected)), rows, rejected, noted)


def send(connection: Connection, partition: int, table: TableRows, rows: Sequence[Row]) -> RowCounts:
    """Send rows of one table.

    Raises DataRefused also where the server wrote them but warned, for then it bent a value to make it fit; so the
    caller sets a savepoint first.
    """
    counts = RowCounts()
    driver: Any = connection.connection.driver_connection
    with translated_errors(), driver.cursor() as cursor:
        for rows_json, row_count in encoded(rows):
            affected = cursor.execute(upsert_statement(table.feed.table, partition, rows_json))
            if cursor.warning_count:
                cursor.execute("SHOW WARNINGS")
                raise refusal_of_warning(cursor.fetchone())
            # PyMySQL keeps the server's reply under this private name only; a test pins it.
            counts += row_counts(row_count, cursor._result.message, affected)
        statement = absent_keys_statement(table.feed.table, rows)
        if statement is not None:
            cursor.execute(statement)
            if cursor.fetchone() != (0,):
                raise DataRefused(Reason.CONFLICT, 0)
    return counts


def delete_outdated_members(connection: Connection, parents: TableRows) -> None:
    """Delete members of sets that belong to another version of these parents, be it newer or older.

    So a set is replaced with its parent's version, in whichever order the versions come.
    """
    table = parents.feed.table
    driver: Any = connection.connection.driver_connection
    with translated_errors(), driver.cursor() as cursor:
        for members in sets_of(table):
            cursor.execute(outdated_members_statement(members, parents.rows))


def find_refused(connection: Connection, partition: int, tables: Sequence[TableRows]) -> Refused:
    """The records of which the database refuses a row. Leaves no row behind.

    Raises TransactionConflict where it refuses none of them now, so that the transaction is tried again.
    """
    refused: Refused = {}
    trial = connection.begin_nested()
    for table in tables:
        _bisect(connection, partition, table, range(len(table.rows)), refused)
    trial.rollback()
    if not refused:
        raise TransactionConflict(Trouble.REFUSAL_NOT_REPEATED, 0)
    return refused


def _bisect(connection: Connection, partition: int, table: TableRows, span: range, refused: Refused) -> None:
    savepoint = connection.begin_nested()
    try:
        send(connection, partition, table, table.rows[span.start : span.stop])
    except DataRefused as error:
        savepoint.rollback()
        if len(span) == 1:
            record = table.records[span.start]
            # The first reason stays: rows that refer to this one are refused for its absence.
            refused.setdefault(record.offset, (record, Rejection(Stage.WRITE, error.reason)))
            return
        middle = span.start + len(span) // 2
        _bisect(connection, partition, table, range(span.start, middle), refused)
        _bisect(connection, partition, table, range(middle, span.stop), refused)
    else:
        savepoint.commit()  # stays until the trial ends: rows may be at odds with each other


def _record_counts(compacted: Compacted, dead_lettered: int) -> RecordCounts:
    return RecordCounts(
        consumed=compacted.written_count + compacted.superseded_count + dead_lettered,
        written=compacted.written_count,
        superseded=compacted.superseded_count,
        dead_lettered=dead_lettered,
    )
