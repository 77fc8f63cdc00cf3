"""The process that a command has to itself: what a library must not change, a command may."""

import gc
import signal
from collections.abc import Callable


def calm_garbage_collector() -> None:
    """Look for cycles seldom: events and rows have none, but there are thousands of them in each batch, and walking
    them took a quarter of the time. Reference counts free them as soon as the batch is done.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """The first signal drains; a second one does what it usually does."""

    def handle(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
