"""The inspector: one thread that runs the checks of data quality in turn, and tells what was found.

Of all processes one inspects at a time, one check at a look, so that MySQL never has more of it than one query; what
it found is a row of `data_quality`, which the other processes tell as well.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from sqlalchemy import Engine as DatabaseEngine

from stream.engine.metrics import Metrics
from stream.errors import TransientError
from stream.mysql.connection import translated_errors
from stream.quality import inspect as inspection

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0
"""How often it looks whether a check is due: at 30 s a round of all of them takes some ten minutes."""

CHECK_SECONDS_MAX = 30.0
"""How long a check may take: half of what a lane's connection waits for an answer (database.READ_TIMEOUT_SECONDS)."""


class Inspector(threading.Thread):
    """Inspects until it is stopped; what fails is tried again at the next look."""

    def __init__(self, database: DatabaseEngine, metrics: Metrics, interval: timedelta) -> None:
        """`interval` is how old what a check found may become; 0 never inspects, and tells what others found."""
        super().__init__(name="inspector", daemon=True)
        self._database = database
        self._metrics = metrics
        self._interval = interval
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except TransientError as error:
                self._metrics.retries.labels(error.reason).inc()
                log.warning("inspecting again", why=str(error), todo=error.reason.remedy, wait_seconds=LOOK_SECONDS)
            self._stopping.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Run the check that is due, if any is and nobody else inspects, and tell what is known.

        Raises DatabaseUnavailable, TransactionConflict.
        """
        with translated_errors(), self._database.connect() as connection:
            if self._interval and inspection.try_lock(connection):
                check = inspection.overdue(connection, self._interval)
                connection.rollback()  # a query may take its time, an open transaction may not
                if check is not None:
                    finding = inspection.inspect(connection, check, CHECK_SECONDS_MAX)
                    connection.rollback()
                    inspection.remember(connection, finding)
                    connection.commit()
            self._metrics.observe_quality(inspection.remembered(connection))
