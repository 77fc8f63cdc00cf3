"""The workers: the threads beside the lanes, each with a task that it does again and again.

    eraser       removes what was stored of erased persons; looks soon after a lane has written a marker
    restorer     applies what was left out of persons before it was known that they had come back
    refresher    sums the rollups' touched periods
    housekeeper  tells how fresh tables are, and ends what was kept long enough
    inspector    runs the checks of data quality
    surveyor     asks the brokers how far the logs go, and which topics can be read

A step that fails is tried again, whatever the reason: the rows of the lanes are worth more than what a worker adds to
them, so no worker ends the process. /readyz, the log and a metric tell; /livez watches workers as it watches lanes.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Connection, event
from sqlalchemy import Engine as DatabaseEngine

from stream import moments
from stream.declaration.persons import Person
from stream.engine.jobs import (
    ROLLUP_SECONDS,
    Kept,
    inspect_quality,
    keep_house,
    refresh_rollups,
    restore_returned,
    sweep_erasures,
    sweepable,
)
from stream.engine.messages import Report, calls_of, crash_reported
from stream.engine.metrics import Metrics
from stream.engine.retry import wait_seconds
from stream.engine.waiting import Waiting
from stream.errors import StreamError, TerminalError, TransientError
from stream.every import Every
from stream.mysql import returns, rollups
from stream.mysql.connection import read_connection, translated_errors
from stream.operate.restore import Restorer
from stream.settings import Settings

log = structlog.get_logger(__name__)

ERASER_SECONDS = 5.0
"""The rest of the eraser, unless it is woken: another process may have died before it swept."""

RESTORER_SECONDS = 2.0
"""The lag of what a return lets in, where it was read before the return."""

HOUSEKEEPER_SECONDS = 15.0
"""The age of its gauges at most: Prometheus usually asks as often."""

INSPECTOR_SECONDS = 30.0
"""A round of all checks takes some ten minutes."""

RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX = 1.0, 15.0
"""The rests between attempts that the environment refuses."""

FAILURE_SECONDS_FIRST, FAILURE_SECONDS_MAX = 5.0, 300.0
"""The rests between attempts that fail by a fault of ours: the next one rarely does better."""

FAILURE_LOG_SECONDS = 3600.0
"""The rest between two log lines about the same fault of ours."""

TROUBLE_SECONDS_TOLD = 5.0
"""The time after which a worker's trouble counts as waiting: a deadlock is over with the next attempt."""

KEPT_REST_SECONDS_MAX = 5.0
"""The longest rest over which a worker keeps its connection: well within `IDLE_SECONDS_MAX`, after which the server
closes it. To open a connection costs the client 60 to 95 ms, for its certificates."""

JOIN_SECONDS_MAX = 2.0
"""The longest wait for the workers' steps at a stop. The server rolls back what a thread leaves undone."""

Job = Callable[[Connection], float | None]
"""Takes a step; the seconds to rest afterwards, None: the task's usual rest. May raise TransientError, or the driver's
own errors."""


class Task(Protocol):
    """The work of a worker."""

    def step(self, note_moved: Callable[[], None]) -> float:
        """Do some of it; the seconds to rest afterwards. Whatever takes long tells now and then that it moves."""

    def close(self) -> None:
        """Give back what is kept between steps."""


class DatabaseTask:
    """A job on a connection of its own, which is kept over short rests."""

    def __init__(self, database: DatabaseEngine, job: Job, seconds: float) -> None:
        """`seconds` is the usual rest between two steps."""
        self._database = database
        self._job = job
        self._seconds = seconds
        self._connection: Connection | None = None

    def step(self, note_moved: Callable[[], None]) -> float:
        with translated_errors():
            self._connection = self._connection or self._connect(note_moved)
            rest = self._job(self._connection)
            self._connection.rollback()  # a transaction that a job has left would stay open over the rest
        rest = self._seconds if rest is None else rest
        if rest > KEPT_REST_SECONDS_MAX:
            self.close()
        return rest

    def _connect(self, note_moved: Callable[[], None]) -> Connection:
        """A connection whose every statement shows that the thread moves: each has a bound, a step of many has none."""
        connection = self._database.connect()
        event.listen(connection, "before_cursor_execute", lambda *_statement: note_moved())
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class Worker(threading.Thread):
    """Does its task until it is stopped, through every failure. The service's thread starts, wakes and stops it;
    health's threads read `waiting` and `failure`."""

    def __init__(self, name: str, task: Task, metrics: Metrics, report: Callable[[Report], None]) -> None:
        super().__init__(name=name, daemon=True)
        self.waiting = Waiting(name, metrics)
        self.failure: str | None = None
        """The fault of ours by which the last step failed; None where it didn't."""
        self._failures = 0
        self._task = task
        self._failed = metrics.worker_failures.labels(name)
        self._report = report
        self._woken = threading.Event()
        self._is_stopping = False
        self._logged = ""
        self._logs = Every(FAILURE_LOG_SECONDS)

    def wake(self) -> None:
        """End the worker's rest."""
        self._woken.set()

    def stop(self) -> None:
        """End after the step at hand."""
        self._is_stopping = True
        self._woken.set()

    def why(self) -> str | None:
        """The reason why the work isn't done; None where it is, or where that is a matter of seconds."""
        if self.failure is not None:
            return f"fails ({self.failure}); it is tried again, and the log line `worker fails` says where"
        return self.waiting.why(TROUBLE_SECONDS_TOLD)

    def run(self) -> None:
        with crash_reported(self.name, self._report):
            try:
                while not self._is_stopping:
                    self._woken.wait(self._take_step())
                    self._woken.clear()
            finally:
                self._task.close()

    def _take_step(self) -> float:
        """The seconds to rest afterwards."""
        self.waiting.moved_at = time.monotonic()
        try:
            rest = self._task.step(self._note_moved)
        except TransientError as error:
            self._task.close()
            rest = wait_seconds(self._failures, RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX)
            self.waiting.note(error, rest)
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread must not die of it
            self._task.close()
            rest = wait_seconds(self._failures, FAILURE_SECONDS_FIRST, FAILURE_SECONDS_MAX)
            self._note_failure(error)
        else:
            self.waiting.end()
            self.failure, self._failures = None, 0
            return rest
        self._failures += 1
        return rest

    def _note_failure(self, error: Exception) -> None:
        self._failed.inc()
        calls = calls_of(error)
        # Our own errors' words hold no values; others' may.
        what = str(error) if isinstance(error, StreamError) else f"{type(error).__name__} in {calls[-1]}"
        self.failure = what
        if self._logs.take() or what != self._logged:
            self._logged = what
            log.error(
                "worker fails", worker=self.name, why=what, calls=calls, todo="tell us; the lanes go on meanwhile"
            )

    def _note_moved(self) -> None:
        self.waiting.moved_at = time.monotonic()


@dataclass
class Awaited:
    """The work that a run until it has caught up waits for."""

    unswept: set[Person]
    noted_until: datetime
    """Of notes on what was left out of persons who came back (UTC, without a zone)."""
    entry: int | None = None
    """The last of the rollups' entries, once it is known."""


class Workers:
    """The workers of one service. A replay leaves house, inspections and surveys to processes that run for good."""

    def __init__(
        self,
        settings: Settings,
        database: DatabaseEngine,
        queries: DatabaseEngine,
        metrics: Metrics,
        report: Callable[[Report], None],
        restorer: Restorer,
        *,
        surveyor: Task | None,
    ) -> None:
        """`queries` is for the poller's questions, which may take little time; `surveyor` is None in a replay. Raises
        ConfigurationError for a key that is too short."""
        self._queries = queries
        self._hasher = settings.hasher()
        self._restorer = restorer
        self._awaited: Awaited | None = None
        sweeping = partial(sweep_erasures, hasher=self._hasher, look_back_days=settings.look_back_days)
        restoring = partial(restore_returned, restorer=restorer)
        tasks: dict[str, Task] = {
            "eraser": DatabaseTask(database, sweeping, ERASER_SECONDS),
            "restorer": DatabaseTask(database, restoring, RESTORER_SECONDS),
            "refresher": DatabaseTask(database, partial(refresh_rollups, metrics=metrics), ROLLUP_SECONDS),
        }
        if surveyor is not None:
            keep = partial(keep_house, metrics=metrics, kept=Kept.of(settings))
            inspect = partial(inspect_quality, metrics=metrics, interval=timedelta(minutes=settings.quality_minutes))
            tasks["housekeeper"] = DatabaseTask(database, keep, HOUSEKEEPER_SECONDS)
            tasks["inspector"] = DatabaseTask(database, inspect, INSPECTOR_SECONDS)
            tasks["surveyor"] = surveyor
        self.all: Mapping[str, Worker] = {name: Worker(name, task, metrics, report) for name, task in tasks.items()}

    def wake_eraser(self) -> None:
        """Have it look soon: a lane has written a marker."""
        self.all["eraser"].wake()

    def require_sound(self) -> None:
        """For a run that has to finish: raises TerminalError where a worker fails by a fault of ours."""
        failures = [f"{worker.name} ({worker.failure})" for worker in self.all.values() if worker.failure]
        if failures:
            raise TerminalError(
                f"this run could never be done, for by a fault of ours there fails: {', '.join(failures)}; the log "
                "line `worker fails` says where. What is applied stays"
            )

    def have_finished(self) -> bool:
        """Whether what there was to do when this was first asked is done: erasures are swept, what returns let in is
        applied, and rollups are summed. What others bring about meanwhile may never end. Raises DatabaseUnavailable."""
        with read_connection(self._queries) as connection:
            unswept = set(sweepable(connection, self._hasher))
            if self._awaited is None:
                self._awaited = Awaited(unswept, moments.now())
            awaited = self._awaited
            awaited.unswept &= unswept
            if awaited.unswept or returns.are_due(connection, self._restorer.topics, awaited.noted_until):
                return False
            if awaited.entry is None:  # asked for once nothing is left to sweep: sweeping touches periods, too
                awaited.entry = rollups.last_entry(connection)
            return not rollups.has_entries_until(connection, awaited.entry)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the workers work while the block runs."""
        for worker in self.all.values():
            worker.start()
        try:
            yield
        finally:
            for worker in self.all.values():
                worker.stop()
            deadline = time.monotonic() + JOIN_SECONDS_MAX
            for worker in self.all.values():
                worker.join(max(0.0, deadline - time.monotonic()))
