"""The two ways in which rows of a table reach the server, within the caller's transaction, with exact counts."""

from collections.abc import Sequence, Sized
from typing import Any

from sqlalchemy import Connection, Table

from stream.counts import RowCounts
from stream.declaration.tables import is_claiming
from stream.errors import DatabaseUnavailable, DataRefused
from stream.mysql.connection import roll_back_to, set_savepoint, translated_errors
from stream.mysql.errnos import refusal_of_warning
from stream.stages.compact import Row
from stream.stages.load import lines_of, load_statement
from stream.stages.upsert import row_counts, upsert_statement
from stream.stages.values import encoded

LOADED_ROWS_MIN = 100
"""With fewer rows to load, what the further statements cost is not made up for."""


def send(connection: Connection, table: Table, rows: Sequence[Row], *, rewrites: bool) -> RowCounts:
    """Upsert rows. Raises DataRefused also where the server wrote the rows and warned, for then the server bent a value
    to make it fit. Therefore the caller sets a savepoint first."""
    counts = RowCounts()
    if not rows:
        return counts
    driver: Any = connection.connection.driver_connection
    with translated_errors(), driver.cursor() as cursor:
        for rows_json, row_count in encoded(rows):
            affected = cursor.execute(upsert_statement(table, rows_json, rewrites=rewrites))
            if cursor.warning_count:
                cursor.execute("SHOW WARNINGS")
                raise refusal_of_warning(cursor.fetchone())
            # PyMySQL keeps the server's reply under this private name only; a test pins it.
            counts += row_counts(row_count, cursor._result.message, affected)
    return counts


def may_load(connection: Connection, table: Table) -> bool:
    """Whether rows of a table may be loaded where they are new. Not where their order counts."""
    driver: Any = connection.connection.driver_connection
    return driver.takes_lines and not is_claiming(table)


def is_worth_loading(rows: Sized) -> bool:
    return len(rows) >= LOADED_ROWS_MIN


def load(connection: Connection, table: Table, rows: Sequence[Row]) -> bool:
    """Load rows of which none is stored. False where nothing was done, so that they have to be upserted: the server
    would have passed over a row, or bent a value, or it takes no lines after all."""
    lines = lines_of(rows)
    if lines is None:
        return False
    driver: Any = connection.connection.driver_connection
    set_savepoint(connection, "before_load")
    try:
        with translated_errors():
            result = driver.load(load_statement(table), lines)
        is_whole = result.affected_rows == len(rows) and not result.warning_count
    except DataRefused:
        is_whole = False
    except DatabaseUnavailable:
        # A proxy may refuse it under any number. Where it is another trouble, what follows meets it as well.
        driver.takes_lines = is_whole = False
    if not is_whole:
        roll_back_to(connection, "before_load")
    return is_whole
