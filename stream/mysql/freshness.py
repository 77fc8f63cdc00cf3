"""Freshness: through which moment each table holds all that its topics do; what the view `freshness` says.

A partition is complete through the latest timestamp of the records that are applied, and, once progress has reached the
end that its topic had at some moment, through that moment (`progress.complete`). A table is complete through the
earliest of its partitions. Who feeds which table is in `table_feed`, for a view knows no catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, column, select, table
from sqlalchemy.dialects.mysql import insert

from stream.catalog import STREAMS
from stream.declaration.rollups import share_of
from stream.declaration.service_tables import TABLE_FEED


@dataclass(frozen=True)
class Freshness:
    """How complete a table is as to one topic that feeds it. Moments are UTC."""

    table_name: str
    topic: str
    complete_through: datetime | None
    """None while any partition was never applied."""
    partitions: int
    dead_letters_waiting: int
    """Rejected records of the topic: it is complete without them, and their rows are missing."""
    rollup: str | None
    rollup_behind_since: datetime | None
    """Since when rows wait to be summed in the rollup; None where none do."""


VIEW = table("freshness", *(column(name) for name in Freshness.__dataclass_fields__))


def declare_feeds(connection: Connection, partitions: Mapping[str, int]) -> None:
    """Note which tables some topics feed, each topic with its number of partitions."""
    statement = insert(TABLE_FEED)
    feeds = [
        {
            "table_name": str(fed.name),
            "topic": topic,
            "partitions": count,
            "rollup": None if (share := share_of(fed)) is None else str(share.rollup.name),
        }
        for topic, count in partitions.items()
        for fed in STREAMS[topic].tables
    ]
    connection.execute(
        statement.on_duplicate_key_update(partitions=statement.inserted.partitions, rollup=statement.inserted.rollup),
        feeds,
    )


def freshness(connection: Connection) -> list[Freshness]:
    """What the view says, in the order of tables and topics."""
    rows = connection.execute(select(VIEW).order_by(VIEW.c.table_name, VIEW.c.topic)).mappings()
    return [Freshness(**row) for row in rows]
