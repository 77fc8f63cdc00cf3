"""Waiting for a condition instead of for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.report import tell

Result = TypeVar("Result")

POLL_SECONDS = 0.02
POLL_SECONDS_MAX = 0.2
"""After two seconds: most conditions are a query or a request, and whoever works shares the machine with them."""

POLL_SHARE = 0.1
"""Of the time waited so far."""


class InVain(AssertionError):
    """A wait that ran out."""


def wait_for(
    condition: Callable[[], Result], what: str, seconds: float = 30.0, *, every_seconds: float = POLL_SECONDS
) -> Result:
    """The condition's first true result. Raises InVain with `what` where there is none in time."""
    began = time.monotonic()
    while True:
        result = condition()
        if result:
            return result
        waited = time.monotonic() - began
        if waited > seconds:
            raise InVain(f"waited {seconds:.0f} s in vain for {what}; it is {result!r}")
        time.sleep(max(every_seconds, min(POLL_SHARE * waited, POLL_SECONDS_MAX)))


def measure(
    condition: Callable[[], Result], what: str, seconds: float = 30.0, *, every_seconds: float = POLL_SECONDS
) -> Result:
    """The same, and report how long it took. The bound is for a busy machine; the figure is for people."""
    began = time.monotonic()
    result = wait_for(condition, what, seconds, every_seconds=every_seconds)
    tell(f"{time.monotonic() - began:6.1f} s: {what}")
    return result
