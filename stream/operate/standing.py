"""The place of each partition: what MySQL has applied, beside the log that the brokers have.

`stream lag`, `stream offsets`, `stream verify` and the brake of a replay are derived from this one question, and so is
the rule by which a partition stops.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from stream import moments
from stream.declaration.service_tables import PROGRESS
from stream.errors import StopReason
from stream.kafka.brokers import Brokers, Log, require_leaders
from stream.records import TopicPartition


@dataclass(frozen=True)
class Applied:
    """The progress of one partition, as MySQL has it."""

    topic_id: str
    next_offset: int
    """Everything before it is applied."""
    epoch: int
    owner: str
    """The client that claimed last."""
    complete_through: datetime | None


@dataclass(frozen=True)
class Place:
    """One partition's progress beside its log."""

    partition: TopicPartition
    log: Log
    applied: Applied | None
    """None: nothing was applied yet."""

    @property
    def stop_reason(self) -> StopReason | None:
        """The reason for which the partition can't go on by itself; None where it can."""
        if self.applied is None:
            return None
        if self.applied.topic_id != self.log.topic_id:
            return StopReason.TOPIC_RECREATED
        return stop_reason(self.applied.next_offset, self.log.low, self.log.high)

    @property
    def next_offset(self) -> int | None:
        """The next offset of this very log to apply; None where nothing of it was applied yet. A recreated topic's
        offsets have nothing to do with those that progress knows."""
        if self.applied is None or self.applied.topic_id != self.log.topic_id:
            return None
        return self.applied.next_offset


@dataclass(frozen=True)
class Places:
    """The places of partitions, in the order of topics and partitions."""

    known: Sequence[Place]
    leaderless: Mapping[TopicPartition, Applied | None]
    """Partitions without a leader: nobody knows where their logs begin and end."""

    def required(self) -> Sequence[Place]:
        """All of them. Raises KafkaUnavailable where any partition has no leader."""
        require_leaders(self.leaderless)
        return self.known

    def partitions(self) -> list[TopicPartition]:
        """All of them, those that have a leader first."""
        return [*(place.partition for place in self.known), *self.leaderless]

    def of(self, partitions: Collection[TopicPartition]) -> "Places":
        """Those of some partitions."""
        return Places(
            [place for place in self.known if place.partition in partitions],
            {each: stored for each, stored in self.leaderless.items() if each in partitions},
        )


def stop_reason(next_offset: int, low: int, high: int) -> StopReason | None:
    """The reason for which a partition can't go on at an offset, given its log's watermarks; None where it can. The
    third reason, a recreated topic, is told by the topic's id, whatever the offsets say."""
    if next_offset < low:
        return StopReason.RETENTION_OVERTOOK
    if next_offset > high:
        return StopReason.LOG_IS_SHORTER
    return None


def look(brokers: Brokers, connection: Connection, group_id: str, topics: Collection[str]) -> Places:
    """The places of all partitions that topics have now, in the order of topics and partitions. Progress is read before
    the logs, so that no lag is told too small, and no progress seems to be ahead of its log. Raises KafkaUnavailable,
    DatabaseUnavailable, and ConfigurationError where a topic doesn't exist."""
    stored = applied(connection, group_id, topics)
    logs = brokers.logs_or_none(topics)
    return Places(
        known=[Place(partition, log, stored.get(partition)) for partition, log in logs.items() if log],
        leaderless={partition: stored.get(partition) for partition, log in logs.items() if log is None},
    )


def applied(connection: Connection, group_id: str, topics: Collection[str]) -> dict[TopicPartition, Applied]:
    """The progress of a group's partitions, whoever owns them; those of which nothing was applied yet are left out."""
    own = PROGRESS.c
    columns = (own.topic_id, own.next_offset, own.owner_epoch, own.owner, own.complete_through)
    query = select(own.topic, own.kafka_partition, *columns).where(own.group_id == group_id, own.topic.in_(topics))
    return {TopicPartition(*row[:2]): Applied(*row[2:]) for row in connection.execute(query)}


class Lag(NamedTuple):
    """The distance of a partition's progress from its end: what `stream lag` and the metrics tell."""

    records: int
    """Offsets up to the end of the log. Records behind an open transaction count: they are not in the tables."""
    seconds: float | None
    """0 where nothing is left to apply, else the time since the moment through which the partition is complete; None
    where it never was."""


def lag(end_offset: int, next_offset: int, complete_through: datetime | None) -> Lag:
    """The lag, which is never negative: clocks differ."""
    records = max(0, end_offset - next_offset)
    if not records:
        return Lag(0, 0.0)
    if complete_through is None:
        return Lag(records, None)
    return Lag(records, max(0.0, (moments.now() - complete_through).total_seconds()))


@dataclass(frozen=True)
class PartitionLag:
    """The lag of one partition; `None` where nothing was applied yet."""

    topic: str
    partition: int
    end_offset: int | None
    """None, as the two lags, where the partition has no leader: nobody knows its end."""
    next_offset: int | None
    lag_records: int | None
    lag_seconds: float | None
    """0 where nothing is left to apply, else the time since `complete_through`."""
    complete_through: datetime | None
    owner: str | None


def lags(brokers: Brokers, connection: Connection, group_id: str, topics: Collection[str]) -> list[PartitionLag]:
    """The distance of each partition's progress from the end of its log; in the order, and with the errors, of `look`,
    but that partitions without a leader hide no others."""
    stored = applied(connection, group_id, topics)
    return [
        lag_of(partition, log.high if log else None, stored.get(partition))
        for partition, log in brokers.logs_or_none(topics).items()
    ]


def lag_of(partition: TopicPartition, end: int | None, stored: Applied | None) -> PartitionLag:
    """The distance of one partition's progress from an end."""
    next_offset, through = (stored.next_offset, stored.complete_through) if stored else (None, None)
    records, seconds = (None, None) if end is None else lag(end, next_offset or 0, through)
    rounded = None if seconds is None else round(seconds, 1)
    return PartitionLag(*partition, end, next_offset, records, rounded, through, stored.owner if stored else None)
