"""A lane on its own thread: what it does when its writer fails, and what it throws away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream import lane
from stream.errors import DatabaseUnavailable, Fenced, TransactionConflict
from stream.isolate import DecodedSlice, WrittenSlice
from stream.lane import INBOX_BATCHES_MAX, BatchApplied, BatchFenced, ClaimWanted, Lane, LaneCrashed, PartitionClaimed
from stream.metrics import Metrics
from stream.progress import RecordCounts
from stream.records import Batch, Claim, Record, Slice, TopicPartition
from stream.schemas import SchemaStore
from tests.waiting import wait_for

TRIP_0, TRIP_1 = TopicPartition("trip", 0), TopicPartition("trip", 1)


class ScriptedWriter:
    """Does what each attempt is told to do: raise, or write."""

    def __init__(self, *script: BaseException | None) -> None:
        self.script = list(script)
        self.attempts: list[Any] = []
        self.is_closed = False
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
        counts = [RecordCounts(len(one.slice.records), 0, 0, len(one.slice.records)) for one in slices]
        return [WrittenSlice(one.slice, count, {}) for one, count in zip(slices, counts, strict=True)]

    def claim(self, topic_partition: TopicPartition, topic_id: str, first_offset: int) -> Claim:
        self.attempts.append(topic_partition)
        self._next()
        return Claim(topic_partition, topic_id, 1, first_offset)

    def stale(self, claims: Sequence[Claim]) -> list[Claim]:
        self.attempts.append(list(claims))
        self._next()
        return [one for one in claims if one.topic_partition in self.gone]

    def ping(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True


class Running:
    def __init__(self, writer: ScriptedWriter) -> None:
        self.reports: SimpleQueue[Any] = SimpleQueue()
        self.metrics = Metrics()
        readers = {"trip": SchemaStore().readers("trip")}
        self.lane = Lane("lane-0", writer, readers, self.metrics, self.reports.put)  # type: ignore[arg-type]
        self.lane.start()

    def report(self) -> Any:
        return self.reports.get(timeout=10)

    def retries(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("stream_retries_total", {"reason": reason}) or 0.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ScriptedWriter], Running]]:
    monkeypatch.setattr(lane, "RETRY_WAIT_SECONDS_FIRST", 0.001)
    monkeypatch.setattr(lane, "RETRY_WAIT_SECONDS_MAX", 0.002)
    started: list[Running] = []

    def start(writer: ScriptedWriter) -> Running:
        started.append(Running(writer))
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


RunLane = Callable[[ScriptedWriter], Running]


def test_a_review_gives_up_what_progress_does_not_bear_out(run: RunLane) -> None:
    writer = ScriptedWriter(None, DatabaseUnavailable("unreachable", 2003))
    writer.gone = [TRIP_1]
    running = run(writer)
    mine, gone, given_up = claim(), claim(TRIP_1), claim(TRIP_1)
    given_up.is_held = False
    running.lane.want_review([mine, gone, given_up])
    report = running.report()
    assert isinstance(report, BatchFenced)
    assert report.claims == [gone]
    assert (mine.is_held, gone.is_held) == (True, False)
    assert writer.attempts == [[mine, gone]]
    running.lane.want_review([mine])
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
        running.lane.want_review([claim()])
    held_up.set()
    assert running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied)
    assert len(writer.attempts) == 2
    running.lane.want_review([claim()])
    wait_for(lambda: len(writer.attempts) == 3, "the next review")


def test_a_batch_is_written_and_reported(run: RunLane) -> None:
    running = run(ScriptedWriter())
    one = claim()
    assert running.lane.offer(batch(one), 0)
    report = running.report()
    assert isinstance(report, BatchApplied)
    assert [written.slice.claim for written in report.written] == [one]
    assert running.lane.wait_until_idle(5)


@pytest.mark.parametrize("error", [DatabaseUnavailable("connection_lost", 2013), TransactionConflict("deadlock", 1213)])
def test_the_environments_faults_are_tried_again_until_it_works(run: RunLane, error: Exception) -> None:
    writer = ScriptedWriter(*[error] * 7)
    running = run(writer)
    running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied)
    assert len(writer.attempts) == 8
    assert running.retries(error.reason) == 7  # type: ignore[attr-defined]
    assert running.lane.trouble is None


def test_while_it_tries_again_it_says_why_and_moves(run: RunLane) -> None:
    writer = ScriptedWriter(*[DatabaseUnavailable("disk_full", 1114)] * 1_000_000)
    running = run(writer)
    one = claim()
    running.lane.offer(batch(one), 0)
    wait_for(lambda: running.lane.trouble, "its trouble")
    assert "disk_full" in (running.lane.trouble or "")
    before = running.lane.moved_at
    wait_for(lambda: running.lane.moved_at > before, "a move")
    one.is_held = False
    assert running.lane.wait_until_idle(10)
    assert running.lane.trouble is None, "what is given up is no trouble any more"


def test_each_new_trouble_is_said_with_what_to_do(run: RunLane) -> None:
    lost, read_only = DatabaseUnavailable("connection_lost", 2013), DatabaseUnavailable("read_only", 1290)
    with capture_logs() as logs:
        running = run(ScriptedWriter(lost, read_only, read_only, read_only))
        running.lane.offer(batch(claim()), 0)
        running.report()
    said = [(line["attempt"], line["why"], bool(line["todo"])) for line in logs if line["event"] == "trying again"]
    assert said == [(1, str(lost), True), (2, str(read_only), True)]
    assert [line["attempts"] for line in logs if line["event"] == "works again"] == [5]


def test_what_was_revoked_meanwhile_is_thrown_away(run: RunLane) -> None:
    writer = ScriptedWriter(DatabaseUnavailable("unreachable", 2003))
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


def test_a_claim_is_tried_again_until_it_works(run: RunLane) -> None:
    writer = ScriptedWriter(*[TransactionConflict("lock_wait", 1205)] * 3)
    running = run(writer)
    running.lane.want_claim(ClaimWanted(TRIP_0, "id", 42, lambda: True))
    report = running.report()
    assert isinstance(report, PartitionClaimed)
    assert report.claim.next_offset == 42
    assert len(writer.attempts) == 4


def test_a_claim_that_nobody_wants_any_more_is_given_up(run: RunLane) -> None:
    writer = ScriptedWriter(*[DatabaseUnavailable("unreachable", 2003)] * 1_000_000)
    running = run(writer)
    running.lane.want_claim(ClaimWanted(TRIP_0, "id", 0, lambda: len(writer.attempts) < 3))
    wait_for(lambda: len(writer.attempts) == 3, "attempts")
    writer.script.clear()
    running.lane.offer(batch(claim()), 0)
    assert isinstance(running.report(), BatchApplied), "no claim was reported before"


def test_a_full_inbox_refuses_and_has_room_again_later(run: RunLane) -> None:
    writer = ScriptedWriter(*[DatabaseUnavailable("unreachable", 2003)] * 1_000_000)
    running = run(writer)
    for _ in range(INBOX_BATCHES_MAX):
        assert running.lane.offer(batch(claim()), 0)
    assert not running.lane.offer(batch(claim()), 0.01)
    assert not running.lane.wait_until_idle(0.01)
    writer.script.clear()
    assert running.lane.offer(batch(claim()), 10)
    assert running.lane.wait_until_idle(10)


def test_a_crash_is_reported_and_the_connection_closed(run: RunLane) -> None:
    writer = ScriptedWriter(RuntimeError("a bug"))
    running = run(writer)
    with capture_logs() as lines:
        running.lane.offer(batch(claim()), 0)
        report = running.report()
    assert isinstance(report, LaneCrashed)
    assert isinstance(report.error, RuntimeError)
    running.lane.join(5)
    assert writer.is_closed
    assert running.lane.wait_until_idle(1), "a revocation must not wait for a dead lane"
    crash = next(line for line in lines if line["event"] == "lane crashed")
    assert crash["error"] == "RuntimeError"
    assert any("lane.py" in call for call in crash["calls"])
    assert "a bug" not in str(lines), "an error's text may hold values"


def test_a_stop_gives_up_what_is_tried_again(run: RunLane) -> None:
    running = run(ScriptedWriter(*[DatabaseUnavailable("unreachable", 2003)] * 1_000_000))
    running.lane.offer(batch(claim()), 0)
    wait_for(lambda: running.lane.trouble, "its trouble")
    running.lane.stop()
    running.lane.join(5)
    assert not running.lane.is_alive()
