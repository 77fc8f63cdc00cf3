"""A slice to its rows: compact, then the rows of each table, with exact counts; within the caller's transaction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table

from stream.counts import RecordCounts, RowCounts
from stream.declaration.tables import sets_of
from stream.errors import Rejection
from stream.mysql.connection import answers
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.erased import Erased
from stream.mysql.markers import Marks
from stream.mysql.part import write_part
from stream.mysql.touched import Changes
from stream.records import Record, Slice
from stream.stages.compact import Compacted, TableRows
from stream.stages.members import members_statement, outdated_members_statement, removed_members_statement
from stream.stages.values import keys_of


@dataclass(slots=True)
class Upserted:
    """The effect on the tables of a slice."""

    rows: dict[str, RowCounts]
    """By table."""
    changes: Changes = field(default_factory=Changes)
    """To be noted beside the rows, in the same transaction."""
    left_out: list[TableRows] = field(default_factory=list)
    """The rows of erased persons, which `rows` counts as suppressed."""


@dataclass(slots=True)
class WrittenSlice:
    """The effect of a transaction on a slice."""

    slice: Slice
    records: RecordCounts
    upserted: Upserted
    rejected: list[tuple[Record, Rejection]] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, RowCounts]:
        """By table."""
        return self.upserted.rows

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
) -> Upserted:
    """Write all rows of a slice. Business dates are late before `late_before` (microseconds). Where it `rewrites`, an
    equal version wins as well. Raises DataRefused."""
    # Markers first: rows of the same slice about an erased person are left out already.
    upserted = Upserted(mark(connection, compacted.erased, compacted.returned))
    erased = Erased(connection, compacted.tables)
    for table in compacted.tables:
        spared, left_out = erased.spare(table)
        counts = RowCounts(len(left_out.rows), suppressed=len(left_out.rows))
        for part in _parts(spared):
            written, changed = write_part(connection, partition, part, late_before, rewrites=rewrites)
            counts += written
            upserted.changes |= changed
        upserted.rows[table.feed.table.name] = counts
        upserted.left_out.append(left_out)
    # Members that belong to another version of these parents go, be it newer or older. So a set is replaced with its
    # parent's version, in whichever order the versions come.
    for table in compacted.tables:
        for members in sets_of(table.feed.table):
            for part in _parts(table):
                answers(connection, outdated_members_statement(members, part.rows))
                if rewrites:
                    _remove_unlisted(connection, members, part, compacted)
    return upserted


def _parts(table: TableRows) -> Iterator[TableRows]:
    for start in range(0, len(table.rows), ROWS_MAX):
        span = slice(start, start + ROWS_MAX)
        yield TableRows(table.feed, table.rows[span], table.records[span])


def _remove_unlisted(connection: Connection, members: Table, parents: TableRows, compacted: Compacted) -> None:
    """Remove the members of the sets of these versions that their events don't list, or don't list any more."""
    listed = {key for table in compacted.tables if table.feed.table is members for key in keys_of(members, table.rows)}
    stored = {tuple(key) for key in answers(connection, members_statement(members, parents.rows))}
    if unlisted := stored - listed:
        answers(connection, removed_members_statement(members, sorted(unlisted)))
