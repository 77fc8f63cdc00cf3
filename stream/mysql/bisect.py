"""The records that only the database refuses, found by bisection: about 2·log₂ n statements for one among n."""

from collections.abc import Sequence

from sqlalchemy import Connection

from stream.errors import DataRefused, Rejection, Stage, TransactionConflict, Trouble
from stream.mysql import rows
from stream.records import Record
from stream.stages.compact import TableRows

Refused = dict[int, tuple[Record, Rejection]]
"""By offset."""


def find_refused(
    connection: Connection, partition: int, tables: Sequence[TableRows], *, rewrites: bool = False
) -> Refused:
    """The records of which the database refuses a row. Leaves no row behind. Raises TransactionConflict where the
    database refuses none of them now, so that the transaction is tried again."""
    refused: Refused = {}
    trial = connection.begin_nested()
    for table in tables:
        _bisect(connection, partition, table, range(len(table.rows)), refused, rewrites)
    trial.rollback()
    if not refused:
        raise TransactionConflict(Trouble.REFUSAL_NOT_REPEATED, 0)
    return refused


def _bisect(
    connection: Connection, partition: int, table: TableRows, span: range, refused: Refused, rewrites: bool
) -> None:
    savepoint = connection.begin_nested()
    try:
        rows.send(connection, partition, table, table.rows[span.start : span.stop], rewrites)
    except DataRefused as error:
        savepoint.rollback()
        if len(span) == 1:
            record = table.records[span.start]
            # The first reason stays: rows that refer to this one are refused for its absence.
            refused.setdefault(record.offset, (record, Rejection(Stage.WRITE, error.reason)))
            return
        middle = span.start + len(span) // 2
        _bisect(connection, partition, table, range(span.start, middle), refused, rewrites)
        _bisect(connection, partition, table, range(middle, span.stop), refused, rewrites)
    else:
        savepoint.commit()  # stays until the trial ends: rows may be at odds with each other
