"""The housekeeper: one thread that tells how fresh tables are and how many dead letters wait, empties those that waited
too long, and removes what nobody needs any more.

In small steps, each a transaction of its own. Several processes may do so at once: what one has removed another doesn't
find. docs/housekeeping.md says what is kept how long.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy import Engine as DatabaseEngine

from stream import moments
from stream.catalog import STREAMS
from stream.engine.metrics import Metrics
from stream.errors import TransientError
from stream.mysql import dead_letters, freshness
from stream.mysql import replay_runs as runs
from stream.mysql.connection import read_connection, translated_errors
from stream.mysql.selection import count_waiting
from stream.settings import Settings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
"""How old the gauge may be: as often as Prometheus usually asks."""

Step = Callable[[Connection, datetime], Mapping[str, int]]
"""Changes some rows that are older than a moment (UTC, without a zone); how many of each table, none at the end."""


@dataclass(frozen=True)
class Kept:
    """How long things are kept."""

    content: timedelta
    """Of dead letters that wait, since they were last rejected."""
    settled: timedelta
    """Where dead letters were and why, once they don't wait; since they were last rejected as well."""
    runs: timedelta
    """Replays, with their progress and ledgers, since anybody went on with them."""

    @classmethod
    def of(cls, settings: Settings) -> Kept:
        """As the settings say."""
        content, journals = timedelta(days=settings.dead_letter_days), timedelta(days=settings.keep_days)
        # A record that is in the log may be read again, and what was discarded has to stay so.
        retention = timedelta(milliseconds=max(stream.retention_ms for stream in STREAMS.values()))
        # A copy in <topic>.dlq may be as young as its dead letter's end, and lasts as long again: receipts tell of it.
        return cls(content, max(journals, retention, 2 * content), journals)


class Housekeeper(threading.Thread):
    """Keeps house until it is stopped; what fails is tried again at the next look."""

    def __init__(self, database: DatabaseEngine, metrics: Metrics, kept: Kept) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self._database = database
        self._metrics = metrics
        self._kept = kept
        self._told: dict[tuple[str, str], int] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except TransientError as error:
                self._metrics.retries.labels(error.reason).inc()
                log.warning("keeping house again", why=str(error), todo=error.reason.remedy, wait_seconds=LOOK_SECONDS)
            self._stopping.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Do all that is due. Raises TransientError; what was done by then stays done."""
        self._expire()
        self._remove()
        self._count()

    def _expire(self) -> None:
        expired = 0
        for emptied in self._steps(dead_letters.expire_some, self._kept.content):
            self._metrics.expired_dead_letters.inc(emptied.total())
            expired += emptied.total()
        if expired:
            log.info("dead letters expired", records=expired, effect="what was kept of them is emptied")

    def _remove(self) -> None:
        for step, kept in ((dead_letters.remove_settled, self._kept.settled), (runs.remove_old, self._kept.runs)):
            removed: Counter[str] = Counter()
            for some in self._steps(step, kept):
                self._metrics.observe_removed(some)
                removed += some
            if removed:
                log.info("old rows removed", rows=dict(removed), kept_days=kept.days)

    def _steps(self, step: Step, kept: timedelta) -> Iterator[Counter[str]]:
        """Take a step over and over, until nothing is left that is older; the rows that each changed, by table."""
        before = moments.now() - kept
        while not self._stopping.is_set():
            with translated_errors(), self._database.begin() as connection:
                changed = Counter(step(connection, before))
            if not changed.total():
                break
            yield changed

    def _count(self) -> None:
        with read_connection(self._database) as connection:
            waiting = count_waiting(connection)
            fresh = freshness.freshness(connection)
        # What was told once is told as 0 when none waits any more.
        self._told = {**dict.fromkeys(self._told, 0), **waiting}
        self._metrics.observe_waiting(self._told)
        self._metrics.observe_freshness(fresh)
