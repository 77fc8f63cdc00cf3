"""The engine: one thread polls, lanes apply; this is the poller and its loop.

    topic partition → poll → (lane: decode → validate → compact → write, one MySQL transaction) → inform Kafka

Only this thread touches Kafka's consumer. It never waits for MySQL: lanes do, and report back. While a lane is overfull
its partitions are not fetched and polling goes on, so that a long outage of the database costs neither memory nor the
membership in the group.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import SimpleQueue

import structlog

from stream.declaration.service_tables import ERASURE
from stream.engine import watch
from stream.engine.assigned import Assigned, State
from stream.engine.assignment import SUSPENDED_SECONDS, Assignment
from stream.engine.flood_guard import FloodGuard
from stream.engine.goal import Goal
from stream.engine.lane import Lane
from stream.engine.messages import BatchApplied, BatchFenced, Crashed, Report, Review, Survey
from stream.engine.metrics import Metrics
from stream.engine.options import Ending, EngineOptions
from stream.engine.waiting import Waiting
from stream.engine.workers import Workers
from stream.errors import TerminalError, Trouble
from stream.every import Every
from stream.kafka.source import Fetched, Source
from stream.mysql.rows import WrittenSlice
from stream.records import Batch, Claim, TopicPartition, summary

log = structlog.get_logger(__name__)

FULL_LANE_WAIT_SECONDS = 0.5
"""The poller's wait for a full lane before it stops fetching for that lane: to stop at once throws away what is fetched
ahead, which halved the rate."""

CHORES_SECONDS = 1.0
"""The period in which offsets go to Kafka, gauges are set and doubts are looked into."""

REVIEW_SECONDS = 5.0
"""The period in which lanes compare claims with progress, where no survey comes. A restored backup, or a replica that
lagged and took over, may set progress back where no record comes that would meet the fence."""

REVOKE_SECONDS_MAX = 5.0
"""A revocation's longest wait for batches in flight; the heir reads the rest again."""

DRAIN_SECONDS_MAX = 20.0
"""A stop's longest wait for batches in flight: less than the 30 s after which Kubernetes kills."""


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
        self.lanes = list(lanes)
        self._reports = reports
        self._source = source
        self._assignment = Assignment(source, self._lane_of, metrics, stop_remedy=options.stop_remedy)
        self._flood_guard = FloodGuard(options.dead_letter_ratio_max)
        self._applied_offsets = applied_offsets
        self._workers = workers
        self._goal: Goal | None = None
        self._stopping = threading.Event()
        self._chores = Every(CHORES_SECONDS)
        self._reviews = Every(REVIEW_SECONDS)

    def stop(self) -> None:
        """Ask the loop to finish what is in flight and end; safe in a signal handler and from any thread."""
        self._stopping.set()

    def run(self) -> Ending:
        """Poll and hand over until told to stop; then finish what is in flight. Raises TerminalError where going on
        makes no sense, and ConfigurationError."""
        for lane in self.lanes:
            lane.start()
        try:
            topics = self.options.topics
            if self.options.is_until_caught_up:
                ends, waiting = self._source.end_offsets(topics), Waiting("goal", self.metrics)
                self._goal = Goal(ends, self._applied_offsets, self._workers.have_finished, waiting)
            self._source.subscribe(topics, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost)
            ending = self._loop()
            return ending if self._drain() else Ending.UNFINISHED
        finally:
            for lane in self.lanes:
                lane.stop()
            self._source.close()
            for lane in self.lanes:
                lane.join(timeout=REVOKE_SECONDS_MAX)

    def _loop(self) -> Ending:
        """The loop: a turn is a poll and what follows from it."""
        while not self._stopping.is_set():
            self.turned_at = time.monotonic()
            self._take_reports()
            self._assignment.settle()
            fetched = self._source.poll(self.options.batch_records_max, self.options.linger_seconds)
            for lane, batch in self._batches(fetched).items():
                lane.offer(batch, FULL_LANE_WAIT_SECONDS)
            if self._chores.take():
                self._do_chores()
                if self._goal:
                    self._workers.require_sound()
                if self._goal and self.has_joined and self._goal.is_reached(self._assignment.partitions):
                    is_any_resting = any(each.is_resting for each in self._assignment.partitions.values())
                    return Ending.UNFINISHED if is_any_resting else Ending.CAUGHT_UP
        return Ending.DRAINED

    # From polled records to lanes.

    def _batches(self, fetched: Mapping[TopicPartition, Fetched]) -> dict[Lane, Batch]:
        """A batch for each lane that has anything to do."""
        now = time.monotonic()
        batches: dict[Lane, Batch] = {}
        for partition, part in fetched.items():
            assigned = self._assignment.reading(partition)
            if assigned is None:
                continue  # no longer ours to apply
            if part.is_astray:
                self._assignment.on_astray(assigned)
            elif (slice_ := assigned.take(part)) is not None:
                batches.setdefault(self._lane_of(partition), Batch([], now)).slices.append(slice_)
                self.metrics.records_received.labels(partition.topic).inc(len(slice_.records))
        return batches

    def _lane_of(self, topic_partition: TopicPartition) -> Lane:
        return self.lanes[topic_partition.partition % len(self.lanes)]

    # From lanes' reports to positions.

    def _take_reports(self) -> None:
        while not self._reports.empty():  # nobody else takes from it
            report = self._reports.get_nowait()
            match report:
                case BatchApplied():
                    self._on_applied(report)
                case Claim():
                    self._assignment.on_claimed(report)
                case BatchFenced():
                    self._assignment.on_fenced(report.claims)
                case Survey():
                    self._assignment.on_survey(report)
                    self._request_reviews(report)
                case Crashed():
                    raise TerminalError(
                        f"thread {report.thread} ended unexpectedly; the log line `thread crashed` says where. Nothing "
                        "is lost: what it had not committed is done again"
                    ) from report.error

    def _on_applied(self, applied: BatchApplied) -> None:
        for written in applied.written:
            if ERASURE.name in written.rows:
                self._workers.wake_eraser()
            self._guard_against_flood(written)

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
        log.info("assigned", partitions=summary(partitions))
        self._count_partitions()

    def on_revoke(self, partitions: list[TopicPartition]) -> None:
        """Finish what is in flight, within a budget; what remains is the heir's to read again."""
        self.metrics.rebalances.labels("revoked").inc()
        _wait_until_idle({self._lane_of(partition) for partition in partitions}, REVOKE_SECONDS_MAX)
        self._take_reports()
        held = self._assignment.partitions
        self._inform([held[partition] for partition in partitions if partition in held], wait=True)
        self._assignment.forget(partitions)
        self._count_partitions()
        log.info("revoked", partitions=summary(partitions))

    def on_lost(self, partitions: list[TopicPartition]) -> None:
        """They are another's already: throw everything away. A write under way is fenced."""
        self.metrics.rebalances.labels("lost").inc()
        self._assignment.forget(partitions)
        self._count_partitions()
        log.warning("lost", partitions=summary(partitions), effect="the group gives them out again")

    # Once a second.

    def _do_chores(self) -> None:
        if self._source.is_cut_off():
            self._join_anew()
        self._assignment.look_again()
        self._inform(self._assignment.partitions.values())
        for assigned in self._assignment.partitions.values():
            watch.tell_lag(self.metrics, assigned)
        self._count_partitions()
        if self._reviews.is_due():
            self._request_reviews(None)

    def _join_anew(self) -> None:
        """Kafka's client is of no more use: begin again with another, as after a restart."""
        log.warning("joining anew", why="Kafka's client lost sight of the brokers, and they answer others")
        self.metrics.retries.labels(Trouble.CLIENT_CUT_OFF).inc()
        self.on_lost(list(self._assignment.partitions))
        self.has_joined = False
        self._source.replace()

    def _inform(self, partitions: Iterable[Assigned], *, wait: bool = False) -> None:
        """Tell Kafka the offsets that lanes applied since it was last told, for tools that show lag."""
        moved = {
            assigned: offset
            for assigned in partitions
            if (offset := assigned.applied_offset) is not None and offset != assigned.informed_offset
        }
        self._source.inform({assigned.topic_partition: offset for assigned, offset in moved.items()}, wait=wait)
        for assigned, offset in moved.items():
            assigned.informed_offset = offset

    def _request_reviews(self, survey: Survey | None) -> None:
        """Have the lanes compare their claims with progress, and with the ends that a survey found."""
        self._reviews.restart()
        ends, asked_at_ms = ({}, 0) if survey is None else (survey.ends, survey.asked_at_ms)
        claims = [assigned.claim for assigned in self._assignment.all_in(State.READING) if assigned.claim]
        for lane in self.lanes:
            own = [claim for claim in claims if self._lane_of(claim.topic_partition) is lane]
            lane.request_review(Review({claim: ends.get(claim.topic_partition) for claim in own}, asked_at_ms))

    def _count_partitions(self) -> None:
        watch.tell_partitions(self.metrics, self.options.topics, self._assignment)

    # The end.

    def _drain(self) -> bool:
        """Finish what the lanes have; whether they could."""
        is_drained = _wait_until_idle(self.lanes, DRAIN_SECONDS_MAX)
        self._take_reports()
        self._inform(self._assignment.partitions.values(), wait=True)
        return is_drained

    # What health, the surveyor, and whoever watches a replay ask from their own threads.

    def assigned(self) -> list[Assigned]:
        """The partitions that this process holds."""
        return list(self._assignment.partitions.values())

    def applied(self) -> dict[TopicPartition, int]:
        """The next offset to apply, of each partition that this process has claimed."""
        offsets = {each: assigned.applied_offset for each, assigned in list(self._assignment.partitions.items())}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    def stuck(self) -> list[str]:
        waits = [*(lane.waiting for lane in self.lanes), *(each.waiting for each in self._workers.all.values())]
        return watch.stuck(waits, self.turned_at, time.monotonic())

    def unready(self) -> list[str]:
        workers = self._workers.all.values()
        trouble = self._source.trouble
        return watch.unready(self._assignment, self.lanes, workers, has_joined=self.has_joined, kafka_trouble=trouble)


def _wait_until_idle(lanes: Iterable[Lane], seconds: float) -> bool:
    """Whether no batch waits or is at work in any of the lanes, by then."""
    deadline = time.monotonic() + seconds
    return all(lane.wait_until_idle(max(0.0, deadline - time.monotonic())) for lane in lanes)
