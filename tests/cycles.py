"""Objects that nothing reaches but they themselves, after a piece of work: what only the collector of cycles frees."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress

from stream.errors import StreamError


def unreachable_after(work: Callable[[], object], times: int = 2) -> list[object]:
    """The objects that the work leaves in circles, though it fails."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(times):
            with suppress(StreamError):
                work()
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
