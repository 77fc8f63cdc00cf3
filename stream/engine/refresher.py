"""The refresher: one thread that keeps rollups true to the rows, seconds behind them.

Several processes may run one each: a rollup is locked while it is summed, and who finds it locked leaves it.
"""

from __future__ import annotations

import threading
import time

import structlog
from sqlalchemy import Connection, Table
from sqlalchemy import Engine as DatabaseEngine

from stream.catalog import ROLLUPS
from stream.engine.metrics import Metrics
from stream.errors import TransientError
from stream.mysql import rollups
from stream.mysql.connection import read_connection, translated_errors

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How often it looks, and how soon it tries again after a fault."""

REST_FACTOR = 2
"""How many times as long as it worked it rests: a period that is written all the time would be summed all the time,
and the server has rows to write."""

REST_SECONDS_MAX = 5.0
"""Well within `IDLE_SECONDS_MAX`, after which the server closes the connection."""


class Refresher(threading.Thread):
    """Sums touched periods until it is stopped."""

    def __init__(self, database: DatabaseEngine, metrics: Metrics) -> None:
        super().__init__(name="refresher", daemon=True)
        self.moved_at = time.monotonic()
        """When this thread last showed that it isn't stuck, in `time.monotonic()` seconds."""
        self._database = database
        self._metrics = metrics
        self._stopping = threading.Event()
        self._awaited: int | None = None

    def are_summed(self) -> bool:
        """Whether all that was touched before this was first asked is in the rollups. Raises DatabaseUnavailable."""
        with read_connection(self._database) as connection:
            if self._awaited is None:
                self._awaited = rollups.last_entry(connection)
            return not rollups.has_entries_until(connection, self._awaited)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with translated_errors(), self._database.connect() as connection:
                    self._refresh_until_stopped(connection)
            except TransientError as error:
                self._metrics.retries.labels(error.reason).inc()
                log.warning(
                    "summing rollups again", why=str(error), todo=error.reason.remedy, wait_seconds=LOOK_SECONDS
                )
                self._stopping.wait(LOOK_SECONDS)

    def _refresh_until_stopped(self, connection: Connection) -> None:
        with connection.begin():
            rollups.prepare(connection)
        while not self._stopping.is_set():
            began = self.moved_at = time.monotonic()
            done = [self._refresh(connection, rollup) for rollup in ROLLUPS.values()]
            with connection.begin():
                self._metrics.observe_rollups(rollups.backlogs(connection))
            rest = REST_FACTOR * (time.monotonic() - began)
            if max(done) < rollups.PERIODS_MAX:  # little is left, if anything
                rest = max(rest, LOOK_SECONDS)
            self._stopping.wait(min(rest, REST_SECONDS_MAX))

    def _refresh(self, connection: Connection, rollup: Table) -> int:
        with connection.begin():
            return rollups.refresh_some(connection, rollup)
