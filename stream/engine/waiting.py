"""The state of a thread that waits for others: told to health while it lasts, counted, and logged now and then."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from stream.engine.metrics import Metrics
from stream.errors import TransientError, Trouble
from stream.every import Clock, Every

log = structlog.get_logger(__name__)

LOG_SECONDS = 60.0
"""The rest between two log lines about the same trouble: an outage brings an attempt of each thread every second."""

ANSWER_SECONDS_TOLD = 5.0
"""The time after which a question without an answer counts as waiting: nearly all take a tenth of a second."""


class Waiting:
    """One thread's waiting. Only the thread writes; health's threads read."""

    def __init__(self, thread: str, metrics: Metrics, clock: Clock = time.monotonic) -> None:
        self.thread = thread
        self.moved_at = clock()
        """The last moment at which the thread showed that it isn't stuck, by the clock."""
        self.trouble: str | None = None
        """The reason why the work at hand is tried again; None while all is well."""
        self._since = 0.0
        self._metrics = metrics
        self._clock = clock
        self._question: tuple[str, float] | None = None
        """The one that is asked just now, and since when."""
        self._failures = 0
        self._is_logged = False
        self._logs = defaultdict[Trouble, Every](lambda: Every(LOG_SECONDS, clock))

    @contextmanager
    def asking(self, whom: str) -> Iterator[None]:
        """Ask somebody within the block."""
        self.moved_at = self._clock()
        self._question = whom, self.moved_at
        try:
            yield
        finally:
            self._question = None

    def note(self, error: TransientError, wait_seconds: float | None = None, **where: object) -> None:
        """Count an attempt that failed; log its reason once in a while."""
        why = str(error)
        if self.trouble is None:
            self._since = self._clock()
        self.trouble = why
        self._failures += 1
        self._metrics.retries.labels(error.reason).inc()
        if self._logs[error.reason].take():
            self._is_logged = True
            wait = {} if wait_seconds is None else {"wait_seconds": round(wait_seconds, 2)}
            attempt = {"attempt": self._failures, **wait, **where}
            log.warning("trying again", thread=self.thread, why=why, todo=error.reason.note, **attempt)

    def end(self, **where: object) -> None:
        """Note that an attempt succeeded."""
        if self._is_logged:
            log.info("works again", thread=self.thread, attempts=self._failures + 1, **where)
        self.give_up()

    def give_up(self) -> None:
        """Note that nothing is tried any more."""
        self.trouble, self._failures, self._is_logged = None, 0, False

    def why(self, after_seconds: float = 0.0) -> str | None:
        """The reason why the thread waits, where it has waited for longer than these seconds; None while it works."""
        trouble, question, now = self.trouble, self._question, self._clock()
        if trouble is not None and now - self._since >= after_seconds:
            return trouble
        if question is not None and now - question[1] >= ANSWER_SECONDS_TOLD:
            return f"has waited for {question[0]} for {now - question[1]:.0f} s"
        return None
