"""The process that a command has to itself: what a library must not change, a command may."""

import ctypes
import gc
import signal
from collections.abc import Callable

MALLOC_OPTIONS = {
    -8: 2,  # M_ARENA_MAX
    -3: 128 * 1024,  # M_MMAP_THRESHOLD; the default, which setting it keeps from growing
    -1: 128 * 1024,  # M_TRIM_THRESHOLD; the same
}
"""The options of glibc's allocator, by their numbers in <malloc.h>."""


def return_memory() -> None:
    """Have the allocator give memory back to the system; before the first thread starts. By itself glibc makes up to
    eight heaps a core for threads, and after each large block that is freed it keeps more: a process of thirty threads
    that meets a record of 2 MB now and then grows for hours. Another C library does as it will.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, number in MALLOC_OPTIONS.items():
            library.mallopt(option, number)


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
