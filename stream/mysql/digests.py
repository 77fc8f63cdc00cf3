"""Digests of a table's rows, made by the server: so two tables are compared without being read row by row.

The rows are shared out to buckets by their keys. A bucket's digest is the exclusive or of those of its rows: the same
rows give the same one, in whatever order, and others do but once in 2⁶⁴.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, cast, func, select
from sqlalchemy.dialects.mysql import BIGINT

from stream.declaration.tables import LINEAGE_COLUMNS

BUCKETS = 1024
"""So that a single fault lets a thousandth of the rows be read."""

Digest = tuple[int, int]
"""The number of rows, and their digest."""


def digests(connection: Connection, table: Table, which: ColumnElement[bool] | None = None) -> dict[int, Digest]:
    """The digest of each bucket that has any rows, or any of those asked for. Where a row came from does not count."""
    bucket = bucket_of(table)
    query = select(bucket, func.count(), func.bit_xor(_row_digest(table))).group_by(bucket)
    if which is not None:
        query = query.where(which)
    return {number: (rows, digest) for number, rows, digest in connection.execute(query)}


def row_counts(connection: Connection, table: Table, which: ColumnElement[bool]) -> dict[int, int]:
    """By bucket how many rows there are of those asked for."""
    bucket = bucket_of(table)
    rows = connection.execute(select(bucket, func.count()).where(which).group_by(bucket))
    return {number: int(count) for number, count in rows}


def differing(ours: dict[int, Digest], others: dict[int, Digest]) -> Collection[int]:
    """The buckets in which two tables are not the same."""
    return {number for number in ours.keys() | others.keys() if ours.get(number) != others.get(number)}


def bucket_of(table: Table) -> ColumnElement[int]:
    """The bucket of a row."""
    return func.crc32(func.concat_ws(",", *table.primary_key)) % BUCKETS


def _row_digest(table: Table) -> ColumnElement[int]:
    """64 bits of a row's SHA-256: MySQL has MD5 and SHA-1 no longer, and CRCs cancel out where values change places."""
    content = func.concat(*(_told(column) for column in table.columns if column.name not in LINEAGE_COLUMNS))
    return cast(func.conv(func.left(func.sha2(content, 256), 16), 16, 10), BIGINT(unsigned=True))


def _told(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A value with its length before it, so that no two rows read the same."""
    return func.ifnull(func.concat(func.length(column), ":", column), "-")
