"""The survey: how far the logs of our partitions go, and which of our topics can't be read.

What is fetched tells that as well, but not of a partition that isn't fetched, as in an outage of MySQL, nor of records
behind an open transaction. So the brokers are asked, by a thread that has nothing else to do.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from stream.engine.assigned import Assigned
from stream.engine.messages import Survey
from stream.errors import TransientError
from stream.kafka.brokers import Brokers
from stream.operate.standing import Applied
from stream.records import TopicPartition

SURVEY_SECONDS = 5.0
"""The age of the ends that are told, at most; by so much an idle partition seems to be behind."""

Stored = Callable[[], Mapping[TopicPartition, Applied]]
"""Asks MySQL for the group's progress; may raise TransientError."""


class Surveyor:
    """A worker's task: asks, and reports to the poller, whose thread changes what `assigned` returns."""

    def __init__(
        self,
        brokers: Brokers,
        topics: Sequence[str],
        *,
        assigned: Callable[[], Collection[Assigned]],
        stored: Stored,
        report: Callable[[Survey], None],
    ) -> None:
        self._brokers = brokers
        self._topics = topics
        self._assigned = assigned
        self._stored = stored
        self._report = report

    def step(self, _note_moved: Callable[[], None]) -> float:
        """Survey once. Raises KafkaUnavailable."""
        asked_at_ms = int(time.time() * 1000)
        unreadable = self._brokers.describe(self._topics).unreadable
        unclaimed = {each.topic_partition: each.applied_offset is None for each in self._assigned()}
        ends = self._brokers.high_watermarks(unclaimed)
        stored = self._stored_of([each for each, is_unclaimed in unclaimed.items() if is_unclaimed])
        self._report(Survey(asked_at_ms, ends, unclaimed.keys() - ends.keys(), unreadable, stored))
        return SURVEY_SECONDS

    def _stored_of(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Applied]:
        try:
            stored = self._stored() if partitions else {}
        except TransientError:
            return {}  # the lane that is to claim them says so
        return {each: stored[each] for each in partitions if each in stored}

    def close(self) -> None:
        """Nothing is kept between steps."""
