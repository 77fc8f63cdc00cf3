"""The housekeeper: one thread that tells how fresh tables are and how many dead letters wait, and empties those that
waited too long.

Several processes may do so at once: what one has emptied another doesn't find.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine as DatabaseEngine

from stream import dead_letters, freshness
from stream.database import read_connection, remedy, translated_errors
from stream.errors import TransientError
from stream.metrics import Metrics

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
"""How old the gauge may be: as often as Prometheus usually asks."""


class Housekeeper(threading.Thread):
    """Keeps house until it is stopped; what fails is tried again at the next look."""

    def __init__(self, database: DatabaseEngine, metrics: Metrics, dead_letter_days: int) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self._database = database
        self._metrics = metrics
        self._kept = timedelta(days=dead_letter_days)
        self._told: dict[tuple[str, str], int] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._expire()
                self._count()
            except TransientError as error:
                self._metrics.retries.labels(error.reason).inc()
                log.warning("keeping house again", why=str(error), todo=remedy(error), wait_seconds=LOOK_SECONDS)
            self._stopping.wait(LOOK_SECONDS)

    def _expire(self) -> None:
        before = datetime.now(UTC).replace(tzinfo=None) - self._kept
        expired = 0
        while not self._stopping.is_set():
            with translated_errors(), self._database.begin() as connection:
                emptied = dead_letters.expire_some(connection, before)
            self._metrics.expired_dead_letters.inc(emptied)
            expired += emptied
            if not emptied:
                break
        if expired:
            log.info("dead letters expired", records=expired, effect="what was kept of them is emptied")

    def _count(self) -> None:
        with read_connection(self._database) as connection:
            waiting = dead_letters.count_waiting(connection)
            fresh = freshness.freshness(connection)
        # What was told once is told as 0 when none waits any more.
        self._told = {**dict.fromkeys(self._told, 0), **waiting}
        self._metrics.observe_waiting(self._told)
        self._metrics.observe_freshness(fresh)
