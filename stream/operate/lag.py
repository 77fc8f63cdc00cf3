"""Lag: how far MySQL's progress is behind the ends of the partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka.admin import AdminClient
from sqlalchemy import Engine, select

from stream import moments
from stream.declaration.service_tables import PROGRESS
from stream.kafka.source import end_offsets
from stream.mysql.connection import read_connection
from stream.records import TopicPartition


@dataclass(frozen=True)
class PartitionLag:
    """One partition; `None` where nothing was applied yet."""

    topic: str
    partition: int
    end_offset: int
    next_offset: int | None
    lag_records: int
    lag_seconds: float | None
    """0 where nothing is left to read, else the time since the last record that was applied."""
    complete_through: datetime | None
    owner: str | None


def partition_lags(admin: AdminClient, database: Engine, group_id: str, topics: Sequence[str]) -> list[PartitionLag]:
    """The lag of each partition, in the order of topics and partitions.

    Progress is read before the ends, so that the lag is never told too small.
    Raises KafkaUnavailable, DatabaseUnavailable, and ConfigurationError where a topic doesn't exist.
    """
    with read_connection(database) as connection:
        rows = connection.execute(
            select(PROGRESS).where(PROGRESS.c.group_id == group_id, PROGRESS.c.topic.in_(topics))
        ).all()
    applied = {TopicPartition(row.topic, row.kafka_partition): row for row in rows}
    lags = []
    for one, end in sorted(end_offsets(admin, topics).items()):
        row = applied.get(one)
        lag = max(0, end - (row.next_offset if row else 0))
        through = row.complete_through if row else None
        lags.append(
            PartitionLag(
                topic=one.topic,
                partition=one.partition,
                end_offset=end,
                next_offset=row.next_offset if row else None,
                lag_records=lag,
                lag_seconds=_lag_seconds(lag, through),
                complete_through=through,
                owner=row.owner if row else None,
            )
        )
    return lags


def _lag_seconds(lag_records: int, complete_through: datetime | None) -> float | None:
    if not lag_records:
        return 0.0
    if complete_through is None:
        return None
    return round((moments.now() - complete_through).total_seconds(), 1)
