"""The retry of what the environment refuses: again and again, while the work is wanted."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog

from stream.engine.metrics import Metrics
from stream.errors import Fenced, TransientError

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

WAIT_SECONDS_FIRST = 0.1
WAIT_SECONDS_MAX = 5.0
"""Back at work at most this long after the database is."""

LOG_EVERY_ATTEMPTS = 10


class Retry:
    """One lane's attempts. Only the lane's thread calls it; health reads `moved_at` and `trouble`."""

    def __init__(
        self, lane_name: str, metrics: Metrics, stopping: threading.Event, keep_alive: Callable[[], None]
    ) -> None:
        """`keep_alive` is called between attempts: whomever they wait for, MySQL must not take the lane for dead."""
        self.moved_at = time.monotonic()
        """The last moment at which the lane showed that it isn't stuck, in `time.monotonic()` seconds."""
        self.trouble: str | None = None
        """The reason why the work at hand is being retried; None while all is well."""
        self._lane_name = lane_name
        self._metrics = metrics
        self._stopping = stopping
        self._keep_alive = keep_alive

    def __call__(self, attempt: Callable[[], Result], *, while_: Callable[[], Any], **where: object) -> Result | None:
        """Attempt again through every fault of the environment, while the work is wanted and the lane isn't stopping.
        Returns None where it no longer is. Raises Fenced, to which another attempt is no answer."""
        failures = 0
        try:
            while while_() and not self._stopping.is_set():
                self.moved_at = time.monotonic()
                try:
                    result = attempt()
                except Fenced:
                    raise
                except TransientError as error:
                    wait = _wait_seconds(failures)
                    self._note_trouble(error, failures, wait, where)
                    failures += 1
                    self._stopping.wait(wait)
                    self._keep_alive()
                else:
                    if failures:
                        log.info("works again", lane=self._lane_name, attempts=failures + 1, **where)
                    return result
            return None
        finally:
            self.trouble = None  # also where the work is given up

    def _note_trouble(self, error: TransientError, failures: int, wait: float, where: Mapping[str, object]) -> None:
        """Count the fault; log it when it is new, and now and then while it lasts."""
        is_new = self.trouble != str(error)
        self.trouble = str(error)
        self._metrics.retries.labels(error.reason).inc()
        if is_new or failures % LOG_EVERY_ATTEMPTS == 0:
            log.warning(
                "trying again",
                lane=self._lane_name,
                why=str(error),
                todo=error.reason.note,
                attempt=failures + 1,
                wait_seconds=round(wait, 2),
                **where,
            )


def _wait_seconds(failures: int) -> float:
    """Doubles with each failure up to a bound, with jitter, so that lanes and processes don't retry in step."""
    wait: float = min(WAIT_SECONDS_FIRST * 2 ** min(failures, 10), WAIT_SECONDS_MAX)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
