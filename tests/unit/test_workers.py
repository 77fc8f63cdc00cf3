"""A worker on its own thread: what it does when its job fails, and what it gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine.interfaces import ConnectionEventsTarget
from structlog.testing import capture_logs

from stream.engine import watch, workers
from stream.engine.messages import Report
from stream.engine.metrics import Metrics
from stream.engine.workers import (
    FAILURE_SECONDS_FIRST,
    FAILURE_SECONDS_MAX,
    KEPT_REST_SECONDS_MAX,
    DatabaseTask,
    Worker,
)
from stream.errors import DatabaseUnavailable, DataRefused, Reason, TransactionConflict, Trouble
from tests.waiting import wait_for

LONG = 3600.0
SHORT = 0.01


class FakeConnection(ConnectionEventsTarget):
    def __init__(self) -> None:
        self.rollbacks = 0
        self.is_closed = False

    def rollback(self) -> None:
        self.rollbacks += 1

    def invalidate(self) -> None:
        """A connection after an error may not be used again."""

    def close(self) -> None:
        self.is_closed = True


class FakeDatabase:
    """Hands out connections, and keeps them for the test."""

    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []

    def connect(self) -> FakeConnection:
        self.connections.append(FakeConnection())
        return self.connections[-1]


class ScriptedJob:
    """Does at each step what it is told: raise, or return a rest."""

    def __init__(self, *script: BaseException | float | None) -> None:
        self.script = list(script)
        self.steps = 0

    def __call__(self, _connection: object) -> float | None:
        step = self.script.pop(0) if self.script else LONG
        self.steps += 1
        if isinstance(step, BaseException):
            raise step
        return step


class Bench:
    """A worker with what surrounds it."""

    def __init__(self, job: Callable[[Any], float | None], seconds: float = LONG) -> None:
        self.database = FakeDatabase()
        self.metrics = Metrics()
        self.crashes: list[Report] = []
        database: Any = self.database
        self.worker = Worker("cleaner", DatabaseTask(database, job, seconds), self.metrics, self.crashes.append)

    def retries(self, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("stream_retries_total", {"reason": reason})


@contextmanager
def at_work(bench: Bench) -> Iterator[list[Any]]:
    with capture_logs() as lines:
        bench.worker.start()
        yield lines
        bench.worker.stop()
        bench.worker.join(10)
    assert not bench.worker.is_alive()
    assert all(connection.is_closed for connection in bench.database.connections)


def test_a_worker_takes_steps_as_far_apart_as_its_job_says() -> None:
    job = ScriptedJob(0.0, 0.0, SHORT, None)
    bench = Bench(job, seconds=SHORT)
    with at_work(bench):
        wait_for(lambda: job.steps == 5, "two at once, two after a rest, and then a long one")
    assert job.steps == 5


def test_a_worker_that_rests_is_woken() -> None:
    job = ScriptedJob()
    bench = Bench(job)
    with at_work(bench):
        wait_for(lambda: job.steps == 1, "the first step")
        bench.worker.wake()
        wait_for(lambda: job.steps == 2, "the second one")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DatabaseUnavailable(Trouble.READ_ONLY, 1290), "read_only"),
        (TransactionConflict(Trouble.DEADLOCK, 1213), "deadlock"),
        (pymysql.OperationalError(1205, "the driver's own text"), "lock_wait"),
        (ConnectionResetError(104, "the system's own text"), "connection_lost"),
    ],
    ids=["ours", "a conflict", "the driver's", "the system's"],
)
def test_a_fault_of_the_environment_is_counted_said_and_tried_again_on_another_connection(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "RETRY_SECONDS_FIRST", SHORT)
    job = ScriptedJob(error, error)
    bench = Bench(job)
    with at_work(bench) as lines:
        wait_for(lambda: job.steps == 3, "the third attempt")
    assert bench.retries(reason) == 2
    said = [line for line in lines if line["event"] == "trying again"]
    assert len(said) == 1
    assert all(line["thread"] == "cleaner" and line["todo"] for line in said)
    assert all(reason in line["why"] and "own text" not in line["why"] for line in said)
    assert len(bench.database.connections) == 3
    assert bench.crashes == []


def test_a_fault_of_ours_ends_no_worker_and_says_where_but_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FAILURE_SECONDS_FIRST", 0.001)
    names = ["a person's name", "another's"]
    job = ScriptedJob(*map(KeyError, names), DataRefused(Reason.OUT_OF_RANGE, 1441))
    bench = Bench(job)
    with at_work(bench) as lines:
        wait_for(lambda: job.steps == 4, "a step that works")
        wait_for(lambda: bench.worker.why() is None, "it to be well")
    assert bench.metrics.registry.get_sample_value("stream_worker_failures_total", {"worker": "cleaner"}) == 3
    first, other = (line for line in lines if line["event"] == "worker fails")
    assert (first["worker"], other["worker"]) == ("cleaner", "cleaner")
    assert first["why"].startswith("KeyError in test_workers.py:")
    assert first["calls"][-1].endswith(" __call__")
    assert "out_of_range, errno 1441" in other["why"]
    assert all(name not in str(lines) for name in names)
    assert bench.crashes == []
    assert len(bench.database.connections) == 4


def test_a_worker_that_fails_says_so_and_looks_ever_more_seldom() -> None:
    bench = Bench(ScriptedJob(*[ZeroDivisionError()] * 100))
    rests = [bench.worker._take_step() for _ in range(12)]
    assert "ZeroDivisionError" in (bench.worker.why() or "")
    assert rests[0] <= FAILURE_SECONDS_FIRST
    assert FAILURE_SECONDS_MAX / 2 <= rests[-1] <= FAILURE_SECONDS_MAX


def test_a_connection_is_kept_over_short_rests_and_given_back_before_long_ones() -> None:
    """The server closes those that are silent for `IDLE_SECONDS_MAX`."""
    job = ScriptedJob(SHORT, SHORT, KEPT_REST_SECONDS_MAX, KEPT_REST_SECONDS_MAX + 0.1)
    bench = Bench(job)
    with at_work(bench):
        wait_for(lambda: job.steps == 3, "steps before a rest of five seconds")
        bench.worker.wake()
        wait_for(lambda: job.steps == 4, "the last step before a longer one")
        (kept,) = bench.database.connections
        wait_for(lambda: kept.is_closed, "it to be given back")
        bench.worker.wake()
        wait_for(lambda: job.steps == 5, "a step on another one")
    assert len(bench.database.connections) == 2


def test_no_transaction_stays_open_over_a_rest() -> None:
    job = ScriptedJob(SHORT)
    bench = Bench(job)
    with at_work(bench):
        wait_for(lambda: job.steps == 2, "two steps")
        wait_for(lambda: bench.database.connections[0].rollbacks == 2, "a rollback after each")


def test_a_worker_shows_that_it_moves_with_each_step_and_is_stuck_while_one_does_not_end() -> None:
    step, entered = threading.Event(), threading.Event()

    def job(_connection: object) -> float | None:
        entered.set()
        step.wait()
        return LONG

    bench = Bench(job)
    bench.worker.waiting.moved_at = before = -1e9
    with at_work(bench):
        assert entered.wait(10)
        moved_at = bench.worker.waiting.moved_at
        assert moved_at > before
        for seconds, lines in ((watch.STUCK_SECONDS, []), (watch.STUCK_SECONDS + 1, ["cleaner has not moved"])):
            now = moved_at + seconds
            assert watch.stuck([bench.worker.waiting], turned_at=now, now=now) == lines
        step.set()


def test_each_statement_of_a_long_step_shows_that_the_worker_moves() -> None:
    """A step of thousands of them may take minutes: each has a bound, the step has none."""
    moved: list[float] = []

    def job(connection: Connection) -> float | None:
        for _ in range(2):
            bench.worker.waiting.moved_at = -1e9
            connection.exec_driver_sql("SELECT 1")
            moved.append(bench.worker.waiting.moved_at)
        return LONG

    bench = Bench(job)
    bench.worker._task = DatabaseTask(create_engine("sqlite://"), job, LONG)
    with at_work(bench):
        wait_for(lambda: len(moved) == 2, "both statements")
    assert min(moved) > 0
