"""A member's vital signs through a soak: its memory, how soon it answers, and whether it ever says that tables are
complete which aren't."""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from stream.records import TopicPartition
from tests.chaos.lookout import Lookout
from tests.chaos.watch import Watch
from tests.cluster.kafka import REPLICA_LAG_MAX_MS
from tests.consumers import Consumer
from tests.model import LogRecord

EVERY_SECONDS = 2.0
ANSWER_SECONDS_MAX = 1.0
"""The promise for /livez and /readyz, on a machine that isn't busy with everything else."""

GIVEN_UP_SECONDS = 10.0


class Sample(NamedTuple):
    """The state of MySQL in one snapshot."""

    complete_through: Mapping[str, datetime]
    """The earliest moment of a topic's tables."""
    next_offsets: Mapping[TopicPartition, int]


class Vitals(Lookout):
    """Looks at a member from the beginning of its `with` block to its end."""

    def __init__(self, member: Consumer, watch: Watch) -> None:
        super().__init__("vitals", EVERY_SECONDS)
        self.memory_bytes: list[int] = []
        self.answer_seconds: list[float] = []
        self.samples: list[Sample] = []
        self._member = member
        self._watch = watch

    def __enter__(self) -> Self:
        self._port = self._member.wait_logged("started")["http_port"]
        return super().__enter__()

    def look(self) -> None:
        pages = int(Path(f"/proc/{self._member.pid}/statm").read_text().split()[1])
        self.memory_bytes.append(pages * 4096)
        self.answer_seconds += [self._answer_seconds(path) for path in ("/livez", "/readyz")]
        with suppress(DBAPIError, AssertionError):  # MySQL has no primary just now
            self.samples.append(self._sample())

    def _answer_seconds(self, path: str) -> float:
        began = time.monotonic()
        with suppress(urllib.error.HTTPError):  # a 503 is an answer
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=GIVEN_UP_SECONDS).close()
        return time.monotonic() - began

    def _sample(self) -> Sample:
        with self._watch.snapshot() as connection:
            complete = connection.execute(
                text("SELECT topic, MIN(complete_through) c FROM freshness GROUP BY topic HAVING c IS NOT NULL")
            )
            progress = connection.execute(
                text("SELECT topic, kafka_partition, next_offset FROM progress WHERE group_id = :group"),
                {"group": self._watch.group_id},
            )
            return Sample(
                {row[0]: row[1].replace(tzinfo=UTC) for row in complete},
                {TopicPartition(row[0], row[1]): row[2] for row in progress},
            )

    def memory_growth(self) -> float:
        """The memory in the last quarter of the time, in times of that in the second."""
        quarter = len(self.memory_bytes) // 4
        early, late = self.memory_bytes[quarter : 2 * quarter], self.memory_bytes[-quarter:]
        return statistics.median(late) / statistics.median(early)

    def _course(self) -> str:
        """The memory of the tenths of the time."""
        length = max(1, len(self.memory_bytes) // 10)
        starts = range(0, len(self.memory_bytes), length)
        return " ".join(f"{statistics.median(self.memory_bytes[n : n + length]) / 1e6:.0f}" for n in starts)

    def late_answers(self) -> int:
        return sum(seconds > ANSWER_SECONDS_MAX for seconds in self.answer_seconds)

    def assert_never_ahead(self, records: Iterable[LogRecord]) -> None:
        """Whatever Kafka had before the moment through which a topic was said to be complete was applied by then. A
        broker dates a record as it comes; Kafka has it, for producers and readers, once its replicas have it too."""
        earliest = _earliest_from(records)
        for sample in self.samples:
            for where, next_offset in sample.next_offsets.items():
                through = sample.complete_through.get(where.topic)
                waiting = earliest.get(where, [])[next_offset : next_offset + 1]
                if through is not None and waiting:
                    assert waiting[0] + REPLICA_LAG_MAX_MS >= through.timestamp() * 1000, (where, next_offset, through)

    def __str__(self) -> str:
        slowest = max(self.answer_seconds)
        return (
            f"memory {min(self.memory_bytes) / 1e6:.0f} to {max(self.memory_bytes) / 1e6:.0f} MB, "
            f"{self.memory_growth():.2f} times at the end ({self._course()}); "
            f"{len(self.answer_seconds)} answers, {self.late_answers()} later than "
            f"{ANSWER_SECONDS_MAX:.0f} s (the slowest {slowest:.1f} s); freshness looked at {len(self.samples)} times"
        )


def _earliest_from(records: Iterable[LogRecord]) -> Mapping[TopicPartition, Sequence[float]]:
    """By partition and offset the earliest of Kafka's timestamps from there to the end, in milliseconds."""
    moments: dict[TopicPartition, dict[int, int]] = {}
    for record in records:
        moments.setdefault(TopicPartition(record.topic, record.partition), {})[record.offset] = record.timestamp_ms
    return {
        where: list(accumulate((known.get(n, float("inf")) for n in range(max(known), -1, -1)), min))[::-1]
        for where, known in moments.items()
    }
