"""The workers: the threads beside the lanes, each with a job that it does again and again on a connection of its own.

    eraser       removes what was stored of erased persons; looks soon after a lane has written a marker
    restorer     applies what was left out of persons before it was known that they had come back
    refresher    sums the rollups' touched periods
    housekeeper  ends what was kept long enough, and tells how fresh tables are
    inspector    runs the checks of data quality

/livez watches them as it watches lanes, and a worker that dies ends the process.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, event
from sqlalchemy import Engine as DatabaseEngine

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
from stream.engine.messages import Crashed, crash_reported
from stream.engine.metrics import Metrics
from stream.errors import TransientError
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

Job = Callable[[Connection], float | None]
"""Takes a step; the seconds to rest afterwards, None: the worker's usual rest. May raise TransientError, or the
driver's own errors."""

KEPT_REST_SECONDS_MAX = 5.0
"""The longest rest over which a worker keeps its connection: well within `IDLE_SECONDS_MAX`, after which the server
closes it. To open a connection costs the client 60 to 95 ms, for its certificates."""

JOIN_SECONDS_MAX = 2.0
"""The longest wait for the workers' steps at a stop. The server rolls back what a thread leaves undone."""


class Worker(threading.Thread):
    """Does its job until it is stopped, through every fault of the environment. The service's thread starts, wakes and
    stops it; health's thread reads `moved_at`."""

    def __init__(
        self,
        name: str,
        job: Job,
        seconds: float,
        database: DatabaseEngine,
        metrics: Metrics,
        report: Callable[[Crashed], None],
    ) -> None:
        """`seconds` is the usual rest between two steps, and the rest before another attempt."""
        super().__init__(name=name, daemon=True)
        self.moved_at = time.monotonic()
        """The last moment at which the thread showed that it isn't stuck, in `time.monotonic()` seconds."""
        self._job = job
        self._seconds = seconds
        self._database = database
        self._metrics = metrics
        self._report = report
        self._connection: Connection | None = None
        self._woken = threading.Event()
        self._is_stopping = False

    def wake(self) -> None:
        """End the worker's rest."""
        self._woken.set()

    def stop(self) -> None:
        """End after the step at hand."""
        self._is_stopping = True
        self._woken.set()

    def run(self) -> None:
        with crash_reported(self.name, self._report):
            try:
                while not self._is_stopping:
                    self._rest(self._take_step())
            finally:
                self._disconnect()

    def _take_step(self) -> float:
        """The seconds to rest afterwards."""
        self.moved_at = time.monotonic()
        try:
            with translated_errors():
                self._connection = self._connection or self._connect()
                rest = self._job(self._connection)
                self._connection.rollback()  # a transaction that a job has left would stay open over the rest
        except TransientError as error:
            self._disconnect()
            self._metrics.retries.labels(error.reason).inc()
            log.warning(
                "worker tries again",
                worker=self.name,
                why=str(error),
                todo=error.reason.note,
                wait_seconds=self._seconds,
            )
            return self._seconds
        return self._seconds if rest is None else rest

    def _connect(self) -> Connection:
        """A connection whose every statement shows that the thread moves: each has a bound, a step of many has none."""
        connection = self._database.connect()
        event.listen(connection, "before_cursor_execute", self._note_moved)
        return connection

    def _note_moved(self, *_statement: object) -> None:
        self.moved_at = time.monotonic()

    def _rest(self, seconds: float) -> None:
        if seconds > KEPT_REST_SECONDS_MAX:
            self._disconnect()
        self._woken.wait(seconds)
        self._woken.clear()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class Workers:
    """The workers of one service. A replay leaves house and inspections to processes that run for good."""

    def __init__(
        self,
        settings: Settings,
        database: DatabaseEngine,
        metrics: Metrics,
        report: Callable[[Crashed], None],
        restorer: Restorer,
        *,
        is_replay: bool,
    ) -> None:
        """Raises ConfigurationError for a key that is too short."""
        self._database = database
        self._hasher = settings.hasher()
        self._restorer = restorer
        self._entry_awaited: int | None = None
        sweeping = partial(sweep_erasures, hasher=self._hasher, look_back_days=settings.look_back_days)
        jobs: dict[str, tuple[Job, float]] = {
            "eraser": (sweeping, ERASER_SECONDS),
            "restorer": (partial(restore_returned, restorer=restorer), RESTORER_SECONDS),
            "refresher": (partial(refresh_rollups, metrics=metrics), ROLLUP_SECONDS),
        }
        if not is_replay:
            interval = timedelta(minutes=settings.quality_minutes)
            jobs["housekeeper"] = partial(keep_house, metrics=metrics, kept=Kept.of(settings)), HOUSEKEEPER_SECONDS
            jobs["inspector"] = partial(inspect_quality, metrics=metrics, interval=interval), INSPECTOR_SECONDS
        self.all = {
            name: Worker(name, job, seconds, database, metrics, report) for name, (job, seconds) in jobs.items()
        }

    def wake_eraser(self) -> None:
        """Have it look soon: a lane has written a marker."""
        self.all["eraser"].wake()

    def have_finished(self) -> bool:
        """Whether erasures are swept, what returns let in is applied, and rollups are summed as far as they were
        touched until then. Raises DatabaseUnavailable."""
        with read_connection(self._database) as connection:
            if sweepable(connection, self._hasher) or returns.are_due(connection, self._restorer.topics):
                return False
            if self._entry_awaited is None:  # asked for once nothing is left to sweep: sweeping touches periods, too
                self._entry_awaited = rollups.last_entry(connection)
            return not rollups.has_entries_until(connection, self._entry_awaited)

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
