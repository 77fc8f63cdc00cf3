"""Freshness: through which moment each table holds all that its topics do; what the view `freshness` says.

A partition is complete through the latest timestamp of the records that are applied, and, once progress has reached the
end that its topic had at some moment, through that moment (`progress.complete`). A table is complete through the
earliest of its partitions. Who feeds which table is in `table_feed`, for a view knows no catalog.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, column, select, table
from sqlalchemy.dialects.mysql import insert

from stream.catalog import STREAMS
from stream.declaration.rollups import share_of
from stream.declaration.service_tables import TABLE_FEED
from stream.mysql.views import View


@dataclass(frozen=True)
class Freshness:
    """The completeness of a table as to one topic that feeds it. Moments are UTC."""

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


VIEW = View(
    "freshness",
    """
    SELECT f.table_name, f.topic,
        IF(COUNT(p.complete_through) < GREATEST(f.partitions, COUNT(p.kafka_partition)), NULL,
            MIN(p.complete_through)) AS complete_through,
        f.partitions, COALESCE(MIN(d.waiting), 0) AS dead_letters_waiting, f.rollup,
        MIN(r.behind_since) AS rollup_behind_since
    FROM table_feed f
    LEFT JOIN (
        SELECT topic, kafka_partition, MAX(complete_through) AS complete_through FROM progress
        WHERE LEFT(group_id, 1) <> '(' AND LEFT(group_id, 7) <> 'replay:'
        GROUP BY topic, kafka_partition
    ) p ON p.topic = f.topic
    LEFT JOIN (
        SELECT topic, COUNT(*) AS waiting FROM dead_letter WHERE status = 'waiting' GROUP BY topic
    ) d ON d.topic = f.topic
    LEFT JOIN (SELECT rollup, MIN(touched_on) AS behind_since FROM rollup_touched GROUP BY rollup) r
        ON r.rollup = f.rollup
    GROUP BY f.table_name, f.topic, f.partitions, f.rollup
    """,
)

FRESHNESS = table(VIEW.name, *(column(name) for name in Freshness.__dataclass_fields__))


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
    renewed = {name: statement.inserted[name] for name in ("partitions", "rollup")}
    connection.execute(statement.on_duplicate_key_update(renewed), feeds)


def freshness(connection: Connection) -> list[Freshness]:
    """The rows of the view, in the order of tables and topics."""
    rows = connection.execute(select(FRESHNESS).order_by(FRESHNESS.c.table_name, FRESHNESS.c.topic)).mappings()
    return [Freshness(**row) for row in rows]
