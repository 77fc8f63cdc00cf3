"""Rollups: sums by the quarter of an hour, from which those of a day or an hour in any time zone are exact sums.

All time zones in use are multiples of 15 minutes away from UTC. A table feeds a rollup where it is declared
(`rolled_up`); each sum is over the rows whose business time lies in the period. A period that holds nothing has no
row. What keeps them true is `stream/mysql/rollups.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.dialects import mysql

from stream.declaration.streams import METADATA, TABLE_OPTIONS
from stream.declaration.types import BINARY_COLLATION

PERIOD_MINUTES = 15
PERIOD_MICROS = PERIOD_MINUTES * 60 * 1_000_000

Amount = mysql.DECIMAL(38, 2)


@dataclass(frozen=True, eq=False)
class Share:
    """What the rows of one table are in a rollup."""

    table: Table
    rollup: Table
    groups: Mapping[str, ColumnElement[Any]]
    """The rollup's further key columns, each with what it holds of a row."""
    sums: Mapping[str, ColumnElement[Any]]
    """The rollup's columns that this table fills, each with the aggregate of the rows."""
    where: ColumnElement[bool] | None
    """Which rows count; None for all."""


def rolled_up(
    table: Table,
    rollup: Table,
    *,
    groups: Mapping[str, ColumnElement[Any]] | None = None,
    where: ColumnElement[bool] | None = None,
    **sums: ColumnElement[Any],
) -> None:
    """Have the table's rows summed in a rollup by their business time; each keyword is a column of the rollup."""
    table.info["rollup"] = Share(table, rollup, groups or {}, sums, where)


def share_of(table: Table) -> Share | None:
    """What the table's rows are in a rollup; None where they are in none."""
    share: Share | None = table.info.get("rollup")
    return share


@cache
def shares_of(rollup: Table) -> list[Share]:
    """The tables that are summed in the rollup."""
    shares = [share_of(table) for table in METADATA.tables.values()]
    return [one for one in shares if one is not None and one.rollup is rollup]


def _rollup_table(name: str, *parts: Column[Any], comment: str) -> Table:
    start = Column("period_start", mysql.DATETIME(), primary_key=True, comment="a quarter of an hour begins (UTC)")
    return Table(name, METADATA, start, *parts, comment=comment, **TABLE_OPTIONS)


def _sum(name: str, kind: Any, comment: str) -> Column[Any]:
    return Column(name, kind, nullable=False, comment=comment)


PASSES = _rollup_table(
    "rollup_passes",
    _sum("passes", mysql.BIGINT(), "interactions with passes that were logged in the period"),
    comment="Interactions with Bytemark passes, by the quarter of an hour",
)

REVENUE = _rollup_table(
    "rollup_revenue",
    _sum("points", Amount, "points that users got; those that they spent are left out"),
    _sum("tokens", Amount, "tokens that users got; those that they spent are left out"),
    _sum("bytemark", Amount, "what was paid for orders of transit tickets, less what was paid back"),
    comment="Points, tokens and payments, by the quarter of an hour",
)

TRIPS = _rollup_table(
    "rollup_trips",
    Column(
        "travel_mode",
        mysql.VARCHAR(32, collation=BINARY_COLLATION),
        primary_key=True,
        comment="such as walking, transit or driving",
    ),
    _sum("trips", mysql.BIGINT(), "trips that began in the period"),
    _sum("distance_sum", mysql.DECIMAL(38, 3), "in metres; each trip's is rounded to a millimetre, so that sums agree"),
    _sum("distances", mysql.BIGINT(), "trips that have a distance: what an average divides by"),
    comment="Trips by mode of travel, by the quarter of an hour",
)

ROLLUPS = {one.name: one for one in (PASSES, REVENUE, TRIPS)}
