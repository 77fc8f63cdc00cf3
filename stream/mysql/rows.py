"""A slice to its rows: compact, then one statement a table, with exact counts; within the caller's transaction."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table

from stream.counts import RecordCounts, RowCounts
from stream.declaration.persons import OnErasure, Person
from stream.declaration.tables import persons_of, sets_of
from stream.errors import Rejection
from stream.mysql import touched
from stream.mysql.connection import answers, translated_errors
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.errnos import refusal_of_warning
from stream.mysql.markers import Marks
from stream.mysql.touched import Changes
from stream.records import Record, Slice
from stream.stages.compact import Compacted, Row, TableRows
from stream.stages.upsert import (
    encoded,
    members_statement,
    outdated_members_statement,
    removed_members_statement,
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


ROWS_MAX = 10_000
"""Rows whose keys one statement names: a key has up to 256 characters of 4 bytes, and a packet at least 16 MiB."""

Mark = Callable[[Connection, Marks, Marks], dict[str, RowCounts]]
"""Writes the markers of persons who were erased, and who came back, each with when; tells the counts by table."""


def upsert(
    connection: Connection,
    partition: int,
    compacted: Compacted,
    mark: Mark,
    late_before: int,
    *,
    rewrites: bool = False,
) -> tuple[dict[str, RowCounts], Changes]:
    """Send all rows of a slice; the counts by table, and what is to be noted beside them. Business dates are late
    before `late_before` (microseconds). Where it `rewrites`, an equal version wins as well. Raises DataRefused."""
    # Markers first: rows of the same slice about an erased person are left out already.
    rows = mark(connection, compacted.erased, compacted.returned)
    changes = Changes()
    for table in compacted.tables:
        name = table.feed.table.name
        rows[name] = RowCounts()
        for part in _parts(table):
            before = touched.before(connection, part, late_before, rewrites=rewrites)
            counts = send(connection, partition, part, part.rows, rewrites)
            changes |= touched.after(connection, before, counts)
            rows[name] += counts
    # Members that belong to another version of these parents go, be it newer or older. So a set is replaced with its
    # parent's version, in whichever order the versions come.
    for table in compacted.tables:
        for members in sets_of(table.feed.table):
            for part in _parts(table):
                answers(connection, outdated_members_statement(members, part.rows))
                if rewrites:
                    _remove_unlisted(connection, members, part, compacted)
    return rows, changes


def persons_in(table: TableRows) -> Iterator[tuple[Person, Row]]:
    """The persons whose erasure leaves out a row of a table, each with the row."""
    names = sent_names(table.feed.table)
    for about in persons_of(table.feed.table):
        if about.on_erasure is OnErasure.DELETE_ROW:
            place = names.index(about.column)
            for row in table.rows:
                yield Person(about.kind, str(row[place])), row


def _parts(table: TableRows) -> Iterator[TableRows]:
    for start in range(0, len(table.rows), ROWS_MAX):
        span = slice(start, start + ROWS_MAX)
        yield TableRows(table.feed, table.rows[span], table.records[span])


def _remove_unlisted(connection: Connection, members: Table, parents: TableRows, compacted: Compacted) -> None:
    """Remove the members of the sets of these versions that their events don't list, or don't list any more."""
    places = [sent_names(members).index(column.name) for column in members.primary_key]
    listed = {
        tuple(row[place] for place in places)
        for table in compacted.tables
        if table.feed.table is members
        for row in table.rows
    }
    stored = {tuple(key) for key in answers(connection, members_statement(members, parents.rows))}
    if unlisted := stored - listed:
        answers(connection, removed_members_statement(members, sorted(unlisted)))


def send(
    connection: Connection, partition: int, table: TableRows, rows: Sequence[Row], rewrites: bool = False
) -> RowCounts:
    """Send rows of one table. Raises DataRefused also where the server wrote the rows and warned, for then the server
    bent a value to make it fit. Therefore the caller sets a savepoint first."""
    counts = RowCounts()
    driver: Any = connection.connection.driver_connection
    with translated_errors(), driver.cursor() as cursor:
        for rows_json, row_count in encoded(rows):
            affected = cursor.execute(upsert_statement(table.feed.table, partition, rows_json, rewrites=rewrites))
            if cursor.warning_count:
                cursor.execute("SHOW WARNINGS")
                raise refusal_of_warning(cursor.fetchone())
            # PyMySQL keeps the server's reply under this private name only; a test pins it.
            counts += row_counts(row_count, cursor._result.message, affected)
    return counts
