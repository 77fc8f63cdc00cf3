"""The place of each partition: what MySQL has applied, beside the log that the brokers have.

`stream lag`, `stream offsets`, `stream verify` and the brake of a replay are derived from this one question, and so is
the rule by which a partition stops.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from stream import moments
from stream.declaration.service_tables import PROGRESS
from stream.errors import StopReason
from stream.kafka.brokers import Brokers, Log
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


def stop_reason(next_offset: int, low: int, high: int) -> StopReason | None:
    """The reason for which a partition can't go on at an offset, given its log's watermarks; None where it can. The
    third reason, a recreated topic, is told by the topic's id, whatever the offsets say."""
    if next_offset < low:
        return StopReason.RETENTION_OVERTOOK
    if next_offset > high:
        return StopReason.LOG_IS_SHORTER
    return None


def look(brokers: Brokers, connection: Connection, group_id: str, topics: Collection[str]) -> list[Place]:
    """The places of all partitions that topics have now, in the order of topics and partitions. Progress is read before
    the logs, so that no lag is told too small, and no progress seems to be ahead of its log. Raises KafkaUnavailable,
    DatabaseUnavailable, and ConfigurationError where a topic doesn't exist."""
    own = PROGRESS.c
    columns = (own.topic_id, own.next_offset, own.owner_epoch, own.owner, own.complete_through)
    query = select(own.topic, own.kafka_partition, *columns).where(own.group_id == group_id, own.topic.in_(topics))
    applied = {TopicPartition(*row[:2]): Applied(*row[2:]) for row in connection.execute(query)}
    return [Place(partition, log, applied.get(partition)) for partition, log in brokers.logs(topics).items()]


@dataclass(frozen=True)
class PartitionLag:
    """The lag of one partition; `None` where nothing was applied yet."""

    topic: str
    partition: int
    end_offset: int
    next_offset: int | None
    lag_records: int
    lag_seconds: float | None
    """0 where nothing is left to read, else the time since the last record that was applied."""
    complete_through: datetime | None
    owner: str | None


def lag_of(place: Place) -> PartitionLag:
    """The distance of a partition's progress from the end that readers of committed records see."""
    end, applied = place.log.committed_end, place.applied
    next_offset, through, owner = None, None, None
    if applied is not None:
        next_offset, through, owner = applied.next_offset, applied.complete_through, applied.owner
    lag_records, lag_seconds = max(0, end - (next_offset or 0)), None
    if not lag_records:
        lag_seconds = 0.0
    elif through is not None:
        lag_seconds = round((moments.now() - through).total_seconds(), 1)
    return PartitionLag(*place.partition, end, next_offset, lag_records, lag_seconds, through, owner)
