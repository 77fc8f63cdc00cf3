"""The eraser: one thread that removes what was stored of erased persons before their markers were there.

It looks when a lane has written a marker, and now and then, for another process may have died before it swept.
"""

from __future__ import annotations

import threading
import time

import structlog
from sqlalchemy import Connection
from sqlalchemy import Engine as DatabaseEngine

from stream.declaration.persons import Person
from stream.engine.metrics import Metrics
from stream.errors import TransientError
from stream.hashing import Hasher
from stream.mysql import erasure
from stream.mysql.connection import read_connection, translated_errors
from stream.mysql.touched import late_before
from stream.settings import LOOK_BACK_DAYS

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""How often it looks unasked, and how soon it tries again after a fault."""


class Eraser(threading.Thread):
    """Sweeps erasures until it is stopped; several processes may do so at once."""

    def __init__(
        self,
        database: DatabaseEngine,
        metrics: Metrics,
        hasher: Hasher | None,
        look_back_days: int = LOOK_BACK_DAYS,
    ) -> None:
        super().__init__(name="eraser", daemon=True)
        self.moved_at = time.monotonic()
        """When this thread last showed that it isn't stuck, in `time.monotonic()` seconds."""
        self._database = database
        self._metrics = metrics
        self._hasher = hasher
        self._look_back_days = look_back_days
        self._woken = threading.Event()
        self._is_stopping = False

    def wake(self) -> None:
        """Look soon: a marker was written."""
        self._woken.set()

    def are_swept(self) -> bool:
        """Whether nothing of anybody erased is left to remove. Raises DatabaseUnavailable."""
        with read_connection(self._database) as connection:
            return not self._pending(connection)

    def stop(self) -> None:
        self._is_stopping = True
        self._woken.set()

    def run(self) -> None:
        while not self._is_stopping:
            self.moved_at = time.monotonic()
            try:
                self._sweep()
            except TransientError as error:
                self._metrics.retries.labels(error.reason).inc()
                log.warning(
                    "sweeping erasures again", why=str(error), todo=error.reason.remedy, wait_seconds=LOOK_SECONDS
                )
            self._woken.wait(LOOK_SECONDS)
            self._woken.clear()

    def _sweep(self) -> None:
        with translated_errors(), self._database.connect() as connection:
            with connection.begin():
                persons = self._pending(connection)
            if persons:
                erasure.sweep(connection, persons, self._hasher, late_before(self._look_back_days))
                log.info("erasures swept", persons=len(persons))

    def _pending(self, connection: Connection) -> list[Person]:
        """Whom this process can sweep: without a key it leaves those to others who may take part in studies."""
        persons = erasure.unswept(connection)
        if self._hasher is not None:
            return persons
        others = [person for person in persons if not erasure.needs_key(connection, person)]
        if len(others) < len(persons):
            log.warning("erasures wait", persons=len(persons) - len(others), todo="run a process with STREAM_HASH_KEY")
        return others
