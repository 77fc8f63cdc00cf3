"""Offsets as an operator sees and moves them: where each partition stands, and where it is to go on instead.

MySQL's progress is what counts; Kafka's committed offset only follows. What is read again changes no row, for the
version guard knows each event; what is skipped is never applied. The ledger of records counts what was read, as often
as it was read: table `offset_reset` says what was read twice or not at all, so that the two add up to the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka import ConsumerGroupTopicPartitions as GroupPartitions
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from stream.declaration.service_tables import OFFSET_RESET, PROGRESS
from stream.errors import DataRefused, TerminalError
from stream.kafka.source import (
    REQUEST_TIMEOUT_SECONDS,
    KafkaUnavailable,
    describe_group,
    end_offsets,
    offset_ranges,
    offsets_at,
    topic_ids,
)
from stream.mysql.connection import read_connection, translated_errors
from stream.operate.offsets import stop_reason
from stream.records import TopicPartition

OWNER = "stream offsets reset"


class State(StrEnum):
    """What a partition is at, where nothing stops it (then it is the `StopReason`)."""

    HELD = "held"
    """A member of the group has it."""
    FREE = "free"
    """No member has it now."""


@dataclass(frozen=True)
class PartitionOffsets:
    """Where one partition stands; `None` where nothing was applied, or told to Kafka, yet."""

    topic: str
    partition: int
    progress: int | None
    committed: int | None
    """What Kafka was told; it may be a second behind."""
    earliest: int
    latest: int
    lag_records: int
    owner: str | None
    """Who claimed it last."""
    state: str
    """A `State`, or the reason why it stops."""


@dataclass(frozen=True)
class Reset:
    """A partition's new place, and what that means."""

    topic: str
    partition: int
    from_offset: int | None
    to_offset: int
    read_again_max: int
    """Records that are applied and will be read again; gaps among their offsets held none."""
    skipped_max: int
    """Records that are in the log and will never be applied."""
    note: str | None
    topic_id: str
    epoch: int | None
    """As it was when the plan was made."""


@dataclass(frozen=True)
class Target:
    """Where partitions are to go on; exactly one is given. The names are those of kafka-consumer-groups."""

    to_earliest: bool = False
    to_latest: bool = False
    to_offset: int | None = None
    to_datetime: datetime | None = None
    shift_by: int | None = None

    @property
    def is_one(self) -> bool:
        """Whether exactly one is given."""
        numbers = (self.to_offset, self.to_datetime, self.shift_by)
        return self.to_earliest + self.to_latest + sum(one is not None for one in numbers) == 1


def partition_offsets(
    admin: AdminClient, database: Engine, group_id: str, topics: Sequence[str]
) -> list[PartitionOffsets]:
    """Where each partition stands.

    Raises KafkaUnavailable, DatabaseUnavailable, and ConfigurationError where a topic doesn't exist.
    """
    stored = _stored(database, group_id, topics)
    ids = topic_ids(admin, topics)
    ranges = offset_ranges(admin, topics)
    committed = _committed(admin, group_id, list(ranges))
    held = {one for partitions in _members(describe_group(admin, group_id)).values() for one in partitions}
    found = []
    for one, (low, high) in sorted(ranges.items()):
        row = stored.get(one)
        stop = stop_reason(row.next_offset, low, high, is_same_topic=row.topic_id == ids[one.topic]) if row else None
        state = stop or (State.HELD if one in held else State.FREE)
        applied = row.next_offset if row else None
        lag = max(0, high - (low if applied is None else max(applied, low)))
        owner = row.owner if row else None
        found.append(PartitionOffsets(*one, applied, committed.get(one), low, high, lag, owner, state.value))
    return found


def _members(group: Any) -> dict[str, list[TopicPartition]]:
    """Who is in a group that was described, as `client on host`, with the partitions that each has."""
    return {
        f"{member.group_instance_id or member.client_id} on {member.host.lstrip('/')} ({member.member_id})": [
            TopicPartition(one.topic, one.partition) for one in member.assignment.topic_partitions
        ]
        for member in group.members
    }


def require_inactive(admin: AdminClient, group_id: str) -> None:
    """Raises TerminalError while anybody is in the group: they would go on from where they are."""
    group = describe_group(admin, group_id)
    found = _members(group)
    if found or group.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        who = ", ".join(sorted(found)) or "somebody who joins or leaves just now"
        raise TerminalError(f"group {group_id} is active: stop every `stream run` first. In it: {who}")


def plan(
    admin: AdminClient, database: Engine, group_id: str, partitions: Collection[TopicPartition], target: Target
) -> list[Reset]:
    """Where the partitions would go on; those that already stand there are left out.

    Raises KafkaUnavailable, DatabaseUnavailable, ConfigurationError where a topic doesn't exist, and TerminalError
    where a partition doesn't.
    """
    topics = sorted({one.topic for one in partitions})
    stored, ids, ranges = _stored(database, group_id, topics), topic_ids(admin, topics), offset_ranges(admin, topics)
    absent = sorted(str(one) for one in partitions if one not in ranges)
    if absent:
        raise TerminalError(f"no such partition: {', '.join(absent)}; `stream offsets show` lists them")
    ends = end_offsets(admin, topics)  # an open transaction's records are not skipped: they come later
    at = offsets_at(admin, partitions, target.to_datetime) if target.to_datetime else {}
    resets = []
    for one in sorted(partitions):
        row = stored.get(one)
        # A recreated topic's offsets have nothing to do with those that we know.
        known = row.next_offset if row is not None and row.topic_id == ids[one.topic] else None
        (low, _), end = ranges[one], ends[one]
        wanted = _wanted(target, low, end, low if known is None else known, at.get(one))
        to = min(max(wanted, low), end)
        if known == to:
            continue
        start = low if known is None else known
        note = None if to == wanted else f"{wanted} is outside the log ({low} to {end})"
        again, skipped = max(0, min(start, end) - to), max(0, to - max(start, low))
        epoch = row.owner_epoch if row else None
        resets.append(Reset(*one, row.next_offset if row else None, to, again, skipped, note, ids[one.topic], epoch))
    return resets


def _wanted(target: Target, low: int, end: int, current: int, at_time: int | None) -> int:
    if target.to_earliest:
        return low
    if target.to_offset is not None:
        return target.to_offset
    if target.shift_by is not None:
        return current + target.shift_by
    return end if at_time is None else at_time  # None: no record is as young as the moment


def reset(database: Engine, group_id: str, resets: Collection[Reset]) -> None:
    """Move progress as planned, all or nothing, and write down that it was moved.

    Raises TerminalError where progress moved since the plan was made.
    """
    try:
        with translated_errors(), database.begin() as connection:
            for one in resets:
                _move(connection, group_id, one)
    except DataRefused:  # its row, which the plan did not find, is there
        raise TerminalError(
            "somebody claimed a partition meanwhile: look at the plan again; nothing was changed"
        ) from None


def _move(connection: Connection, group_id: str, one: Reset) -> None:
    key = {"group_id": group_id, "topic": one.topic, "kafka_partition": one.partition}
    # The epoch fences whoever still writes from the old place.
    epoch = 1 if one.epoch is None else one.epoch + 1
    now = func.utc_timestamp(6)
    moved = {
        "topic_id": one.topic_id,
        "owner_epoch": epoch,
        "owner": OWNER,
        "next_offset": one.to_offset,
        "updated_on": now,
    }
    if one.epoch is None:
        connection.execute(insert(PROGRESS).values(**key, **moved))
    else:
        as_planned = [PROGRESS.c[name] == value for name, value in key.items()]
        as_planned += [PROGRESS.c.owner_epoch == one.epoch, PROGRESS.c.next_offset == one.from_offset]
        if connection.execute(update(PROGRESS).where(*as_planned).values(moved)).rowcount != 1:
            where = TopicPartition(one.topic, one.partition)
            raise TerminalError(f"{where} moved meanwhile: look at the plan again; nothing was changed")
    journal = {"owner_epoch": epoch, "from_offset": one.from_offset, "to_offset": one.to_offset, "reset_on": now}
    connection.execute(insert(OFFSET_RESET).values(**key, **journal))


def inform(admin: AdminClient, group_id: str, resets: Collection[Reset]) -> None:
    """Commit the new offsets to Kafka, for tools that show lag. Raises KafkaUnavailable."""
    offsets = [KafkaPartition(one.topic, one.partition, one.to_offset) for one in resets]
    wanted = [GroupPartitions(group_id, offsets)]
    try:
        for future in admin.alter_consumer_group_offsets(wanted, request_timeout=REQUEST_TIMEOUT_SECONDS).values():
            future.result(REQUEST_TIMEOUT_SECONDS + 1)
    except (KafkaException, TimeoutError):
        raise KafkaUnavailable("Kafka did not take the group's offsets") from None


def _committed(admin: AdminClient, group_id: str, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    wanted = [GroupPartitions(group_id, [KafkaPartition(*one) for one in partitions])]
    try:
        futures = admin.list_consumer_group_offsets(wanted, request_timeout=REQUEST_TIMEOUT_SECONDS)
        (found,) = [future.result(REQUEST_TIMEOUT_SECONDS + 1) for future in futures.values()]
    except (KafkaException, TimeoutError):
        raise KafkaUnavailable("Kafka did not tell the group's offsets") from None
    known = [one for one in found.topic_partitions or [] if one.offset >= 0]
    return {TopicPartition(one.topic, one.partition): one.offset for one in known}


def _stored(database: Engine, group_id: str, topics: Sequence[str]) -> dict[TopicPartition, Row[Any]]:
    query = select(PROGRESS).where(PROGRESS.c.group_id == group_id, PROGRESS.c.topic.in_(topics))
    with read_connection(database) as connection:
        return {TopicPartition(row.topic, row.kafka_partition): row for row in connection.execute(query)}
