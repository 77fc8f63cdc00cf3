"""A server whose files can't grow: as on a full disk, a table gets no further page."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tests.databases import Database

MEGABYTE = 1024 * 1024
FILLER_FROM = 1_000_000_000
"""Ids that no event has."""

TABLE_IS_FULL = 1114

MOMENT = "'2026-01-01'"
FILLER = f"SELECT i, 1, 1, 5, REPEAT('🚌', 512), {MOMENT}, {MOMENT}, {MOMENT}, REPEAT('e', 16), 0, 0, {MOMENT} FROM n"
"""2 kB each."""


@contextmanager
def full_disk(database: Database) -> Iterator[None]:
    """No room for another page of user_rating.

    The server may not make a file longer than the longest that it has, and rows of ours take all of that; the
    server's own files stay within it, for a server that can't write those ends itself. Afterwards our rows are gone.
    """
    if database.flavour == "mysql":
        database.execute("FLUSH BINARY LOGS")  # the old one may be the longest
    pid = database.server.pid
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_longest_file(database.server.folder) + MEGABYTE, hard))
    try:
        with database._admin().connect() as connection:
            _fill(connection, database.flavour)
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        database.execute(f"DELETE FROM user_rating WHERE id >= {FILLER_FROM}")


def _longest_file(folder: Path) -> int:
    files = [one for one in folder.rglob("*") if one.is_file() and "binlog" not in one.name]
    return max(one.stat().st_size for one in files) // MEGABYTE * MEGABYTE


def _fill(connection: Connection, flavour: str) -> None:
    if flavour == "mysql":
        connection.exec_driver_sql("SET SESSION sql_log_bin = 0")  # else that would be the longest file
        connection.exec_driver_sql("SET SESSION cte_max_recursion_depth = 1000000")
    else:
        connection.exec_driver_sql("SET SESSION max_recursive_iterations = 1000000")
    connection.commit()
    first = FILLER_FROM
    for count in (2000, 100, 1):
        while _inserted(connection, first, count):
            first += count


def _inserted(connection: Connection, first: int, count: int) -> bool:
    """Whether so many rows found room."""
    numbers = f"WITH RECURSIVE n AS (SELECT {first} i UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {first + count})"
    try:
        connection.exec_driver_sql(f"INSERT INTO user_rating {numbers} {FILLER}")
    except DBAPIError as error:
        connection.rollback()
        if error.orig is None or error.orig.args[0] != TABLE_IS_FULL:
            raise
        return False
    connection.commit()
    return True
