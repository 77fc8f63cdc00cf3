"""Bounded parts of the log: planned by offsets or times, and read by assignment, outside any group."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stream.errors import KafkaUnavailable, TerminalError
from stream.kafka.brokers import Brokers, Log
from stream.kafka.source import Fetched, Source
from stream.records import Range, Record, TopicPartition

MEMBERS_ONLY = ("group.protocol", "group.instance.id")
"""Properties that mean something in a group only."""

Pieces = Mapping[TopicPartition, list[Record]]
"""Consecutive records of some partitions."""

READ_RECORDS_MAX, READ_SECONDS = 10_000, 0.2
"""The most that `read` brings at once, and the longest that it waits for that."""


@dataclass(frozen=True)
class Wanted:
    """The parts of the log that somebody asks for; a bound that is None is the log's own."""

    topics: Sequence[str]
    partitions: Collection[int] = ()
    """Empty: all partitions."""
    from_offset: int | None = None
    to_offset: int | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    """Both are UTC, without a zone."""


def plan(brokers: Brokers, wanted: Wanted) -> list[Range]:
    """The ranges that hold anything, with bounds that are fixed from now on: what comes later is in none of them.
    Raises KafkaUnavailable, ConfigurationError where a topic doesn't exist, and TerminalError where a partition
    doesn't."""
    logs = brokers.logs(wanted.topics)
    missing = set(wanted.partitions) - {partition.partition for partition in logs}
    if missing:
        raise TerminalError(f"no partition {', '.join(map(str, sorted(missing)))} in {', '.join(wanted.topics)}")
    first = _bounds(brokers, logs, wanted.from_offset, wanted.from_time)
    behind = _bounds(brokers, logs, wanted.to_offset, wanted.to_time)
    ranges = [
        Range(
            *partition,
            log.topic_id,
            max(first.get(partition, log.low), log.low),
            min(behind.get(partition, log.committed_end), log.committed_end),
        )
        for partition, log in logs.items()
        if not wanted.partitions or partition.partition in wanted.partitions
    ]
    return [each for each in ranges if each.records_max > 0]


def _bounds(
    brokers: Brokers, logs: Mapping[TopicPartition, Log], offset: int | None, moment: datetime | None
) -> Mapping[TopicPartition, int]:
    """The bounds that were asked for, by partition. A record as young as a moment may be yet to come: then it is the
    partition's end."""
    if moment is not None:
        ends = {partition: log.committed_end for partition, log in logs.items()}
        return {**ends, **brokers.offsets_at(logs, moment)}
    return {} if offset is None else dict.fromkeys(logs, offset)


class RangeSource(Source):
    """Reads ranges as if a group had given out their partitions once, and takes part in no group. `holds` says whether
    a partition is still ours to go on with, where a write was fenced; while `is_held_back` says so, nothing is read."""

    def __init__(
        self,
        properties: Mapping[str, str],
        name: str,
        ranges: Iterable[Range],
        *,
        holds: Callable[[TopicPartition], bool | None],
        is_held_back: Callable[[], bool],
    ) -> None:
        super().__init__(properties, name)
        self.is_incremental = True
        self._ends = {each.topic_partition: each.to_offset for each in ranges}
        self._finished: set[TopicPartition] = set()
        self._is_to_be_given = False
        self._holds = holds
        self._is_held_back = is_held_back

    @property
    def is_finished(self) -> bool:
        """Whether every range was read to its end."""
        return len(self._finished) == len(self._ends)

    def _config(self) -> dict[str, Any]:
        return {key: value for key, value in super()._config().items() if key not in MEMBERS_ONLY}

    def _join(self) -> None:
        """Have the next poll give out the partitions: no group does, nor takes them away."""
        self._is_to_be_given = True

    def poll(self, records_max: int, linger_seconds: float) -> dict[TopicPartition, Fetched]:
        if self._is_to_be_given:
            self._is_to_be_given = False
            self._on_assign(list(self._ends))
        if self._is_held_back():
            time.sleep(linger_seconds)  # what was fetched ahead stays where it is, and is bounded
            return {}
        fetched = super().poll(records_max, linger_seconds)
        return {each: self._cut(each, brought) for each, brought in fetched.items() if each in self._ends}

    def _cut(self, partition: TopicPartition, fetched: Fetched) -> Fetched:
        """Leave out the records behind the range. Once there are any, or a gap, the range is read to its end."""
        end = self._ends[partition]
        if (fetched.end_offset or 0) >= end or (fetched.records and fetched.records[-1].offset + 1 >= end):
            self._finished.add(partition)
            self._stop_fetching(self._consumer, [partition])
            fetched.records = [record for record in fetched.records if record.offset < end]
            fetched.end_offset = end
        return fetched

    def fetch(self, positions: Mapping[TopicPartition, int], anew: Collection[TopicPartition]) -> None:
        self._finished = {each for each, offset in positions.items() if offset >= self._ends[each]}
        unfinished = {each: offset for each, offset in positions.items() if each not in self._finished}
        super().fetch(unfinished, set(anew) - self._finished)

    def inform(self, offsets: Mapping[TopicPartition, int], *, wait: bool = False) -> None:
        """Kafka is told nothing: no group reads this."""

    def is_member_holding(self, topic_partition: TopicPartition) -> bool | None:
        return self._holds(topic_partition)

    def end_offsets(self, topics: Collection[str]) -> dict[TopicPartition, int]:  # noqa: ARG002 - as above
        return dict(self._ends)


def read(properties: Mapping[str, str], name: str, ranges: Sequence[Range]) -> Iterator[Pieces]:
    """The records of ranges, each partition's in order, some at a time. Raises KafkaUnavailable where the client lost
    the brokers for good, and TerminalError where records leave the log meanwhile."""
    starts = {each.topic_partition: each.from_offset for each in ranges}
    source = RangeSource(properties, name, ranges, holds=lambda _: True, is_held_back=lambda: False)
    try:
        source.fetch(starts, starts.keys())
        while not source.is_finished:
            polled = source.poll(READ_RECORDS_MAX, READ_SECONDS)
            for each, fetched in polled.items():
                if fetched.is_astray:
                    raise TerminalError(f"records of {each} left the log meanwhile: plan again")
            if pieces := {each: fetched.records for each, fetched in polled.items() if fetched.records}:
                yield pieces
            if source.is_cut_off():
                raise KafkaUnavailable("the brokers answer others and not this client: try again")
    finally:
        source.close()
