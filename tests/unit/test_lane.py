"""A lane on its own thread: what it does when its writer fails, and what it throws away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream.counts import RecordCounts
from stream.engine import retry
from stream.engine.lane import INBOX_BATCHES_MAX, Lane
from stream.engine.messages import BatchApplied, BatchFenced, Crashed, Review
from stream.engine.metrics import Metrics
from stream.errors import (
    DatabaseUnavailable,
    Fenced,
    KafkaUnavailable,
    Reason,
    RegistryUnavailable,
    TransactionConflict,
    Trouble,
)
from stream.mysql.rows import Upserted, WrittenSlice
from stream.records import Batch, Claim, Record, Slice, TopicPartition
from stream.schemas import questions
from stream.schemas.decoder import Decoder
from stream.schemas.framing import confluent_header
from stream.schemas.questions import GIVEN_UP_IDS_MAX, UNKNOWN_IDS_MAX, Questions
from stream.schemas.store import SchemaStore
from stream.stages.decode import DecodedSlice
from tests import events
from tests.waiting import wait_for

TRIP_0, TRIP_1 = TopicPartition("trip", 0), TopicPartition("trip", 1)


class ScriptedWriter:
    """Does what each attempt is told to do: raise, or write."""

    def __init__(self, *script: BaseException | None) -> None:
        self.script = list(script)
        self.attempts: list[Any] = []
        self.written: list[Sequence[DecodedSlice]] = []
        self.is_closed = False
        self.away: Exception | None = None
        """The answer to a ping, where there is none."""
        self.gone: list[TopicPartition] = []
        """Where progress is not as we left it."""
        self.before: Callable[[], None] = lambda: None

    def _next(self) -> None:
        self.before()
        step = self.script.pop(0) if self.script else None
        if step is not None:
            raise step

    def write(self, slices: Sequence[DecodedSlice]) -> list[WrittenSlice]:
        self.attempts.append([one.slice for one in slices])
        self._next()
        self.written.append(slices)
        counts = [RecordCounts(len(one.slice.records), 0, 0, len(one.slice.records)) for one in slices]
        return [WrittenSlice(one.slice, count, Upserted({})) for one, count in zip(slices, counts, strict=True)]

    def claim(self, claim: Claim) -> None:
        self.attempts.append(claim)
        self._next()
        claim.grant(claim.topic_id, 1, claim.next_offset)

    def review(self, claims: Sequence[Claim], at_end: Sequence[Claim], moment_ms: int) -> list[Claim]:
        self.attempts.append((list(claims), list(at_end), moment_ms))
        self._next()
        return [claim for claim in claims if claim.topic_partition in self.gone]

    def ping(self) -> None:
        if self.away is not None:
            raise self.away

    def keep_alive(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True


class ScriptedRegistry:
    """Answers each question as it is told to: an error, or a schema, or None where it doesn't know the id."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.asked: list[int] = []

    def schema(self, schema_id: int) -> Any:
        self.asked.append(schema_id)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedBrokers:
    """Say which ids topics have, once they have failed to answer so many times."""

    def __init__(self, failures: int = 0, **ids: str) -> None:
        self.failures = failures
        self.ids = ids

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        if self.failures:
            self.failures -= 1
            raise KafkaUnavailable("away")
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}


class Running:
    def __init__(
        self, writer: ScriptedWriter, registry: ScriptedRegistry | None = None, brokers: ScriptedBrokers | None = None
    ) -> None:
        self.reports: SimpleQueue[Any] = SimpleQueue()
        self.metrics = Metrics()
        readers = {"trip": SchemaStore(ids={}).readers("trip")}
        decoder = Decoder(readers, registry)  # type: ignore[arg-type]
        topic_ids = (brokers or ScriptedBrokers(trip="id")).topic_ids
        self.lane = Lane("lane-0", writer, decoder, topic_ids, self.metrics, self.reports.put)  # type: ignore[arg-type]
        self.lane.start()

    def report(self) -> Any:
        return self.reports.get(timeout=10)

    def retries(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("stream_retries_total", {"reason": reason}) or 0.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    monkeypatch.setattr(retry, "WAIT_SECONDS_FIRST", 0.001)
    monkeypatch.setattr(retry, "WAIT_SECONDS_MAX", 0.002)
    started: list[Running] = []

    def start(writer: ScriptedWriter, *others: Any) -> Running:
        started.append(Running(writer, *others))
        return started[-1]

    yield start
    for one in started:
        one.lane.stop()
        one.lane.join(10)
        assert not one.lane.is_alive()


def batch(*claims: Claim) -> Batch:
    records = [Record(0, 0, b"k", b"nonsense")]
    return Batch([Slice(claim, 0, 1, list(records)) for claim in claims], 0.0)


def claim(where: TopicPartition = TRIP_0) -> Claim:
    return Claim(where, "id", 1, 0)


def review(*claims: Claim) -> Review:
    return Review(dict.fromkeys(claims), 0)


RunLane = Callable[..., Running]


def test_partitions_that_reached_their_ends_are_complete_once_the_batches_before_are_applied(run: RunLane) -> None:
    writer = ScriptedWriter(None, None, DatabaseUnavailable(Trouble.UNREACHABLE, 2003))
    running = run(writer)
    mine, behind, unknown, given_up = claim(), claim(TRIP_1), claim(TRIP_1), claim(TRIP_1)
    given_up.is_held = False

    def applied() -> None:
        mine.next_offset = 1  # as the writer moves it on

    writer.before = applied
    running.lane.offer(batch(mine), 0)
    running.lane.request_review(Review({mine: 1, behind: 1, unknown: None, given_up: 0}, 7))
    assert isinstance(running.report(), BatchApplied)
    wait_for(lambda: writer.attempts[1:] == [([mine, behind, unknown], [mine], 7)], "what is complete")
    wait_for(lambda: not running.lane._is_review_pending, "the lane")
    running.lane.request_review(Review({}, 8))
    running.lane.request_review(Review({mine: 1}, 9))
    wait_for(lambda: running.retries("unreachable") == 1, "a review that failed, and waits for the next")
    assert len(writer.attempts) == 3
    assert running.lane.is_alive()


def test_a_review_gives_up_what_progress_does_not_bear_out(run: RunLane) -> None:
    writer = ScriptedWriter(None, DatabaseUnavailable(Trouble.UNREACHABLE, 2003))
    writer.gone = [TRIP_1]
    running = run(writer)
    mine, gone, given_up = claim(), claim(TRIP_1), claim(TRIP_1)
    given_up.is_held = False
    running.lane.request_review(review(mine, gone, given_up))
    report = running.report()
    assert isinstance(report, BatchFenced)
    assert report.claims == [gone]
    assert (mine.is_held, gone.is_held) == (True, False)
    assert writer.attempts == [([mine, gone], [], 0)]
    wait_for(lambda: not running.lane._is_review_pending, "the lane")
    running.lane.request_review(review(mine))
    wait_for(lambda: running.retries("unreachable") == 1, "a review that failed")
    assert mine.is_held, "nothing is known"


def test_one_review_waits_at_a_time(run: RunLane) -> None:
    """A lane that is stuck for an hour must not find a thousand of them."""
    writer = ScriptedWriter()
    held_up = threading.Event()

    def wait() -> None:
        assert held_up.wait(10)

    writer.before = wait
    running = run(writer)
    for _ in range(5):
        running.lane.request_review(review(claim()))
    held_up.set()
    running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied)
    assert len(writer.attempts) == 2
    running.lane.request_review(review(claim()))
    wait_for(lambda: len(writer.attempts) == 3, "the next review")


def test_a_batch_is_written_and_reported(run: RunLane) -> None:
    running = run(ScriptedWriter())
    one = claim()
    running.lane.offer(batch(one), 0)
    report = running.report()
    assert isinstance(report, BatchApplied)
    assert [written.slice.claim for written in report.written] == [one]
    assert running.lane.wait_until_idle(5)


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable(Trouble.CONNECTION_LOST, 2013), TransactionConflict(Trouble.DEADLOCK, 1213)]
)
def test_the_environments_faults_are_tried_again_until_it_works(run: RunLane, error: Exception) -> None:
    writer = ScriptedWriter(*[error] * 7)
    running = run(writer)
    running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied)
    assert len(writer.attempts) == 8
    assert running.retries(error.reason) == 7  # type: ignore[attr-defined]
    assert running.lane.waiting.trouble is None


def test_while_it_tries_again_it_says_why_and_moves(run: RunLane) -> None:
    writer = ScriptedWriter(*[DatabaseUnavailable(Trouble.DISK_FULL, 1114)] * 1_000_000)
    running = run(writer)
    one = claim()
    running.lane.offer(batch(one), 0)
    wait_for(lambda: running.lane.waiting.trouble, "its trouble")
    assert "disk_full" in (running.lane.waiting.trouble or "")
    before = running.lane.waiting.moved_at
    wait_for(lambda: running.lane.waiting.moved_at > before, "a move")
    one.is_held = False
    assert running.lane.wait_until_idle(10)
    assert running.lane.waiting.trouble is None, "what is given up is no trouble any more"


def test_an_idle_lane_says_that_mysql_is_away_and_that_it_is_back(
    run: RunLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.engine.lane.PING_SECONDS", 0.01)
    writer = ScriptedWriter()
    writer.away = DatabaseUnavailable(Trouble.UNREACHABLE, 2003)
    running = run(writer)
    wait_for(lambda: "unreachable" in (running.lane.waiting.why() or ""), "its trouble")
    assert running.retries("unreachable") >= 1
    writer.away = None
    wait_for(lambda: running.lane.waiting.why() is None, "the end of its trouble")


def test_each_new_trouble_is_said_with_what_to_do(run: RunLane) -> None:
    lost, read_only = DatabaseUnavailable(Trouble.CONNECTION_LOST, 2013), DatabaseUnavailable(Trouble.READ_ONLY, 1290)
    with capture_logs() as logs:
        running = run(ScriptedWriter(lost, read_only, read_only, read_only))
        running.lane.offer(batch(claim()), 0)
        running.report()
    said = [(line["attempt"], line["why"], bool(line["todo"])) for line in logs if line["event"] == "trying again"]
    assert said == [(1, str(lost), True), (2, str(read_only), True)]
    assert [line["attempts"] for line in logs if line["event"] == "works again"] == [5]


def test_what_was_revoked_meanwhile_is_thrown_away(run: RunLane) -> None:
    writer = ScriptedWriter(DatabaseUnavailable(Trouble.UNREACHABLE, 2003))
    kept, gone = claim(TRIP_0), claim(TRIP_1)
    writer.before = lambda: setattr(gone, "is_held", False)
    running = run(writer)
    running.lane.offer(batch(kept, gone), 0)
    report = running.report()
    assert [[one.claim for one in attempt] for attempt in writer.attempts] == [[kept, gone], [kept]]
    assert [written.slice.claim for written in report.written] == [kept]


def test_records_of_an_earlier_claim_are_not_written(run: RunLane) -> None:
    writer = ScriptedWriter()
    running = run(writer)
    gone = claim()
    gone.is_held = False
    running.lane.offer(batch(gone), 0)
    assert running.lane.wait_until_idle(5)
    assert writer.attempts == []
    assert running.reports.empty()


def test_a_fence_gives_up_every_claim_of_the_batch_and_what_waits_behind(run: RunLane) -> None:
    """The whole transaction failed: its other partitions have to be read again as well."""
    writer = ScriptedWriter(Fenced([TRIP_0]))
    stolen, other = claim(TRIP_0), claim(TRIP_1)
    running = run(writer)
    running.lane.offer(batch(stolen, other), 0)
    report = running.report()
    assert isinstance(report, BatchFenced)
    assert set(map(id, report.claims)) == {id(stolen), id(other)}
    assert not stolen.is_held
    assert not other.is_held
    assert len(writer.attempts) == 1, "trying again is no answer to a fence"
    assert running.retries("fenced") == 1


def test_what_may_come_from_a_topic_made_anew_is_given_up_unwritten(run: RunLane) -> None:
    writer = ScriptedWriter()
    old, new = claim(), Claim(TRIP_1, "id of the new one", 1, 0)
    running = run(writer, None, ScriptedBrokers(trip="id of the new one"))
    running.lane.offer(batch(old, new), 0)
    report = running.report()
    assert isinstance(report, BatchFenced)
    assert report.claims == [old]
    assert isinstance(running.report(), BatchApplied)
    assert [[one.claim for one in attempt] for attempt in writer.attempts] == [[new]]


def test_a_topic_that_is_gone_was_the_claimed_one(run: RunLane) -> None:
    running = run(ScriptedWriter(), None, ScriptedBrokers())
    running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied)


def test_brokers_that_do_not_answer_are_asked_again(run: RunLane) -> None:
    writer = ScriptedWriter()
    with capture_logs() as logs:
        running = run(writer, None, ScriptedBrokers(3, trip="id"))
        running.lane.offer(batch(claim()), 0)
        assert isinstance(running.report(), BatchApplied)
    assert len(writer.attempts) == 1
    assert running.retries("kafka_unavailable") == 3
    assert [line["todo"] for line in logs if line["event"] == "trying again"]


def test_a_claim_is_tried_again_until_it_works(run: RunLane) -> None:
    writer = ScriptedWriter(*[TransactionConflict(Trouble.LOCK_WAIT, 1205)] * 3)
    running = run(writer)
    running.lane.request_claim(Claim(TRIP_0, "id", next_offset=42))
    report = running.report()
    assert isinstance(report, Claim)
    assert report.next_offset == 42
    assert len(writer.attempts) == 4


def test_a_claim_that_nobody_wants_any_more_is_given_up(run: RunLane) -> None:
    writer = ScriptedWriter(*[DatabaseUnavailable(Trouble.UNREACHABLE, 2003)] * 1_000_000)
    running = run(writer)
    requested = Claim(TRIP_0, "id")
    running.lane.request_claim(requested)
    wait_for(lambda: len(writer.attempts) >= 3, "attempts")
    requested.give_up()
    wait_for(lambda: running.lane.waiting.trouble is None, "the end of the attempts")
    writer.script.clear()
    running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied), "no claim was reported before"


def test_a_lane_is_overfull_once_it_has_one_batch_too_many_and_no_longer_than_that(run: RunLane) -> None:
    writer = ScriptedWriter(*[DatabaseUnavailable(Trouble.UNREACHABLE, 2003)] * 1_000_000)
    running = run(writer)
    for _ in range(INBOX_BATCHES_MAX):
        running.lane.offer(batch(claim()), 0)
    states = [running.lane.is_overfull]
    running.lane.offer(batch(claim()), 0.01)
    states.append(running.lane.is_overfull)
    assert states == [False, True]
    assert not running.lane.wait_until_idle(0.01)
    writer.script.clear()
    running.lane.offer(batch(claim()), 10)
    assert not running.lane.is_overfull, "it waited for room"
    assert running.lane.wait_until_idle(10)


def test_a_crash_is_reported_and_the_connection_closed(run: RunLane) -> None:
    writer = ScriptedWriter(RuntimeError("a bug"))
    running = run(writer)
    with capture_logs() as lines:
        running.lane.offer(batch(claim()), 0)
        report = running.report()
    assert isinstance(report, Crashed)
    assert isinstance(report.error, RuntimeError)
    running.lane.join(5)
    assert writer.is_closed
    assert running.lane.wait_until_idle(1), "a revocation must not wait for a dead lane"
    crash = next(line for line in lines if line["event"] == "thread crashed")
    assert crash["error"] == "RuntimeError"
    assert any("lane.py" in call for call in crash["calls"])
    assert "a bug" not in str(lines), "an error's text may hold values"


def test_a_stop_gives_up_what_is_tried_again(run: RunLane) -> None:
    running = run(ScriptedWriter(*[DatabaseUnavailable(Trouble.UNREACHABLE, 2003)] * 1_000_000))
    running.lane.offer(batch(claim()), 0)
    wait_for(lambda: running.lane.waiting.trouble, "its trouble")
    running.lane.stop()
    running.lane.join(5)
    assert not running.lane.is_alive()


RATED = events.schema_file("TripRated").read_text()
DOWN = RegistryUnavailable(Trouble.REGISTRY_UNREACHABLE, "can't be reached")


def confluent_batch(*ids: int, age_seconds: float = 0.0) -> Batch:
    now_ms = int((time.time() - age_seconds) * 1000)
    body = events.body("TripRated", events.rating())
    records = [Record(number, now_ms, b"11", confluent_header(one) + body) for number, one in enumerate(ids)]
    return Batch([Slice(claim(), 0, len(ids), records)], 0.0)


def decoded(writer: ScriptedWriter) -> tuple[int, list[Reason]]:
    """How many records of the first batch were accepted, and why the others were not."""
    slices = writer.written[0]
    return len(slices[0].accepted), [rejection.reason for _, rejection in slices[0].rejected]


def test_a_registry_that_is_down_is_asked_again_and_nothing_is_rejected(run: RunLane) -> None:
    writer, registry = ScriptedWriter(), ScriptedRegistry(DOWN, DOWN, DOWN, RATED)
    with capture_logs() as logs:
        running = run(writer, registry)
        running.lane.offer(confluent_batch(4, 4, age_seconds=3600), 0)
        assert isinstance(running.report(), BatchApplied)
    assert decoded(writer) == (2, [])
    assert registry.asked == [4] * 4
    assert running.retries("registry_unreachable") == 3
    assert [bool(line["todo"]) and "errno" not in line["todo"] for line in logs if line["event"] == "trying again"]
    running.lane.offer(confluent_batch(4), 0)
    assert isinstance(running.report(), BatchApplied)
    assert registry.asked == [4] * 4, "an id is asked for once"


def test_while_the_registry_is_down_the_lane_says_why_and_can_be_told_to_give_up(run: RunLane) -> None:
    writer = ScriptedWriter()
    running = run(writer, ScriptedRegistry(DOWN))
    work = confluent_batch(4)
    running.lane.offer(work, 0)
    wait_for(lambda: running.lane.waiting.trouble, "its trouble")
    assert "schema registry" in (running.lane.waiting.trouble or "")
    work.slices[0].claim.is_held = False
    assert running.lane.wait_until_idle(10)
    assert writer.attempts == []


def test_a_stop_while_the_registry_is_down_rejects_nothing(run: RunLane) -> None:
    writer = ScriptedWriter()
    running = run(writer, ScriptedRegistry(DOWN))
    running.lane.offer(confluent_batch(4), 0)
    wait_for(lambda: running.lane.waiting.trouble, "its trouble")
    running.lane.stop()
    running.lane.join(5)
    assert writer.attempts == []


def test_an_unknown_id_is_the_registrys_fault_until_the_grace_is_over(
    run: RunLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "GRACE_SECONDS", 0.3)
    writer, registry = ScriptedWriter(), ScriptedRegistry(None)
    running = run(writer, registry)
    began = time.monotonic()
    running.lane.offer(confluent_batch(*range(4, 14), age_seconds=-3600), 0)  # a producer whose clock is ahead
    assert isinstance(running.report(), BatchApplied)
    assert 0.29 <= time.monotonic() - began < 2, "one grace for all ten"
    assert decoded(writer) == (0, [Reason.UNKNOWN_SCHEMA] * 10)
    waited = running.retries("schema_not_yet_known")
    assert waited > 0
    running.lane.offer(confluent_batch(5), 0)
    assert isinstance(running.report(), BatchApplied)
    assert running.retries("schema_not_yet_known") == waited, "an id that was given up is asked for, not waited for"


def test_ids_of_broken_bytes_cost_a_bounded_number_of_questions(run: RunLane) -> None:
    """And what the registry knows is read however many there are."""
    known = ScriptedRegistry(RATED)
    running = run(ScriptedWriter(), known)
    running.lane.offer(confluent_batch(*range(1, 101), age_seconds=60), 0)
    assert isinstance(running.report(), BatchApplied)
    assert known.asked == list(range(1, 101))
    writer, unknown = ScriptedWriter(), ScriptedRegistry(None)
    running = run(writer, unknown)
    garbage = [2**31 + 7, *range(500_000, 500_000 + GIVEN_UP_IDS_MAX), 3]
    for _ in range(2):
        running.lane.offer(confluent_batch(*garbage, age_seconds=60), 0)
        assert isinstance(running.report(), BatchApplied)
    assert decoded(writer) == (0, [Reason.UNKNOWN_SCHEMA] * len(garbage))
    assert len(unknown.asked) == 2 * UNKNOWN_IDS_MAX
    assert unknown.asked[0] == 3
    assert len(running.lane._given_up_ids) == 2 * UNKNOWN_IDS_MAX


def test_only_the_latest_ids_that_were_waited_for_in_vain_are_remembered() -> None:
    given_up: questions.GivenUp = {}
    readers = SchemaStore(ids={}).readers("trip")
    for first in range(1, GIVEN_UP_IDS_MAX + 100, UNKNOWN_IDS_MAX):
        asked = Questions(ScriptedRegistry(None), given_up)  # type: ignore[arg-type]
        asked.add(readers, confluent_batch(*range(first, first + UNKNOWN_IDS_MAX), age_seconds=60).slices[0].records)
        asked.ask_until_known()
    assert len(given_up) == GIVEN_UP_IDS_MAX
    assert confluent_header(1) not in given_up


def test_an_id_that_the_registry_learns_in_time_is_read(run: RunLane) -> None:
    writer = ScriptedWriter()
    running = run(writer, ScriptedRegistry(None, None, RATED))
    running.lane.offer(confluent_batch(4), 0)
    assert isinstance(running.report(), BatchApplied)
    assert decoded(writer) == (1, [])


def test_old_records_under_unknown_ids_are_not_waited_for(run: RunLane) -> None:
    """A log full of them must not take the grace for each."""
    writer, registry = ScriptedWriter(), ScriptedRegistry(None)
    running = run(writer, registry)
    running.lane.offer(confluent_batch(4, 5, 6, age_seconds=60), 0)
    assert isinstance(running.report(), BatchApplied)
    assert decoded(writer) == (0, [Reason.UNKNOWN_SCHEMA] * 3)
    assert registry.asked == [4, 5, 6]
    running.lane.offer(confluent_batch(4, age_seconds=60), 0)
    running.report()
    assert registry.asked == [4, 5, 6, 4], "it may have been registered meanwhile"
