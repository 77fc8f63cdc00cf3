"""A timer for what comes again and again."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds from some moment, never set back."""


class Every:
    """Is due at once, and then so many seconds after each restart. For one thread. The clock is read anew each time, so
    a loop that is late doesn't catch up."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._due_at = float("-inf")

    def is_due(self) -> bool:
        return self._clock() >= self._due_at

    def restart(self) -> None:
        """Not due again before the seconds are over."""
        self._due_at = self._clock() + self.seconds

    def take(self) -> bool:
        """Whether it is due; restarts it if so."""
        is_due = self.is_due()
        if is_due:
            self.restart()
        return is_due
