"""The retry of what the environment refuses: again and again, while the work is wanted."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from stream.engine.waiting import Waiting
from stream.errors import Fenced, TransientError

Result = TypeVar("Result")

WAIT_SECONDS_FIRST = 0.1
WAIT_SECONDS_MAX = 5.0
"""Back at work at most this long after the database is."""


class Retry:
    """One lane's attempts; only the lane's thread calls it."""

    def __init__(self, waiting: Waiting, stopping: threading.Event, keep_alive: Callable[[], None]) -> None:
        """`keep_alive` is called between attempts: whomever they wait for, MySQL must not take the lane for dead."""
        self._waiting = waiting
        self._stopping = stopping
        self._keep_alive = keep_alive
        self._refused_by: str | None = None
        """The name of who refused the last single attempt: what another answers then does not end the trouble."""
        self._is_work_refused = False

    def __call__(
        self, whom: str, attempt: Callable[[], Result], *, while_: Callable[[], Any], **where: object
    ) -> Result | None:
        """Attempt again through every fault of the environment, while the work is wanted and the lane isn't stopping.
        `whom` the attempt asks. Returns None where it no longer is wanted. Raises Fenced, to which another attempt is
        no answer."""
        failures = 0
        try:
            while while_() and not self._stopping.is_set():
                try:
                    with self._waiting.asking(whom):
                        result = attempt()
                except Fenced:
                    raise
                except TransientError as error:
                    wait = wait_seconds(failures, WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX)
                    self._waiting.note(error, wait, **where)
                    failures += 1
                    self._stopping.wait(wait)
                    with suppress(TransientError):
                        self._keep_alive()
                else:
                    if failures or self._refused_by in (None, whom):
                        self._end(**where)
                    return result
            return None
        finally:
            if failures:
                self._waiting.give_up()

    def once(self, whom: str, attempt: Callable[[], Result], *, is_ping: bool = False) -> Result | None:
        """A single attempt; None where the environment refuses it. The next one comes soon, and ends the trouble; but
        a ping doesn't, where work was refused: a server that takes no writes answers pings."""
        try:
            with self._waiting.asking(whom):
                result = attempt()
        except TransientError as error:
            self._waiting.note(error)
            self._refused_by = whom
            self._is_work_refused |= not is_ping
            return None
        if self._refused_by in (None, whom) and not (is_ping and self._is_work_refused):
            self._end()
        return result

    def _end(self, **where: object) -> None:
        self._refused_by, self._is_work_refused = None, False
        self._waiting.end(**where)


def wait_seconds(failures: int, first: float, most: float) -> float:
    """Doubles with each failure up to a bound, with jitter, so that threads and processes don't retry in step."""
    wait: float = min(first * 2 ** min(failures, 10), most)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
