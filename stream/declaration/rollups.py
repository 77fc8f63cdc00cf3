"""Rollups: sums by the quarter of an hour, from which those of a day or an hour in any time zone are exact sums.

All time zones in use are multiples of 15 minutes away from UTC. A table feeds a rollup where it is declared
(`rolled_up`); each sum is over the rows whose business time lies in the period. A period that holds nothing has no
row. What keeps them true is `stream/mysql/rollups.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.dialects import mysql

from stream.declaration.tables import METADATA, TABLE_OPTIONS, business_time_of
from stream.errors import DeclarationError

PERIOD_MINUTES = 15
PERIOD_MICROS = PERIOD_MINUTES * 60 * 1_000_000

Count = Annotated[int, Meta(extra={"sql": mysql.BIGINT()})]
"""The number of a period's rows."""

Sum = Annotated[Decimal, Meta(extra={"sql": mysql.DECIMAL(38, 2)})]
"""The sum of amounts, exact."""

MetresSum = Annotated[Decimal, Meta(extra={"sql": mysql.DECIMAL(38, 3)})]
"""The sum of distances, each rounded to a millimetre."""


@dataclass(frozen=True, eq=False)
class Share:
    """The part that the rows of a table have in a rollup."""

    table: Table
    rollup: Table
    groups: Mapping[str, ColumnElement[Any]]
    """The rollup's further key columns, each with the expression of a row that it holds."""
    sums: Mapping[str, ColumnElement[Any]]
    """The rollup's columns that this table fills, each with the aggregate of the rows."""
    where: ColumnElement[bool] | None
    """The condition of the rows that count; None for all."""


def rolled_up(
    table: Table,
    rollup: Table,
    *,
    groups: Mapping[str, ColumnElement[Any]] | None = None,
    where: ColumnElement[bool] | None = None,
    **sums: ColumnElement[Any],
) -> None:
    """Have the table's rows summed in a rollup by their business time; each keyword is a column of the rollup."""
    if business_time_of(table) is None:
        raise DeclarationError(f"{table.name} has no business time by which {rollup.name} could sum it")
    keys = {column.name for column in rollup.primary_key} - {"period_start"}
    unknown = sums.keys() - {column.name for column in rollup.columns if not column.primary_key}
    if unknown or keys != set(groups or ()):
        raise DeclarationError(f"{rollup.name} lacks the sums {sorted(unknown)}, or is not grouped by {sorted(keys)}")
    table.info["rollup"] = Share(table, rollup, groups or {}, sums, where)


def share_of(table: Table) -> Share | None:
    """The part that the table's rows have in a rollup; None where they are in none."""
    share: Share | None = table.info.get("rollup")
    return share


@cache
def shares_of(rollup: Table) -> list[Share]:
    """The tables that are summed in the rollup."""
    shares = [share_of(table) for table in METADATA.tables.values()]
    return [share for share in shares if share is not None and share.rollup is rollup]


def rollup_table(name: str, *parts: Column[Any], comment: str) -> Table:
    """A table of sums by the quarter of an hour; its further key columns go before the sums."""
    start = Column("period_start", mysql.DATETIME(), primary_key=True, comment="a quarter of an hour begins (UTC)")
    return Table(name, METADATA, start, *parts, comment=comment, **TABLE_OPTIONS)
