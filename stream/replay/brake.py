"""The brake of a replay: it reads nothing while the live group falls behind, for analysts wait for the live rows."""

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from stream.errors import ConfigurationError, TransientError
from stream.every import Clock, Every

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
"""The period in which the lag is looked at: a look costs two questions to Kafka and one to MySQL."""

LAG_RECORDS_MIN = 10_000
"""Less lag than one batch is no lag: it comes and goes with every poll."""

IDLE_SECONDS_MAX = 30.0
"""The longest silence of a live group that works. Beyond it nobody runs, or the group waits: our wait is no help."""


class LiveLag(NamedTuple):
    """The lag and the advance of the live group."""

    lag_records: int
    applied: int
    """The sum of its next offsets: grows while it works."""


class Brake:
    """Is on from the look at which the live group's lag has grown until it is what it was before. `look` may raise
    TransientError or ConfigurationError; then the brake stays as it is."""

    def __init__(self, look: Callable[[], LiveLag], clock: Clock = time.monotonic) -> None:
        self.is_on = False
        self._look = look
        self._clock = clock
        self._looks = Every(LOOK_SECONDS, clock)
        self._last: LiveLag | None = None
        self._lag_before = 0
        self._moved_at = float("-inf")

    def holds(self) -> bool:
        """Whether to read nothing now."""
        if self._looks.is_due():
            began = self._clock()
            try:
                self._judge(self._look(), began)
            except (TransientError, ConfigurationError) as error:
                log.info("the live group's lag is unknown", why=str(error))
            self._looks.restart()  # counted from the answer: brokers that are away take their time
        return self.is_on

    def _judge(self, live: LiveLag, now: float) -> None:
        last, self._last = self._last, live
        if last is None:
            return
        if live.applied != last.applied:
            self._moved_at = now
        is_working = now - self._moved_at <= IDLE_SECONDS_MAX
        if not self.is_on and is_working and live.lag_records > max(last.lag_records, LAG_RECORDS_MIN):
            self.is_on, self._lag_before = True, last.lag_records
            log.info("replay waits", why="the live group falls behind", lag_records=live.lag_records)
        elif self.is_on and (not is_working or live.lag_records <= max(self._lag_before, LAG_RECORDS_MIN)):
            self.is_on = False
            log.info("replay goes on", lag_records=live.lag_records)
