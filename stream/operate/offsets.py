"""Offsets as an operator sees and moves them: where each partition stands, and where it is to go on instead.

MySQL's progress is what counts; Kafka's committed offset only follows. What is read again changes no row, for the
version guard knows each event; what is skipped is never applied. The ledger of records counts what was read, as often
as it was read: table `offset_reset` says what was read twice or not at all, so that the two add up to the log.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from stream.errors import DataRefused, StopReason, TerminalError
from stream.kafka import groups
from stream.kafka.brokers import Brokers, Log
from stream.mysql import progress
from stream.mysql.connection import translated_errors
from stream.operate.standing import Applied, Place, Places
from stream.records import TopicPartition

OWNER = "stream offsets reset"


@dataclass(frozen=True)
class PartitionOffsets:
    """The offsets of one partition; `None` where nothing was applied, or told to Kafka, yet, and where no leader tells
    where the log begins and ends."""

    topic: str
    partition: int
    progress: int | None
    committed: int | None
    """The offset that Kafka was told; it may be a second behind."""
    earliest: int | None
    latest: int | None
    lag_records: int | None
    owner: str | None
    """The client that claimed it last."""
    state: str
    """`held` by a member of the group, `free`, `no_leader`, or the reason why it stops (a `StopReason`)."""


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
    """As it was when the plan was made; None where the partition had no progress."""

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True)
class Target:
    """The place where partitions are to go on; exactly one is given. The names are those of kafka-consumer-groups."""

    to_earliest: bool = False
    to_latest: bool = False
    to_offset: int | None = None
    to_datetime: datetime | None = None
    shift_by: int | None = None

    @property
    def is_one(self) -> bool:
        """Whether exactly one is given."""
        numbers = (self.to_offset, self.to_datetime, self.shift_by)
        return self.to_earliest + self.to_latest + sum(number is not None for number in numbers) == 1


# Looking.


def partition_offsets(brokers: Brokers, group_id: str, places: Places) -> list[PartitionOffsets]:
    """The offsets of each partition, in the order of topics and partitions, with what the group says of it. Raises
    KafkaUnavailable."""
    committed = groups.committed(brokers, group_id, places.partitions())
    held = {partition for member in groups.group(brokers, group_id).members for partition in member.partitions}

    def offsets_of(partition: TopicPartition, applied: Applied | None, log: Log | None, state: str) -> PartitionOffsets:
        next_offset, owner = (applied.next_offset, applied.owner) if applied else (None, None)
        low, high = (log.low, log.high) if log else (None, None)
        lag = max(0, log.high - max(next_offset or 0, log.low)) if log else None
        return PartitionOffsets(*partition, next_offset, committed.get(partition), low, high, lag, owner, state)

    def state_of(place: Place) -> str:
        return str(place.stop_reason or ("held" if place.partition in held else "free"))

    offsets = [
        *(offsets_of(place.partition, place.applied, place.log, state_of(place)) for place in places.known),
        *(offsets_of(partition, applied, None, "no_leader") for partition, applied in places.leaderless.items()),
    ]
    return sorted(offsets, key=lambda each: (each.topic, each.partition))


# Going on after the log changed.


def acceptances(places: Iterable[Place]) -> list[Acceptance]:
    """The partitions whose progress doesn't fit their log."""
    plan = []
    for place in places:
        reason = place.stop_reason
        if reason is not None and place.applied is not None:
            stored, (topic_id, low, high, _) = place.applied.next_offset, place.log
            lost = max(0, low - (stored if reason is StopReason.RETENTION_OVERTOOK else 0))
            plan.append(Acceptance(place.partition, reason, stored, low, high, low, lost, topic_id))
    return plan


def accept(database: Engine, group_id: str, accepted: Collection[Acceptance]) -> None:
    """Let partitions go on where the plan says; a running service notices within seconds. Events that are read again
    change nothing. Raises TerminalError where progress moved since the plan was made."""
    with translated_errors(), database.begin() as connection:
        for each in accepted:
            # Whatever the epoch: a running service claims a stopped partition again and again.
            progress.move(
                connection,
                group_id,
                each.partition,
                topic_id=each.topic_id,
                from_offset=each.stored_offset,
                to_offset=each.goes_on_at,
            )


# Going on elsewhere.


def require_inactive(brokers: Brokers, group_id: str) -> None:
    """Raises TerminalError while anybody is in the group: its members would go on from where they are."""
    group = groups.group(brokers, group_id)
    if not group.is_inactive:
        who = ", ".join(sorted(member.name for member in group.members)) or "somebody who joins or leaves just now"
        raise TerminalError(f"group {group_id} is active: stop every `stream run` first. In it: {who}")


def plan_reset(brokers: Brokers, places: Places, numbers: Collection[int], target: Target) -> list[Reset]:
    """The resets of all places, or of those with some partitions' numbers; what already stands there is left out.
    Raises KafkaUnavailable, also where any of them has no leader, and TerminalError where a topic has no such
    partition."""
    there = set(places.partitions())
    absent = {TopicPartition(partition.topic, number) for partition in there for number in numbers} - there
    if absent:
        names = ", ".join(sorted(map(str, absent)))
        raise TerminalError(f"no such partition: {names}; `stream offsets show` lists them")
    chosen = places.of([each for each in there if not numbers or each.partition in numbers]).required()
    moment = target.to_datetime
    at = brokers.offsets_at([place.partition for place in chosen], moment) if moment else {}
    return [move for place in chosen if (move := _reset_of(place, target, at.get(place.partition)))]


def _reset_of(place: Place, target: Target, at_time: int | None) -> Reset | None:
    """The reset of one partition; None where it already stands there."""
    low, end = place.log.low, place.log.committed_end  # an open transaction's records are not skipped: they come later
    applied, known = place.applied, place.next_offset
    start = low if known is None else known
    wanted = _wanted(target, low, end, start, at_time)
    to = min(max(wanted, low), end)
    if to == known:
        return None
    return Reset(
        *place.partition,
        from_offset=applied.next_offset if applied else None,
        to_offset=to,
        read_again_max=max(0, min(start, end) - to),
        skipped_max=max(0, to - max(start, low)),
        note=None if to == wanted else f"{wanted} is outside the log ({low} to {end})",
        topic_id=place.log.topic_id,
        epoch=applied.epoch if applied else None,
    )


def _wanted(target: Target, low: int, end: int, current: int, at_time: int | None) -> int:
    if target.to_earliest:
        return low
    if target.to_offset is not None:
        return target.to_offset
    if target.shift_by is not None:
        return current + target.shift_by
    return end if at_time is None else at_time  # None: no record is as young as the moment


def reset(database: Engine, group_id: str, resets: Collection[Reset]) -> None:
    """Move progress as planned, all or nothing, and write down that it was moved. Raises TerminalError where progress
    moved since the plan was made."""
    try:
        with translated_errors(), database.begin() as connection:
            for each in resets:
                epoch, from_offset = each.epoch, each.from_offset
                if epoch is None or from_offset is None:
                    epoch, from_offset = 0, each.to_offset  # as `prepare` leaves it
                    progress.prepare(connection, group_id, {each.topic_partition: (each.topic_id, from_offset)})
                progress.move(
                    connection,
                    group_id,
                    each.topic_partition,
                    topic_id=each.topic_id,
                    from_offset=from_offset,
                    to_offset=each.to_offset,
                    epoch=epoch,
                    owner=OWNER,
                )
                progress.note_reset(
                    connection,
                    group_id,
                    each.topic_partition,
                    epoch=epoch + 1,
                    from_offset=each.from_offset,
                    to_offset=each.to_offset,
                )
    except DataRefused:  # its row, which the plan did not find, is there
        raise TerminalError(
            "somebody claimed a partition meanwhile: look at the plan again; nothing was changed"
        ) from None
