"""Late changes: which data sets hold dates that changed after the dashboards' look-back window had passed them.

A data set is a table, a rollup, or a view; a view over a table that changed has changed as well, however many views
lie between.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select, text

from stream import moments
from stream.catalog import ROLLUPS
from stream.declaration.rollups import shares_of
from stream.declaration.service_tables import LATE_CHANGE


@dataclass(frozen=True)
class LateDataSet:
    """A data set whose refresh has to look back further, once."""

    data_set: str
    kind: str
    """table, rollup or view."""
    look_back_days: int
    """The days that a refresh has to look back to see all of these changes."""
    earliest_date: date
    latest_date: date
    changes: int
    """Rows that changed in the tables beneath."""
    last_changed_on: datetime


def late_data_sets(connection: Connection, since: datetime | None = None) -> list[LateDataSet]:
    """The data sets with late dates that changed at `since` (UTC, without a zone) or after it, by their names."""
    tables = {late.data_set: late for late in _late_tables(connection, since)}
    summed = {name: {str(share.table.name) for share in shares_of(rollup)} for name, rollup in ROLLUPS.items()}
    sources = {**_views(connection), **summed}
    data_sets = list(tables.values())
    for name in sources:
        parts = [tables[table] for table in _beneath(name, sources) & tables.keys()]
        if parts:
            data_sets.append(_together(name, "rollup" if name in summed else "view", parts))
    return sorted(data_sets, key=lambda late: late.data_set)


def _late_tables(connection: Connection, since: datetime | None) -> list[LateDataSet]:
    query = select(
        LATE_CHANGE.c.table_name,
        func.min(LATE_CHANGE.c.business_date),
        func.max(LATE_CHANGE.c.business_date),
        func.sum(LATE_CHANGE.c.changes),
        func.max(LATE_CHANGE.c.last_changed_on),
    ).group_by(LATE_CHANGE.c.table_name)
    if since is not None:
        query = query.where(LATE_CHANGE.c.last_changed_on >= since)
    today = moments.now().date()
    return [
        LateDataSet(name, "table", (today - earliest).days, earliest, latest, int(changes), last)
        for name, earliest, latest, changes, last in connection.execute(query)
    ]


def _together(name: str, kind: str, parts: list[LateDataSet]) -> LateDataSet:
    return LateDataSet(
        name,
        kind,
        max(part.look_back_days for part in parts),
        min(part.earliest_date for part in parts),
        max(part.latest_date for part in parts),
        sum(part.changes for part in parts),
        max(part.last_changed_on for part in parts),
    )


def _views(connection: Connection) -> dict[str, set[str]]:
    """The names in each view: tables, views, and columns, which are not told apart here. The server keeps a view's text
    with every name in backticks. MySQL has a table of what views use, MariaDB has none."""
    query = text("SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()")
    return {name: set(re.findall(r"`([^`]+)`", definition or "")) for name, definition in connection.execute(query)}


def _beneath(name: str, sources: Mapping[str, set[str]]) -> set[str]:
    """All that a data set is made of, directly or through others."""
    beneath: set[str] = set()
    left = {name}
    while left:
        left = set().union(*(sources.get(each, set()) for each in left)) - beneath
        beneath |= left
    return beneath
