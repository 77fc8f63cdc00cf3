"""A slice to its rows: compact, then one statement a table, with exact counts; within the caller's transaction."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from stream.counts import RecordCounts, RowCounts
from stream.declaration.persons import OnErasure, Person
from stream.declaration.tables import persons_of, sets_of
from stream.errors import DataRefused, Reason, Rejection
from stream.mysql import touched
from stream.mysql.connection import answers, translated_errors
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.errnos import refusal_of_warning
from stream.mysql.markers import Marks
from stream.mysql.touched import Changes
from stream.records import Record, Slice
from stream.stages.compact import Compacted, Row, TableRows
from stream.stages.upsert import (
    absent_keys_statement,
    encoded,
    outdated_members_statement,
    row_counts,
    sent_names,
    upsert_statement,
)


@dataclass(slots=True)
class WrittenSlice:
    """The effect of a transaction on a slice."""

    slice: Slice
    records: RecordCounts
    rows: dict[str, RowCounts]
    """By table."""
    rejected: list[tuple[Record, Rejection]] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    """To be noted beside the rows, in the same transaction."""
    sent: Sequence[TableRows] = ()
    """The tables' rows that `rows` counts."""

    @property
    def suppressing(self) -> list[TableRows]:
        """The tables' rows among which some were of erased persons."""
        return [table for table in self.sent if self.rows[table.feed.table.name].suppressed]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The rejected records, as they are kept."""
        claim = self.slice.claim
        return [DeadLetter(claim.topic_id, claim.topic_partition, *rejected) for rejected in self.rejected]


Mark = Callable[[Connection, Marks, Marks], dict[str, RowCounts]]
"""Writes the markers of persons who were erased, and who came back, each with when; tells the counts by table."""


def upsert(
    connection: Connection, partition: int, compacted: Compacted, mark: Mark, late_before: int
) -> tuple[dict[str, RowCounts], Changes]:
    """Send all rows of a slice; the counts by table, and what is to be noted beside them. Business dates are late
    before `late_before` (microseconds). Raises DataRefused."""
    # Markers first: rows of the same slice about an erased person are left out already.
    rows = mark(connection, compacted.erased, compacted.returned)
    changes = Changes()
    for table in compacted.tables:
        name = table.feed.table.name
        before = touched.before(connection, table, late_before)
        rows[name] = send(connection, partition, table, table.rows)
        changes |= touched.after(connection, before, rows[name])
    # Members that belong to another version of these parents go, be it newer or older. So a set is replaced with its
    # parent's version, in whichever order the versions come.
    for table in compacted.tables:
        for members in sets_of(table.feed.table):
            answers(connection, outdated_members_statement(members, table.rows))
    return rows, changes


def persons_in(table: TableRows) -> Iterator[tuple[Person, Row]]:
    """The persons whose erasure leaves out a row of a table, each with the row."""
    names = sent_names(table.feed.table)
    for about in persons_of(table.feed.table):
        if about.on_erasure is OnErasure.DELETE_ROW:
            place = names.index(about.column)
            for row in table.rows:
                yield Person(about.kind, str(row[place])), row


def send(connection: Connection, partition: int, table: TableRows, rows: Sequence[Row]) -> RowCounts:
    """Send rows of one table. Raises DataRefused also where the server wrote the rows and warned, for then the server
    bent a value to make it fit. Therefore the caller sets a savepoint first."""
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
