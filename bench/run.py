"""A run of a contender, and its observation from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.ground import Ground
from bench.process import Memory, cpu_seconds, machine_cpu_seconds, total_memory
from bench.workload import Tell, Workload

QUARTERS = (0.25, 0.5, 0.75, 1.0)
MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """The clock, and everybody's CPU time, at one moment; all in seconds."""

    at: float
    client: float
    database: float
    kafka: float
    others: float
    """CPU time of the whole machine without the client, the servers and the benchmark itself."""

    @classmethod
    def of(cls, ground: Ground, client_pids: Sequence[int]) -> Reading:
        client = sum(map(cpu_seconds, client_pids))
        database, kafka = cpu_seconds(ground.database.pid), cpu_seconds(ground.kafka.pid)
        ourselves = 0.0 if os.getpid() in client_pids else time.process_time()
        others = machine_cpu_seconds() - client - database - kafka - ourselves
        return cls(time.monotonic(), client, database, kafka, others)


@dataclass(slots=True)
class Run:
    """The outcome of a contender with a workload.

    The window reaches from the first applied records to the last one: process start, imports and joining the group
    are outside. What was applied by its beginning does not count as done in it.
    """

    contender: str
    workload: str
    records: int
    rows: int
    window_records: int
    window_seconds: float
    seconds: float
    """Seconds from the start of the process to the last record."""
    client_micros: float
    """CPU time in the window for each record, all threads."""
    database_micros: float
    kafka_micros: float
    others_cpus: float
    """The CPUs that were busy with other things than this benchmark: a disturbed run shows here."""
    memory_peak: int = 0
    memory_quarters: list[int] = field(default_factory=list)
    """Resident bytes when a quarter, half, three quarters and all of the records were applied."""

    @property
    def records_a_second(self) -> float:
        return self.window_records / self.window_seconds

    @property
    def rows_a_second(self) -> float:
        return self.records_a_second * self.rows / self.records

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "records_a_second": self.records_a_second, "rows_a_second": self.rows_a_second}


class Observation:
    """Follows a contender until all records are applied.

    The window begins with the first applied records, or later: when a share of them all is applied. Of a contender
    with several processes it tells what they take together.
    """

    def __init__(
        self, contender: str, ground: Ground, workload: Workload, pids: Sequence[int], from_share: float = 0.0
    ) -> None:
        self.contender, self.ground, self.workload, self.pids = contender, ground, workload, pids
        self.first_count = int(from_share * workload.count)
        self.started = time.monotonic()
        self.peak = 0
        self.quarters: list[int] = []

    def follow(self, applied: Iterable[int | None], tell: Tell) -> Run:
        """Follow the contender until `applied` has told of the last record; None means that it has not begun yet.

        Raises RuntimeError where it ends before.
        """
        first: Reading | None = None
        first_count = 0
        for count in applied:
            if count is None:
                continue
            self._weigh(count, total_memory(self.pids))
            if first is None and count >= self.first_count:
                first, first_count = Reading.of(self.ground, self.pids), count
            if first is not None and count >= self.workload.count:
                return self._run(first, Reading.of(self.ground, self.pids), self.workload.count - first_count)
            tell(count)
        raise RuntimeError(f"{self.contender} ended before all of {self.workload.title} was applied")

    def _weigh(self, count: int, used: Memory) -> None:
        self.peak = max(self.peak, used.peak)
        reached = [quarter for quarter in QUARTERS[len(self.quarters) :] if count >= quarter * self.workload.count]
        self.quarters += [used.now for _ in reached]

    def _run(self, first: Reading, last: Reading, done: int) -> Run:
        if not done:
            raise RuntimeError(f"{self.contender} was done before it could be observed: give it more records")
        seconds = last.at - first.at
        return Run(
            contender=self.contender,
            workload=self.workload.title,
            records=self.workload.count,
            rows=self.workload.row_count(self.ground),
            window_records=done,
            window_seconds=seconds,
            seconds=last.at - self.started,
            client_micros=(last.client - first.client) / done * MICROS,
            database_micros=(last.database - first.database) / done * MICROS,
            kafka_micros=(last.kafka - first.kafka) / done * MICROS,
            others_cpus=max(0.0, (last.others - first.others) / seconds),
            memory_peak=self.peak,
            memory_quarters=self.quarters,
        )
