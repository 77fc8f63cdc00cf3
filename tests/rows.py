"""Rows put into tables directly, for tests of what reads them: also rows that no event would bring."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from stream.catalog import METADATA
from stream.declaration.tables import named_columns

MOMENT = datetime(2026, 5, 28, 20, 26, 40)
"""The moment of all that a test gives no other moment."""

Row = Mapping[str, Any]

_OFFSETS = itertools.count(1)


def insert(connection: Connection, table_name: str, rows: Sequence[Row]) -> None:
    """Put rows into a table; what they don't say of the columns that every table has is made up."""
    if rows:
        connection.execute(METADATA.tables[table_name].insert(), [_complete(table_name, row) for row in rows])


def _complete(table_name: str, row: Row) -> Row:
    offset = next(_OFFSETS)
    moments = dict.fromkeys(("created_on", "modified_on", "event_time", "loaded_on"), MOMENT)
    unnamed = dict.fromkeys(named_columns(METADATA.tables[table_name]).values(), bytes(24))
    return {**moments, **unnamed, "event_id": offset.to_bytes(16), "kafka_partition": 0, "kafka_offset": offset, **row}
