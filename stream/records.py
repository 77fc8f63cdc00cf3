"""The words of the log: records, where they are, and who may write their effects.

Nothing here knows Kafka's client or MySQL, so every stage can share these types.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""The most of a record that we decode or keep. Producers' clients and topics have the same limit, but a topic's bounds
what is compressed: 40 MB of zeros pass it."""

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


def summary(partitions: Iterable[TopicPartition]) -> list[str]:
    """The partitions, a text for each topic: `trip/0-5,7`."""
    texts = []
    for topic, group in groupby(sorted(partitions), key=itemgetter(0)):
        # Consecutive numbers are as far from their places as each other.
        runs = groupby(enumerate(number for _, number in group), key=lambda placed: placed[1] - placed[0])
        texts.append(f"{topic}/" + ",".join(_span([number for _, number in run]) for _, run in runs))
    return texts


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


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
    """The right to write one partition's effects, from its request until the partition is revoked, lost or fenced.
    Compared by identity: a partition that goes away and comes back comes with a new claim, so that records fetched
    under the old one can never pass for new ones. The poller makes it; its lane asks MySQL, which grants it."""

    topic_partition: TopicPartition
    topic_id: str
    """Kafka's id of the topic when the claim was requested; once granted, the id that progress speaks of. Where the two
    differ, the topic was recreated. Set by the lane, read by the poller once the lane reports the grant."""
    epoch: int = 0
    """Raised in MySQL by each claim; a write whose epoch is no longer the stored one is fenced. Set by the lane."""
    next_offset: int = 0
    """The next offset to apply, as of the last transaction that this owner committed; before the grant, the first
    offset that the log has. Moved by the lane, read by the poller and by health."""
    complete_through_ms: int | None = None
    """The moment, in Kafka's milliseconds, through which the partition is complete; None: nothing was applied yet.
    Moved by the lane, read by the poller."""
    is_held: bool = True
    """Whether records under this claim are still ours to apply. Poller and lane may set it to False, nobody sets it
    back."""

    @property
    def is_granted(self) -> bool:
        return self.epoch > 0

    def is_of_another_topic(self, topic_ids: Mapping[str, str]) -> bool:
        """Whether the topic was recreated since the grant, by the ids that topics have now; one that is gone was the
        claimed topic."""
        return topic_ids.get(self.topic_partition.topic, self.topic_id) != self.topic_id

    def grant(self, topic_id: str, epoch: int, next_offset: int, complete_through_ms: int | None = None) -> None:
        """Take over what progress says; by the lane."""
        self.topic_id, self.next_offset, self.epoch = topic_id, next_offset, epoch
        self.complete_through_ms = complete_through_ms

    def move_on(self, next_offset: int, through_ms: int | None) -> None:
        """Take over what was committed; by the lane. Timestamps are producers', and nothing is complete through a
        moment that is yet to come."""
        self.next_offset = next_offset
        if through_ms is not None:
            through_ms = min(through_ms, time.time_ns() // 1_000_000)
            self.complete_through_ms = max(through_ms, self.complete_through_ms or through_ms)

    def give_up(self) -> None:
        """Throw away what is still queued under this claim; by the poller or the lane."""
        self.is_held = False


@dataclass(slots=True)
class Slice:
    """Consecutive records of one partition, fetched under one claim: its part of a batch."""

    claim: Claim
    start_offset: int
    """The end of the slice before: nothing may be missing between the two."""
    next_offset: int
    """The offset behind the slice's last record, or behind a gap at the partition's end."""
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
        return sum(len(each.records) for each in self.slices)

    @property
    def held_slices(self) -> list[Slice]:
        """The slices that are still ours to apply."""
        return [each for each in self.slices if each.claim.is_held]

    @property
    def topics(self) -> set[str]:
        return {each.topic_partition.topic for each in self.slices}
