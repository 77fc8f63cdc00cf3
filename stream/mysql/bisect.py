"""The records that only the database refuses, found by bisection: about 2·log₂ n statements for one among n.

Where a refused row had superseded others, the newest of them that the database takes is found at once: each of them
would else cost a round of its own over the whole slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection

from stream.declaration.tables import other_unique_columns, owner_of
from stream.errors import DataRefused, Reason, Rejection, Stage, TransactionConflict, Trouble
from stream.mysql.connection import answers, roll_back_to, set_savepoint
from stream.mysql.erased import Erased
from stream.mysql.send import send
from stream.mysql.tables import require_declared
from stream.records import Record
from stream.stages.compact import Accepted, Row, TableRows, superseded
from stream.stages.members import claimants_statement
from stream.stages.values import version_in

Refused = dict[int, tuple[Record, Rejection]]
"""By offset."""


def find_refused(
    connection: Connection,
    partition: int,
    tables: Sequence[TableRows],
    accepted: Sequence[Accepted],
    *,
    rewrites: bool = False,
) -> Refused:
    """The records of which the database refuses a row: of these tables' rows, made of the accepted events, and of those
    that take their places. Leaves no row behind. Raises TransactionConflict where the database refuses none of them
    now, so that the transaction is tried again, and DatabaseUnavailable where somebody changed a table so that it may
    refuse more than it should."""
    require_declared(connection, [table.feed.table for table in tables])
    refused: Refused = {}
    set_savepoint(connection, "before_trial")
    for table in tables:
        _Search(connection, partition, table, accepted, refused, rewrites).bisect(range(len(table.rows)))
    roll_back_to(connection, "before_trial")
    if not refused:
        raise TransactionConflict(Trouble.REFUSAL_NOT_REPEATED, 0)
    return refused


@dataclass
class _Search:
    """The search for the refused rows of one table."""

    connection: Connection
    partition: int
    table: TableRows
    accepted: Sequence[Accepted]
    refused: Refused
    """Those of all tables."""
    rewrites: bool

    def bisect(self, span: range) -> None:
        """Try a span of the rows; halve it where the database refuses any of them."""
        reason = self._refusal(self.table.rows[span.start : span.stop], self.table.records[span.start : span.stop])
        if reason is None:
            return
        if len(span) > 1:
            middle = span.start + len(span) // 2
            self.bisect(range(span.start, middle))
            self.bisect(range(middle, span.stop))
        else:
            self._refuse(self.table.records[span.start], reason)

    def _refuse(self, record: Record, reason: Reason) -> None:
        """Refuse a record, and those that would take its place, up to the first that the database takes."""
        self._reject(record, reason)
        waiting = self._superseded.get(record.offset, [])
        while waiting:
            lost = self._lost(waiting) if reason is Reason.CONFLICT else 0
            for _, other in waiting[:lost]:
                self._reject(other, reason)
            waiting = waiting[lost:]
            if not waiting or (next_reason := self._refusal([waiting[0][0]], [waiting[0][1]])) is None:
                return
            reason = next_reason
            self._reject(waiting[0][1], reason)
            waiting = waiting[1:]

    def _reject(self, record: Record, reason: Reason) -> None:
        # The first reason stays: rows that refer to this one are refused for its absence.
        self.refused.setdefault(record.offset, (record, Rejection(Stage.WRITE, reason)))

    def _refusal(self, some: list[Row], records: list[Record]) -> Reason | None:
        tried = TableRows(self.table.feed, some, records)
        spared, _ = Erased(self.connection, [tried]).spare(tried)
        set_savepoint(self.connection, "before_try")
        try:
            send(self.connection, self.table.feed.table, spared.rows, rewrites=self.rewrites)
        except DataRefused as error:
            roll_back_to(self.connection, "before_try")
            return error.reason
        return None  # the rows stay until the trial ends: they may be at odds with each other

    def _lost(self, waiting: Sequence[tuple[Row, Record]]) -> int:
        """The number of rows, from the first, that claim what another row has, as the one did whose place they take. A
        row of this slice is before them only where it is older."""
        table = self.table.feed.table
        if owner_of(table) is not None:  # they are all of one owner, who is not the row's
            return len(waiting)
        if not other_unique_columns(table):
            return 0
        rows_of_slice = {version_in(table, row) for row in self.table.rows}
        lost = set()
        for place, *holder in answers(self.connection, claimants_statement(table, [row for row, _ in waiting])):
            holds = tuple(holder)
            if holds not in rows_of_slice or holds < version_in(table, waiting[place][0]):
                lost.add(place)
        return next((place for place in range(len(waiting)) if place not in lost), len(waiting))

    @cached_property
    def _superseded(self) -> dict[int, list[tuple[Row, Record]]]:
        return superseded(self.accepted, self.partition, self.table)
