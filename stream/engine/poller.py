"""The engine: one thread polls, lanes apply; this is the poller and its loop.

    topic partition → poll → (lane: decode → validate → compact → write, one MySQL transaction) → inform Kafka

Only this thread touches Kafka's client. It never waits for MySQL: lanes do, and report back. While a lane is full
its partitions are not fetched and polling goes on, so that a long outage of the database costs neither memory nor the
membership in the group.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue

import structlog

from stream.catalog import STREAMS
from stream.declaration.service_tables import ERASURE
from stream.engine.assignment import SUSPENDED_SECONDS, Assigned, Assignment, State
from stream.engine.flood_guard import FloodGuard
from stream.engine.health import not_moving
from stream.engine.lane import BatchApplied, BatchFenced, Lane, LaneCrashed, PartitionClaimed, Report
from stream.engine.metrics import Metrics
from stream.engine.workers import WorkerCrashed, Workers
from stream.errors import TerminalError, TransientError
from stream.kafka.source import Fetched, Source
from stream.mysql.bisect import WrittenSlice
from stream.records import Batch, Record, Slice, TopicPartition

log = structlog.get_logger(__name__)

FULL_LANE_WAIT_SECONDS = 0.5
"""How long the poller waits for a full lane before it pauses: pausing at once throws away what was fetched ahead,
which halved the rate."""

CHORES_SECONDS = 1.0
"""How often offsets go to Kafka, gauges are set and doubts are looked into."""

REVIEW_SECONDS = 5.0
"""How often lanes look whether progress still bears out their claims. A restored backup, or a replica that lagged and
took over, may set it back where no record comes that would meet the fence."""

COMPLETION_SECONDS = 10.0
"""How often it is noted that partitions have reached their ends: so much an idle one seems to be behind at most."""

REVOKE_SECONDS_MAX = 5.0
"""How long a revocation waits for batches in flight; the rest is thrown away and read again by the heir."""

DRAIN_SECONDS_MAX = 20.0
"""How long a stop waits for batches in flight: less than the 30 s after which Kubernetes kills."""

POLLER_STUCK_SECONDS = 30.0
"""The poller turns many times a second, but a callback or a broker that is slow to answer may hold it."""

LANE_STUCK_SECONDS = 90.0
"""A lane moves every few seconds, but one statement may take until the driver's read timeout."""


class Ending(Enum):
    """How a run ended."""

    DRAINED = "drained"
    CAUGHT_UP = "caught_up"
    UNFINISHED = "unfinished"
    """Something was left that another run can finish."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    group_id: str
    topics: Sequence[str]
    batch_records_max: int
    linger_seconds: float
    dead_letter_ratio_max: float = 1.0
    is_until_caught_up: bool = False
    stop_remedy: str = "decide how to go on: stream offsets accept {partition}"
    """What an operator does about a partition that stopped, for its log line."""


class Engine:
    """Keeps MySQL true to some topics until it is stopped or has caught up."""

    def __init__(
        self,
        options: EngineOptions,
        *,
        source: Source,
        lanes: Sequence[Lane],
        reports: SimpleQueue[Report],
        metrics: Metrics,
        applied_offsets: Callable[[], Mapping[TopicPartition, int]],
        workers: Workers,
    ) -> None:
        """`reports` is where lanes and workers put what they report."""
        self.options = options
        self.metrics = metrics
        self.has_joined = False
        self.turned_at = time.monotonic()
        self._reports = reports
        self.lanes = list(lanes)
        self._source = source
        self._assignment = Assignment(
            self._source, self._lane_of, metrics, is_held_back=self._is_held_back, stop_remedy=options.stop_remedy
        )
        self._flood_guard = FloodGuard(options.dead_letter_ratio_max)
        self._applied_offsets = applied_offsets
        self._workers = workers
        self._held_back: dict[Lane, Batch] = {}
        """What a full lane refused. Until it takes it, nothing more is fetched for it."""
        self._to_inform: dict[TopicPartition, int] = {}
        self._stopping = threading.Event()
        self._chores_due_at = 0.0
        self._review_due_at = 0.0
        self._completion_due_at = 0.0
        self._goal: dict[TopicPartition, int] = {}

    def stop(self) -> None:
        """Ask the loop to finish what is in flight and end; safe in a signal handler and from any thread."""
        self._stopping.set()

    def run(self) -> Ending:
        """Poll and hand over until told to stop; then finish what is in flight.

        Raises TerminalError where going on makes no sense, and ConfigurationError.
        """
        for lane in self.lanes:
            lane.start()
        try:
            if self.options.is_until_caught_up:
                self._goal = self._source.end_offsets(self.options.topics)
            self._source.subscribe(
                self.options.topics, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost
            )
            ending = self._loop()
            return ending if self._drain() else Ending.UNFINISHED
        finally:
            self._shut_down()

    def _loop(self) -> Ending:
        """The loop: a turn is a poll and what follows from it."""
        while not self._stopping.is_set():
            self.turned_at = time.monotonic()
            self._take_reports()
            self._offer_held_back()
            self._assignment.settle()
            fetched = self._source.poll(self.options.batch_records_max, self.options.linger_seconds)
            for lane, batch in self._batches(fetched).items():
                self._hand_over(lane, batch)
            if self._chores() and self._is_caught_up():
                return Ending.UNFINISHED if self._is_any_resting() else Ending.CAUGHT_UP
        return Ending.DRAINED

    # From polled records to lanes.

    def _batches(self, fetched: Mapping[TopicPartition, Fetched]) -> dict[Lane, Batch]:
        """One batch for each lane that has anything to do."""
        now = time.monotonic()
        batches: dict[Lane, Batch] = {}
        for topic_partition, one in fetched.items():
            piece = self._slice(topic_partition, one)
            if piece is not None:
                batches.setdefault(self._lane_of(topic_partition), Batch([], now)).slices.append(piece)
        return batches

    def _slice(self, topic_partition: TopicPartition, fetched: Fetched) -> Slice | None:
        """What was fetched, as a slice under the partition's claim; None where nothing of it is ours to apply."""
        assigned = self._assignment.reading(topic_partition)
        if assigned is None or assigned.claim is None:
            return None
        if fetched.is_astray:
            self._assignment.note_astray(assigned)
            return None
        records = _from_offset(fetched.records, assigned.read_offset)
        next_offset = max(assigned.read_offset, fetched.end_offset or 0, records[-1].offset + 1 if records else 0)
        if next_offset == assigned.read_offset:
            return None
        piece = Slice(assigned.claim, assigned.read_offset, next_offset, records)
        assigned.read_offset = next_offset
        if records:
            piece.complete_through_ms = max(record.timestamp_ms for record in records)
            if assigned.oldest_unapplied_ms is None:
                assigned.oldest_unapplied_ms = records[0].timestamp_ms
            self.metrics.records_received.labels(topic_partition.topic).inc(len(records))
        return piece

    def _lane_of(self, topic_partition: TopicPartition) -> Lane:
        return self.lanes[topic_partition.partition % len(self.lanes)]

    def _hand_over(self, lane: Lane, batch: Batch) -> None:
        """Give a lane its batch; where it is full, hold the batch back, and fetch nothing more for this lane."""
        if not lane.offer(batch, FULL_LANE_WAIT_SECONDS):
            self._held_back[lane] = batch

    def _offer_held_back(self) -> None:
        for lane, batch in list(self._held_back.items()):
            if lane.offer(batch, 0):
                del self._held_back[lane]

    def _is_held_back(self, topic_partition: TopicPartition) -> bool:
        return self._lane_of(topic_partition) in self._held_back

    # From lanes' reports to positions.

    def _take_reports(self) -> None:
        while True:
            try:
                report = self._reports.get_nowait()
            except Empty:
                return
            match report:
                case BatchApplied():
                    self._note_applied(report)
                case PartitionClaimed():
                    self._assignment.note_claimed(report)
                case BatchFenced():
                    self._assignment.note_fenced(report.claims)
                case LaneCrashed():
                    raise TerminalError(
                        "a lane ended unexpectedly; the log line `lane crashed` says where. Nothing is lost: what it "
                        "had not committed is read again"
                    ) from report.error
                case WorkerCrashed():
                    raise TerminalError(
                        f"the {report.name} ended unexpectedly; the log line `worker crashed` says where. Nothing is "
                        "lost: its work goes on where it ended"
                    ) from report.error

    def _note_applied(self, applied: BatchApplied) -> None:
        for one in applied.written:
            if ERASURE.name in one.rows:
                self._workers.wake_eraser()
            self._guard_against_flood(one)
            assigned = self._assignment.partitions.get(one.slice.topic_partition)
            if assigned is not None and assigned.claim is one.slice.claim:
                self._to_inform[one.slice.topic_partition] = one.slice.next_offset
                if one.slice.next_offset == assigned.read_offset:
                    assigned.oldest_unapplied_ms = None
                elif one.slice.records:
                    assigned.oldest_unapplied_ms = one.slice.records[-1].timestamp_ms

    def _guard_against_flood(self, written: WrittenSlice) -> None:
        topic = written.slice.topic_partition.topic
        rejected = Counter(rejection.reason for _, rejection in written.rejected)
        reason = self._flood_guard.observe(topic, written.records.consumed, rejected)
        if reason is not None:
            self._assignment.suspend(topic, f"flood_of_{reason}")
            self.metrics.floods.labels(topic, reason).inc()
            log.error(
                "topic suspended",
                topic=topic,
                reason=reason,
                seconds=SUSPENDED_SECONDS,
                todo="look at `stream dead-letters list`; it goes on by itself, and rests again if nothing changed",
            )

    # What the group says; these run inside a poll.

    def on_assign(self, partitions: list[TopicPartition]) -> None:
        self.has_joined = True
        self.metrics.rebalances.labels("assigned").inc()
        self._assignment.add(partitions)
        log.info("assigned", partitions=[str(one) for one in partitions])
        self._count_partitions()

    def on_revoke(self, partitions: list[TopicPartition]) -> None:
        """Finish what is in flight, within a budget; what remains is the heir's to read again."""
        self.metrics.rebalances.labels("revoked").inc()
        deadline = time.monotonic() + REVOKE_SECONDS_MAX
        for lane in {self._lane_of(one) for one in partitions}:
            lane.wait_until_idle(max(0.0, deadline - time.monotonic()))
        self._take_reports()
        offsets = {one: self._to_inform.pop(one) for one in partitions if one in self._to_inform}
        self._source.inform(offsets, wait=True)
        self._forget(partitions)
        log.info("revoked", partitions=[str(one) for one in partitions])

    def on_lost(self, partitions: list[TopicPartition]) -> None:
        """They are another's already: throw everything away. A write under way is fenced."""
        self.metrics.rebalances.labels("lost").inc()
        self._forget(partitions)
        log.warning("lost", partitions=[str(one) for one in partitions], effect="the group gives them out again")

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = list(partitions)
        self._assignment.forget(gone)
        for one in gone:
            self._to_inform.pop(one, None)
        self._count_partitions()

    # Once a second.

    def _chores(self) -> bool:
        """Whether they were due and done."""
        if time.monotonic() < self._chores_due_at:
            return False
        self._chores_due_at = time.monotonic() + CHORES_SECONDS
        if self._source.is_cut_off():
            self._join_anew()
        self._assignment.look_again()
        self._source.inform(self._to_inform)
        self._to_inform = {}
        for one in self._assignment.partitions.values():
            self._set_lag(one)
        self._count_partitions()
        self._review_claims()
        self._note_completion()
        return True

    def _join_anew(self) -> None:
        """Kafka's client is of no more use: begin again with another, as after a restart."""
        log.warning("joining anew", why="Kafka's client lost sight of the brokers, and they answer others")
        self.metrics.retries.labels("client_cut_off").inc()
        self.on_lost(list(self._assignment.partitions))
        self.has_joined = False
        self._source.replace(self.options.topics)

    def _review_claims(self) -> None:
        if time.monotonic() < self._review_due_at:
            return
        self._review_due_at = time.monotonic() + REVIEW_SECONDS
        reading = self._assignment.all_in(State.READING)
        for lane in self.lanes:
            mine = [one.claim for one in reading if one.claim and self._lane_of(one.topic_partition) is lane]
            lane.want_review(mine)

    def _note_completion(self) -> None:
        """Have the lanes note which partitions have reached the ends asked for at this moment."""
        if time.monotonic() < self._completion_due_at:
            return
        asked_at_ms = int(time.time() * 1000)
        ends = self._assignment.ends()
        if ends:
            self._completion_due_at = time.monotonic() + COMPLETION_SECONDS
        reading = [one for one in self._assignment.all_in(State.READING) if one.topic_partition in ends]
        for lane in self.lanes:
            mine = [one for one in reading if one.claim and self._lane_of(one.topic_partition) is lane]
            lane.want_completion(asked_at_ms, [(one.claim, ends[one.topic_partition]) for one in mine if one.claim])

    def _set_lag(self, assigned: Assigned) -> None:
        end = self._source.cached_high_watermark(assigned.topic_partition)
        if assigned.claim is None or end is None:
            return
        topic, partition = assigned.topic_partition
        lag = max(0, end - assigned.claim.next_offset)
        oldest = assigned.oldest_unapplied_ms
        age = max(0.0, time.time() - oldest / 1000) if lag and oldest is not None else 0.0
        self.metrics.lag_records.labels(topic, partition).set(lag)
        self.metrics.lag_seconds.labels(topic, partition).set(age)

    def _count_partitions(self) -> None:
        for topic in self.options.topics:
            mine = [one for one in self._assignment.partitions.values() if one.topic_partition.topic == topic]
            self.metrics.partitions_assigned.labels(topic).set(len(mine))
            waiting = sum(one.state is State.READING and self._is_held_back(one.topic_partition) for one in mine)
            self.metrics.partitions_paused.labels(topic).set(waiting)

    # The end.

    def _is_caught_up(self) -> bool:
        """Whether progress has reached the ends that were read at the start, whoever applied it."""
        if not self.options.is_until_caught_up or not self.has_joined:
            return False
        resting = {one.topic_partition for one in self._assignment.partitions.values() if one.is_resting}
        missing = {one for one, end in self._goal.items() if one not in resting and self._applied_offset(one) < end}
        if any(one in self._assignment.partitions for one in missing):
            return False
        try:
            applied = self._applied_offsets() if missing else {}
            if any(applied.get(one, 0) < self._goal[one] for one in missing):
                return False
            return self._workers.have_finished()
        except TransientError as error:
            log.info("asking MySQL again how far others are", why=str(error))
            return False

    def _applied_offset(self, topic_partition: TopicPartition) -> int:
        assigned = self._assignment.partitions.get(topic_partition)
        return assigned.claim.next_offset if assigned and assigned.claim else -1

    def _is_any_resting(self) -> bool:
        return any(one.is_resting for one in self._assignment.partitions.values())

    def _drain(self) -> bool:
        """Finish what the lanes have; whether they could."""
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        self._held_back.clear()  # not begun: its records are read again
        is_drained = all(lane.wait_until_idle(max(0.0, deadline - time.monotonic())) for lane in self.lanes)
        self._take_reports()
        self._source.inform(self._to_inform, wait=True)
        self._to_inform = {}
        return is_drained

    def _shut_down(self) -> None:
        for lane in self.lanes:
            lane.stop()
        self._source.close()
        for lane in self.lanes:
            lane.join(timeout=REVOKE_SECONDS_MAX)

    # What health, and whoever watches a replay, ask.

    def applied(self) -> dict[TopicPartition, int]:
        """How far each partition that this process has claimed is applied."""
        held = list(self._assignment.partitions.values())
        return {one.topic_partition: one.claim.next_offset for one in held if one.claim is not None}

    def stuck(self) -> list[str]:
        """What no longer moves; a restart is the cure."""
        now = time.monotonic()
        found = [f"{lane.name} has not moved" for lane in self.lanes if now - lane.moved_at > LANE_STUCK_SECONDS]
        found += not_moving(self._workers.all.values(), now)
        if now - self.turned_at > POLLER_STUCK_SECONDS:
            found.append("the poller has not turned")
        return found

    def unready(self) -> list[str]:
        """Why this process isn't doing its work now; time or an operator is the cure."""
        found = [] if self.has_joined else ["the group has not given out its partitions yet"]
        if self._assignment.brokers_trouble is not None:
            found.append(f"Kafka: {self._assignment.brokers_trouble}")
        found += [f"{lane.name}: {lane.trouble}" for lane in self.lanes if lane.trouble]
        for one in list(self._assignment.partitions.values()):
            if one.is_resting:
                found.append(f"{one.topic_partition} rests: {one.resting_for}")
            elif one.state is not State.READING:
                found.append(f"{one.topic_partition} {one.state.value}")
        return found


def _from_offset(records: list[Record], offset: int) -> list[Record]:
    """The records from `offset` on; nearly always all of them."""
    if not records or records[0].offset >= offset:
        return records
    return [record for record in records if record.offset >= offset]


def readable_topics(wanted: Sequence[str]) -> list[str]:
    """The topics to consume: those asked for, or all.

    Raises TerminalError for one that the catalog lacks.
    """
    unknown = sorted(set(wanted) - set(STREAMS))
    if unknown:
        raise TerminalError(f"no topic {', '.join(unknown)}; there are: {', '.join(STREAMS)}")
    return sorted(set(wanted)) or list(STREAMS)
