"""A lane: one thread with one MySQL connection that applies the batches of its share of the partitions.

Decoding overlaps with the server's work on another lane's batch. A partition is in one lane, so its order holds.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from queue import Empty, SimpleQueue

import structlog

from stream.engine.messages import BatchApplied, BatchFenced, Report, Review, crash_reported
from stream.engine.metrics import Metrics
from stream.engine.retry import Retry
from stream.engine.waiting import Waiting
from stream.errors import Fenced
from stream.mysql.rows import WrittenSlice
from stream.mysql.write import Writer
from stream.records import Batch, Claim, summary
from stream.schemas.decoder import Decoder
from stream.schemas.questions import GivenUp, Questions
from stream.stages.decode import DecodedSlice, decode_slice

log = structlog.get_logger(__name__)

INBOX_BATCHES_MAX = 3
"""Batches that wait or are at work in a lane before it is full. What is polled comes in runs of one partition, and so
of one lane: with less room the poller waits for the full lane while the other has nothing to do."""

PING_SECONDS = 2.0
"""The period in which an idle lane shows the server that it lives, well within `IDLE_SECONDS_MAX`."""

MYSQL, KAFKA, REGISTRY = "MySQL", "Kafka", "the schema registry"
"""Whom a lane asks, as /readyz names them."""

TopicIds = Callable[[Collection[str]], Mapping[str, str]]
"""Asks for Kafka's ids of topics; may raise KafkaUnavailable."""


class Lane(threading.Thread):
    """Takes work from an inbox that the poller fills, and puts reports where the poller reads them."""

    def __init__(
        self,
        name: str,
        writer: Writer,
        decoder: Decoder,
        topic_ids: TopicIds,
        metrics: Metrics,
        report: Callable[[Report], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._writer = writer
        self._decoder = decoder
        self._topic_ids = topic_ids
        self._metrics = metrics
        self._report = report
        self._inbox: SimpleQueue[Batch | Claim | Review | None] = SimpleQueue()
        self._stopping = threading.Event()
        self.waiting = Waiting(name, metrics)
        self._retry = Retry(self.waiting, self._stopping, keep_alive=writer.keep_alive)
        self._given_up_ids: GivenUp = {}
        self._changed = threading.Condition()
        self._batches_pending = 0
        """Raised by the poller, lowered by the lane, under `_changed`."""
        self._is_review_pending = False
        """Set by the poller, cleared by the lane."""

    # What decides about a record: from a batch to its rows, read downwards.

    def apply(self, batch: Batch) -> None:
        """Decode once, write until it is done or no longer ours to do."""
        self._give_up_recreated(batch)
        self._learn_schemas(batch)
        started = time.monotonic()
        decoded = [decode_slice(each, self._decoder.readers[each.topic_partition.topic]) for each in batch.held_slices]
        decoded_at = time.monotonic()
        try:
            written = self._retry(MYSQL, lambda: self._writer.write(_held(decoded)), while_=lambda: batch.held_slices)
        except Fenced as fenced:
            self._give_up([each.claim for each in batch.held_slices], fenced)
            return
        if written is not None:  # else nothing of the batch is ours any more
            self._observe(batch, decoded, written, started, decoded_at)
            self._report(BatchApplied(written))

    def _give_up_recreated(self, batch: Batch) -> None:
        """Give up what may come from a recreated topic: its offsets have nothing to do with our progress. The poller
        looks once a second, and the client goes on in the new topic as if nothing had happened. A lane that asks after
        records were fetched, and finds the topic that was claimed, has that topic's records."""
        ids = self._retry(KAFKA, lambda: self._topic_ids(batch.topics), while_=lambda: batch.held_slices) or {}
        recreated = [each.claim for each in batch.held_slices if each.claim.is_of_another_topic(ids)]
        if recreated:
            self._give_up(recreated, Fenced([claim.topic_partition for claim in recreated]))

    def _learn_schemas(self, batch: Batch) -> None:
        """Have the registry explain the ids that a batch names and we don't know: nearly always none. Given up only
        where the batch is: what is then decoded without its schemas is not written."""
        if self._decoder.registry is None:
            return
        questions = Questions(self._decoder.registry, self._given_up_ids)
        for each in batch.slices:
            questions.add(self._decoder.readers[each.topic_partition.topic], each.records)
        if questions:
            self._retry(
                REGISTRY, questions.ask_until_known, while_=lambda: batch.held_slices, topics=sorted(batch.topics)
            )

    def _give_up(self, claims: Sequence[Claim], fenced: Fenced) -> None:
        """These partitions have to be claimed and read again: of a transaction all, for it failed as a whole."""
        for claim in claims:
            claim.give_up()
        self._metrics.retries.labels(fenced.reason).inc()
        log.warning(
            "fenced",
            partitions=summary(fenced.partitions),
            effect="nothing was written; asking the group whether the partitions are still ours",
        )
        self._report(BatchFenced(claims))

    def _observe(
        self, batch: Batch, decoded: list[DecodedSlice], written: list[WrittenSlice], started: float, decoded_at: float
    ) -> None:
        done = time.monotonic()
        self._metrics.batch_records.observe(batch.record_count)
        self._metrics.batch_decode_seconds.observe(decoded_at - started)
        self._metrics.batch_write_seconds.observe(done - decoded_at)
        self._metrics.batch_seconds.observe(done - batch.received_at)
        self._metrics.observe_written(written)
        self._metrics.observe_latency(decoded)

    # What the poller calls.

    def offer(self, batch: Batch, wait_seconds: float) -> None:
        """Hand over a batch; where the lane is full, wait so long for room, and make it overfull then."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches_pending < INBOX_BATCHES_MAX, wait_seconds)
            self._batches_pending += 1
        self._inbox.put(batch)

    @property
    def is_overfull(self) -> bool:
        """Whether the lane has more than it should: then nothing is fetched for it."""
        return self._batches_pending > INBOX_BATCHES_MAX

    def request_claim(self, claim: Claim) -> None:
        self._inbox.put(claim)

    def request_review(self, review: Review) -> None:
        """Look at claims once the batches before this are applied; while one review waits, others are passed over."""
        if review.ends and not self._is_review_pending:
            self._is_review_pending = True
            self._inbox.put(review)

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Whether no batch waits or is at work, by then."""
        with self._changed:
            return self._changed.wait_for(lambda: self._batches_pending == 0, timeout_seconds)

    def stop(self) -> None:
        """End after the work at hand; what is retried is given up."""
        self._stopping.set()
        self._inbox.put(None)

    # What the thread does.

    def run(self) -> None:
        with crash_reported(self.name, self._report):
            try:
                while not self._stopping.is_set():
                    self._take_turn()
            finally:
                self._writer.close()

    def _take_turn(self) -> None:
        self.waiting.moved_at = time.monotonic()
        try:
            work = self._inbox.get(timeout=PING_SECONDS)
        except Empty:
            self._retry.once(MYSQL, self._writer.ping, is_ping=True)
            return
        match work:
            case Batch():
                try:
                    self.apply(work)
                finally:
                    self._note_finished()
            case Claim():
                self._claim(work)
            case Review():
                self._review(work)
                self._is_review_pending = False

    def _note_finished(self) -> None:
        with self._changed:
            self._batches_pending -= 1
            self._changed.notify_all()

    def _claim(self, claim: Claim) -> None:
        topic, partition = claim.topic_partition
        grant = partial(self._writer.claim, claim)
        self._retry(MYSQL, grant, while_=lambda: claim.is_held, topic=topic, partition=partition)
        if claim.is_granted:
            self._report(claim)

    def _review(self, review: Review) -> None:
        """Give up the claims that progress no longer bears out: a backup was restored, or a replica that lagged took
        over. On a partition where nothing comes, no write would meet the fence.

        And note which partitions are complete through the moment at which their ends were asked for. Those that rest,
        or are no longer ours, stay as they are: their claims are given up.
        """
        held = {claim: end for claim, end in review.ends.items() if claim.is_held}
        at_end = [claim for claim, end in held.items() if end is not None and claim.next_offset >= end]
        # Where no answer comes, the poller asks again within seconds.
        stale = self._retry.once(MYSQL, lambda: self._writer.review(list(held), at_end, review.asked_at_ms))
        if stale:
            self._give_up(stale, Fenced([claim.topic_partition for claim in stale]))


def _held(decoded: Sequence[DecodedSlice]) -> list[DecodedSlice]:
    return [each for each in decoded if each.slice.claim.is_held]
