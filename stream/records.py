"""The words of the log: records, where they are, and who may write their effects.

Nothing here knows Kafka's client or MySQL, so every stage can share these types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True)
class Range:
    """Consecutive offsets of one partition, of the topic that has this id."""

    topic: str
    partition: int
    topic_id: str
    from_offset: int
    to_offset: int
    """The first offset behind the range."""

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def records_max(self) -> int:
        """Its offsets; those of gaps (transactions, aborted records) hold no record."""
        return self.to_offset - self.from_offset


class Record(NamedTuple):
    """One entry of a partition. With its `TopicPartition`, the offset names it for ever (its coordinates)."""

    offset: int
    timestamp_ms: int
    """Kafka's timestamp of the record (create time or append time, as the topic is configured)."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(slots=True, eq=False)
class Claim:
    """The right to write one partition's effects, from one assignment until it is revoked, lost or fenced.

    Compared by identity: a partition that goes away and comes back comes with a new claim, so that records
    fetched under the old one can never pass for new ones.
    """

    topic_partition: TopicPartition
    topic_id: str
    """The id of the topic that progress speaks of; another one in Kafka means that the topic was recreated."""
    epoch: int
    """Raised in MySQL by each claim; a write whose epoch is no longer the stored one is fenced."""
    next_offset: int
    """The next offset to apply, as of the last transaction that this owner committed."""
    is_held: bool = True
    """False once the assignment is gone: what is still queued under this claim is thrown away."""


@dataclass(slots=True)
class Slice:
    """Consecutive records of one partition, fetched under one claim: its part of a batch."""

    claim: Claim
    start_offset: int
    """Where the slice before it ended: nothing may be missing between the two."""
    next_offset: int
    """Where reading goes on after this slice: behind its last record, or behind a gap at the partition's end."""
    records: list[Record] = field(default_factory=list)
    complete_through_ms: int | None = None
    """The latest of the records' timestamps; None where there are none."""

    @property
    def topic_partition(self) -> TopicPartition:
        return self.claim.topic_partition


@dataclass(slots=True)
class Batch:
    """The records of one poll for one lane: the unit of work, of a transaction and of a commit."""

    slices: list[Slice]
    received_at: float
    """`time.monotonic()` when the poll returned, in seconds."""

    @property
    def record_count(self) -> int:
        return sum(len(one.records) for one in self.slices)
