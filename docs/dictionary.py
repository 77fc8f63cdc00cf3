"""The data dictionary: every table and column, from the declarations that migrations and rules come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import mysql

import stream.declaration.service_tables  # noqa: F401 - declares the service's own tables
from stream.catalog import METADATA, STREAMS
from stream.declaration.rollups import share_of
from stream.declaration.streams import (
    LINEAGE_COLUMNS,
    VERSION_COLUMNS,
    OnErasure,
    Person,
    business_time_of,
    persons_of,
)

SHARED = ("modified_on", *VERSION_COLUMNS, *LINEAGE_COLUMNS)
"""Columns that every table of events has, in one meaning."""


def dictionary() -> str:
    """The page."""
    lines = ["# Data dictionary\n", "Every table and column. MySQL has the same texts as comments.\n"]
    example = next(iter(STREAMS.values())).tables[0]
    lines += ["## In every table of events\n", *_columns(example.c[name] for name in SHARED)]
    described: set[str] = set()
    for topic, declared in STREAMS.items():
        lines.append(f"\n## Topic {topic}")
        for table in declared.tables:
            described.add(table.name)
            lines += [
                "",
                *_table(table),
                "",
                *_columns(column for column in table.columns if column.name not in SHARED),
            ]
    lines.append("\n## The service's own")
    for table in METADATA.sorted_tables:
        if table.name not in described:
            lines += ["", *_table(table), "", *_columns(table.columns)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"### {table.name}\n"
    yield f"{table.comment}."
    fed = [
        f"`{route.record_name}`"
        for stream in STREAMS.values()
        for route in stream.bound_routes
        if table.name in {feed.table.name for feed in route.feeds}
    ]
    if fed:
        yield f"It is fed by {', '.join(fed)}."
    business_time = business_time_of(table)
    if business_time is not None:
        yield f"Its business date is that of `{business_time.name}`."
    share = share_of(table)
    if share is not None:
        yield f"It is summed in `{share.rollup.name}`."
    for person in persons_of(table):
        yield f"{erasing(person)}."


def erasing(person: Person) -> str:
    """What the erasure of one of a table's persons does to a row."""
    whose = f"Erasing the {person.kind} person in `{person.column}`"
    if not person.is_stored:
        return f"Erasing the {person.kind} person whom the event names keeps the row out"
    if person.on_erasure is OnErasure.DELETE_ROW:
        return f"{whose} deletes the row"
    if not person.emptied:
        return f"{whose} keeps the row, with the bare id"
    return f"{whose} empties {', '.join(f'`{name}`' for name in person.emptied)}"


def _columns(columns: Any) -> Iterator[str]:
    yield "| column | type | null | key | meaning |"
    yield "|---|---|---|---|---|"
    for column in columns:
        null = "yes" if column.nullable else ""
        yield f"| `{column.name}` | {_type(column)} | {null} | {_key(column)} | {column.comment} |"


def _type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=mysql.dialect())).replace(" COLLATE utf8mb4_bin", ", compared as bytes")


def _key(column: Column[Any]) -> str:
    if column.primary_key:
        return "primary"
    if column.unique:
        return "unique"
    leads = any(next(iter(index.columns)) is column for index in column.table.indexes)
    return "index" if leads else ""
