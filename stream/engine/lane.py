"""A lane: one thread with one MySQL connection that applies the batches of its share of the partitions.

Decoding overlaps with the server's work on another lane's batch. A partition is in one lane, so its order holds.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

import structlog

from stream.engine.metrics import Metrics
from stream.engine.workers import WorkerCrashed
from stream.errors import Fenced, RegistryUnavailable, TransientError
from stream.kafka.source import REMEDIES as KAFKA_REMEDIES
from stream.logging_setup import calls_of
from stream.mysql.bisect import DecodedSlice, WrittenSlice
from stream.mysql.connection import remedy
from stream.mysql.write import Writer
from stream.records import Batch, Claim, TopicPartition
from stream.schemas.decoder import Decoder
from stream.schemas.registry import REMEDIES as REGISTRY_REMEDIES
from stream.schemas.registry import Registry
from stream.schemas.store import Readers, confluent_id
from stream.stages.decode import decode, unknown_headers

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

INBOX_BATCHES_MAX = 3
"""Batches that wait or are at work in a lane. What is polled comes in runs of one partition, and so of one lane: with
less room the poller waits for the full lane while the other has nothing to do."""

PING_SECONDS = 2.0
"""How often an idle lane shows the server that it lives, well within `IDLE_SECONDS_MAX`."""

RETRY_WAIT_SECONDS_FIRST = 0.1
RETRY_WAIT_SECONDS_MAX = 5.0
"""Back at work at most this long after the database is."""

LOG_EVERY_ATTEMPTS = 10

REMEDIES = {**REGISTRY_REMEDIES, **KAFKA_REMEDIES}
"""What a person does where others than MySQL are to blame."""

UNKNOWN_ID_GRACE_SECONDS = 10.0
"""How old a record must be until an id that the registry doesn't know is its own fault: the registry may be a replica
that lags. Counted from Kafka's timestamp, so that a log full of such records is not waited for one by one."""


@dataclass(frozen=True, slots=True)
class ClaimWanted:
    """The poller asks for a partition to be claimed, while `is_wanted` says that it still holds it."""

    topic_partition: TopicPartition
    topic_id: str
    first_offset: int
    is_wanted: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class ReviewWanted:
    """The poller asks whether progress still bears out these claims."""

    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True)
class CompletionWanted:
    """The poller knows where these partitions ended at a moment (Kafka's milliseconds)."""

    asked_at_ms: int
    ends: Sequence[tuple[Claim, int]]


@dataclass(frozen=True, slots=True)
class PartitionClaimed:
    wanted: ClaimWanted
    claim: Claim


@dataclass(frozen=True, slots=True)
class BatchApplied:
    written: Sequence[WrittenSlice]


@dataclass(frozen=True, slots=True)
class BatchFenced:
    """Nothing of the batch was written; its claims are dead."""

    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True)
class LaneCrashed:
    error: BaseException


TopicIds = Callable[[Collection[str]], Mapping[str, str]]
"""Asks for Kafka's ids of topics; may raise KafkaUnavailable."""

Report = PartitionClaimed | BatchApplied | BatchFenced | LaneCrashed | WorkerCrashed


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
        self.moved_at = time.monotonic()
        """When this thread last showed that it isn't stuck, in `time.monotonic()` seconds."""
        self.trouble: str | None = None
        """Why the work at hand is being tried again; None while all is well."""
        self._writer = writer
        self._decoder = decoder
        self._topic_ids = topic_ids
        self._metrics = metrics
        self._report = report
        self._inbox: SimpleQueue[Batch | ClaimWanted | ReviewWanted | CompletionWanted | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._batches_pending = 0
        self._is_review_pending = False
        self._is_completion_pending = False

    # What the poller calls.

    def offer(self, batch: Batch, timeout_seconds: float) -> bool:
        """Hand over a batch; False where the inbox stays full for that long."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._batches_pending < INBOX_BATCHES_MAX, timeout_seconds):
                return False
            self._batches_pending += 1
        self._inbox.put(batch)
        return True

    def want_claim(self, wanted: ClaimWanted) -> None:
        self._inbox.put(wanted)

    def want_review(self, claims: Sequence[Claim]) -> None:
        """Look whether progress still bears out claims; while one such question waits, others are passed over."""
        if claims and not self._is_review_pending:
            self._is_review_pending = True
            self._inbox.put(ReviewWanted(claims))

    def want_completion(self, asked_at_ms: int, ends: Sequence[tuple[Claim, int]]) -> None:
        """Note those of the partitions that have reached their end, once the batches before this are applied; while one
        such wish waits, others are passed over."""
        if ends and not self._is_completion_pending:
            self._is_completion_pending = True
            self._inbox.put(CompletionWanted(asked_at_ms, ends))

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
        try:
            while not self._stopping.is_set():
                self._take_turn()
        except BaseException as error:  # noqa: BLE001 - a dead lane must stop the process, not starve its partitions
            log.error("lane crashed", lane=self.name, error=type(error).__name__, calls=calls_of(error))
            self._report(LaneCrashed(error))
        finally:
            self._writer.close()

    def _take_turn(self) -> None:
        self.moved_at = time.monotonic()
        try:
            work = self._inbox.get(timeout=PING_SECONDS)
        except Empty:
            self._writer.ping()
            return
        match work:
            case ClaimWanted():
                self._claim(work)
            case ReviewWanted():
                self._review(work.claims)
                self._is_review_pending = False
            case CompletionWanted():
                self._complete(work)
                self._is_completion_pending = False
            case Batch():
                try:
                    self._apply(work)
                finally:
                    self._finished()

    def _finished(self) -> None:
        with self._changed:
            self._batches_pending -= 1
            self._changed.notify_all()

    def _claim(self, wanted: ClaimWanted) -> None:
        claim = self._persist(
            lambda: self._writer.claim(wanted.topic_partition, wanted.topic_id, wanted.first_offset),
            wanted.is_wanted,
            topic=wanted.topic_partition.topic,
            partition=wanted.topic_partition.partition,
        )
        if claim is not None:
            self._report(PartitionClaimed(wanted, claim))

    def _review(self, claims: Sequence[Claim]) -> None:
        """Give up the claims that progress no longer bears out: a backup was restored, or a replica that lagged took
        over. On a partition where nothing comes, no write would meet the fence.
        """
        try:
            stale = self._writer.stale([one for one in claims if one.is_held])
        except TransientError as error:
            self._metrics.retries.labels(error.reason).inc()
            return  # the poller asks again within seconds
        if stale:
            self._give_up(stale, Fenced([one.topic_partition for one in stale]))

    def _complete(self, wanted: CompletionWanted) -> None:
        """Note which partitions are complete through the moment at which their ends were asked for.

        Those that rest, or are no longer ours, stay as they are: their claims are given up.
        """
        complete = [claim for claim, end in wanted.ends if claim.is_held and claim.next_offset >= end]
        try:
            self._writer.complete(complete, wanted.asked_at_ms)
        except TransientError as error:
            self._metrics.retries.labels(error.reason).inc()  # the poller asks again within seconds

    def _apply(self, batch: Batch) -> None:
        """Decode once, write until it is done or no longer ours to do."""
        self._give_up_foreign(batch)
        if self._decoder.registry is not None:
            self._learn_schemas(batch, self._decoder.registry)
        started = time.monotonic()
        slices = [
            DecodedSlice(one, decode(one.records, self._decoder.readers[one.topic_partition.topic]))
            for one in batch.slices
            if one.claim.is_held
        ]
        decoded_at = time.monotonic()

        def held() -> list[DecodedSlice]:
            return [one for one in slices if one.slice.claim.is_held]

        try:
            written = self._persist(lambda: self._writer.write(held()), lambda: bool(held()))
        except Fenced as fenced:
            self._give_up([one.slice.claim for one in held()], fenced)
            return
        if written is None:
            return
        done = time.monotonic()
        self._metrics.batch_records.observe(batch.record_count)
        self._metrics.batch_decode_seconds.observe(decoded_at - started)
        self._metrics.batch_write_seconds.observe(done - decoded_at)
        self._metrics.batch_seconds.observe(done - batch.received_at)
        self._metrics.observe_written(written)
        self._metrics.observe_latency(slices)
        self._report(BatchApplied(written))

    def _give_up_foreign(self, batch: Batch) -> None:
        """Give up what may come from a topic that was made anew: its offsets have nothing to do with our progress.

        The poller looks once a second, and the client goes on in the new topic as if nothing had happened. Who asks
        after records were fetched, and finds the topic that was claimed, has that one's records.
        """
        ids = self._persist(
            lambda: self._topic_ids({one.topic_partition.topic for one in batch.slices}), lambda: _is_held(batch)
        )
        known = ids or {}
        foreign = [
            one.claim
            for one in batch.slices
            if one.claim.is_held and known.get(one.topic_partition.topic, one.claim.topic_id) != one.claim.topic_id
        ]
        if foreign:
            self._give_up(foreign, Fenced([one.topic_partition for one in foreign]))

    def _learn_schemas(self, batch: Batch, registry: Registry) -> None:
        """Have the registry explain the ids that a batch names and we don't know: nearly always none.

        Given up only where the batch is: what is then decoded without its schemas is not written.
        """
        for one in batch.slices:
            topic, partition = one.topic_partition
            readers = self._decoder.readers[topic]
            for header, latest_ms in unknown_headers(one.records, readers).items():
                question = self._question(registry, readers, header, latest_ms)
                self._persist(question, lambda: _is_held(batch), topic=topic, partition=partition)

    def _question(self, registry: Registry, readers: Readers, header: bytes, latest_ms: int) -> Callable[[], bool]:
        """An attempt to learn what an id means.

        An id that stays unknown beyond the grace is left unknown: its records are rejected, and the next batch that
        names it asks again.
        """
        schema_id = confluent_id(header)
        age_seconds = max(0.0, time.time() - latest_ms / 1000)
        grace_ends_at = time.monotonic() + UNKNOWN_ID_GRACE_SECONDS - age_seconds

        def ask() -> bool:
            source = registry.schema(schema_id)
            if source is not None:
                readers.learn(header, source)
            elif time.monotonic() < grace_ends_at:
                raise RegistryUnavailable("schema_not_yet_known", f"does not know schema id {schema_id} yet")
            return True

        return ask

    def _give_up(self, claims: Sequence[Claim], fenced: Fenced) -> None:
        """These partitions have to be claimed and read again: of a transaction all, for it failed as a whole."""
        for claim in claims:
            claim.is_held = False
        self._metrics.retries.labels(fenced.reason).inc()
        log.warning(
            "fenced",
            partitions=[str(one) for one in fenced.partitions],
            effect="nothing was written; asking the group whether the partitions are still ours",
        )
        self._report(BatchFenced(claims))

    def _persist(self, attempt: Callable[[], Result], is_wanted: Callable[[], bool], **where: object) -> Result | None:
        """Attempt again through every fault of the environment, while the work is wanted and we aren't stopping.

        Returns None where it no longer is. Raises Fenced, to which trying again is no answer.
        """
        failures = 0
        try:
            while is_wanted() and not self._stopping.is_set():
                self.moved_at = time.monotonic()
                try:
                    result = attempt()
                except Fenced:
                    raise
                except TransientError as error:
                    wait = _retry_wait_seconds(failures)
                    self._note_trouble(error, failures, wait, where)
                    failures += 1
                    self._stopping.wait(wait)
                    self._writer.ping()  # whoever it waits for: MySQL must not take the lane for dead
                else:
                    if failures:
                        log.info("works again", lane=self.name, attempts=failures + 1, **where)
                    return result
            return None
        finally:
            self.trouble = None  # also where the work is given up

    def _note_trouble(self, error: TransientError, failures: int, wait: float, where: Mapping[str, object]) -> None:
        """Count it; say it when it is new, and now and then while it lasts."""
        is_new = self.trouble != str(error)
        self.trouble = str(error)
        self._metrics.retries.labels(error.reason).inc()
        if is_new or failures % LOG_EVERY_ATTEMPTS == 0:
            log.warning(
                "trying again",
                lane=self.name,
                why=str(error),
                todo=REMEDIES.get(error.reason) or remedy(error),
                attempt=failures + 1,
                wait_seconds=round(wait, 2),
                **where,
            )


def _is_held(batch: Batch) -> bool:
    return any(one.claim.is_held for one in batch.slices)


def _retry_wait_seconds(failures: int) -> float:
    """Doubles with each failure up to a bound, with jitter, so that lanes and processes don't retry in step."""
    wait: float = min(RETRY_WAIT_SECONDS_FIRST * 2 ** min(failures, 10), RETRY_WAIT_SECONDS_MAX)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
