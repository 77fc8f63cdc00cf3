"""The rows of slices, table by table, with exact counts for each slice; within the caller's transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table

from stream.counts import RecordCounts, RowCounts
from stream.declaration.tables import sets_of
from stream.errors import Rejection
from stream.mysql.connection import answers
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.erased import Erased
from stream.mysql.markers import Marks
from stream.mysql.part import is_separable, write_part
from stream.mysql.touched import Changes
from stream.records import Record, Slice
from stream.stages.compact import Compacted, Row, TableRows
from stream.stages.members import members_statement, outdated_members_statement, removed_members_statement
from stream.stages.values import keys_of


@dataclass(slots=True)
class Upserted:
    """The effect on the tables of a slice."""

    rows: dict[str, RowCounts]
    """By table."""
    changes: Changes = field(default_factory=Changes)
    """To be noted beside the rows, in the same transaction. Those of rows that were written together stand with the
    first slice that has some of them."""
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

Numbered = tuple[int, TableRows]
"""Rows of a table, with the number of the slice that they come from."""


def upsert(
    connection: Connection, slices: Sequence[Compacted], mark: Mark, late_before: int, *, rewrites: bool = False
) -> list[Upserted]:
    """Write all rows of slices, those of a table together: a statement costs as much as a hundred rows. Business dates
    are late before `late_before` (microseconds). Where it `rewrites`, an equal version wins as well. Raises
    DataRefused, and Inseparable where there are several slices."""
    # Markers first: rows about an erased person are left out already.
    upserted = [Upserted(mark(connection, each.erased, each.returned)) for each in slices]
    by_table: dict[str, list[Numbered]] = {}
    for number, each in enumerate(slices):
        for table in each.tables:
            by_table.setdefault(table.feed.table.name, []).append((number, table))
    erased = Erased(connection, [table for each in slices for table in each.tables])
    for name, tables in by_table.items():
        spared = []
        for number, table in tables:
            kept, left_out = erased.spare(table)
            spared.append((number, kept))
            upserted[number].left_out.append(left_out)
            upserted[number].rows[name] = RowCounts(len(left_out.rows), suppressed=len(left_out.rows))
        for part in _parts(spared, are_together=is_separable(tables[0][1].feed.table, rewrites=rewrites)):
            counts, changes = write_part(connection, [rows for _, rows in part], late_before, rewrites=rewrites)
            for (number, _), written in zip(part, counts, strict=True):
                upserted[number].rows[name] += written
            upserted[part[0][0]].changes |= changes
    for tables in by_table.values():
        _replace_sets(connection, tables, slices, rewrites=rewrites)
    return upserted


def _parts(tables: Iterable[Numbered], *, are_together: bool) -> Iterator[list[Numbered]]:
    """A table's rows, as many at a time as a statement may name: of several slices, or of one each."""
    part: list[Numbered] = []
    for number, table in tables:
        for start in range(0, len(table.rows), ROWS_MAX):
            span = slice(start, start + ROWS_MAX)
            rows = TableRows(table.feed, table.rows[span], table.records[span])
            is_full = sum(len(other.rows) for _, other in part) + len(rows.rows) > ROWS_MAX
            if part and (is_full or not are_together):
                yield part
                part = []
            part.append((number, rows))
    if part:
        yield part


def _replace_sets(
    connection: Connection, parents: Sequence[Numbered], slices: Sequence[Compacted], *, rewrites: bool
) -> None:
    """Members that belong to another version of these parents go, be it newer or older. So a set is replaced with its
    parent's version, in whichever order the versions come."""
    for members in sets_of(parents[0][1].feed.table):
        for part in _parts(parents, are_together=not rewrites):
            rows = [row for _, table in part for row in table.rows]
            answers(connection, outdated_members_statement(members, rows))
            if rewrites:
                _remove_unlisted(connection, members, rows, slices[part[0][0]])


def _remove_unlisted(connection: Connection, members: Table, parents: Sequence[Row], compacted: Compacted) -> None:
    """Remove the members of the sets of these versions that their events don't list, or don't list any more."""
    listed = {key for table in compacted.tables if table.feed.table is members for key in keys_of(members, table.rows)}
    stored = {tuple(key) for key in answers(connection, members_statement(members, parents))}
    if unlisted := stored - listed:
        answers(connection, removed_members_statement(members, sorted(unlisted)))
