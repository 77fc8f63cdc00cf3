"""Where partitions go on after the log changed under them: found out here, and decided by an operator."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient
from sqlalchemy import Engine, func, select, update

from stream.declaration.service_tables import PROGRESS
from stream.errors import StopReason, TerminalError
from stream.kafka.source import offset_ranges, topic_ids
from stream.mysql.connection import read_connection, translated_errors
from stream.records import TopicPartition


@dataclass(frozen=True)
class Acceptance:
    """A partition that can't go on by itself, and how it would."""

    partition: TopicPartition
    reason: StopReason
    stored_offset: int
    log_begins: int
    log_ends: int
    goes_on_at: int
    records_never_applied_max: int
    """Offsets that are gone from the log and were never applied; gaps among them held no record."""
    topic_id: str


def acceptances(admin: AdminClient, database: Engine, group_id: str, topics: Sequence[str]) -> list[Acceptance]:
    """The partitions whose progress doesn't fit their log.

    Raises KafkaUnavailable, DatabaseUnavailable, and ConfigurationError where a topic doesn't exist.
    """
    ids = topic_ids(admin, topics)
    ranges = offset_ranges(admin, topics)
    query = select(PROGRESS).where(PROGRESS.c.group_id == group_id, PROGRESS.c.topic.in_(topics))
    with read_connection(database) as connection:
        rows = connection.execute(query.order_by("topic", "kafka_partition")).all()
    found = []
    for row in rows:
        one = TopicPartition(row.topic, row.kafka_partition)
        if one not in ranges:
            continue
        low, high = ranges[one]
        reason = stop_reason(row.next_offset, low, high, is_same_topic=row.topic_id == ids[row.topic])
        if reason is not None:
            lost = max(0, low - (row.next_offset if reason is StopReason.RETENTION_OVERTOOK else 0))
            found.append(Acceptance(one, reason, row.next_offset, low, high, low, lost, ids[row.topic]))
    return found


def stop_reason(stored: int, low: int, high: int, *, is_same_topic: bool) -> StopReason | None:
    """Why a partition can't go on at the stored offset; None where it can."""
    if not is_same_topic:
        return StopReason.TOPIC_RECREATED
    if stored < low:
        return StopReason.RETENTION_OVERTOOK
    if stored > high:
        return StopReason.LOG_IS_SHORTER
    return None


def accept(database: Engine, group_id: str, accepted: Collection[Acceptance]) -> None:
    """Let partitions go on where the plan says; a running service notices within seconds.

    Events that are read again change nothing. Raises TerminalError where progress moved since the plan was made.
    """
    with translated_errors(), database.begin() as connection:
        for one in accepted:
            as_planned = (
                (PROGRESS.c.group_id == group_id)
                & (PROGRESS.c.topic == one.partition.topic)
                & (PROGRESS.c.kafka_partition == one.partition.partition)
                & (PROGRESS.c.next_offset == one.stored_offset)
            )
            values = {
                "next_offset": one.goes_on_at,
                "topic_id": one.topic_id,
                "owner_epoch": PROGRESS.c.owner_epoch + 1,  # fences whoever still writes from the old place
                "updated_on": func.utc_timestamp(6),
            }
            if connection.execute(update(PROGRESS).where(as_planned).values(values)).rowcount != 1:
                raise TerminalError(f"{one.partition} moved meanwhile: look at the plan again; nothing was changed")
