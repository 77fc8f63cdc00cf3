"""The guard against floods of dead letters: when a topic's records are rejected by the thousand for one reason, the
fault is more likely ours, or a producer's release, than theirs one by one. Then the topic rests, and somebody looks.

It never drops and never stops the process: what was rejected is kept, what comes next waits in Kafka.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stream.errors import Reason

WINDOW_SECONDS = 60.0
RECORDS_MIN = 500
"""Fewer records in the window than this say nothing: a quiet topic may have one broken record of two."""


@dataclass
class _Window:
    """The records of one topic in the last minute."""

    entries: deque[tuple[float, int, Mapping[Reason, int]]] = field(default_factory=deque)
    records: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)

    def add(self, now: float, records: int, rejected: Mapping[Reason, int]) -> None:
        self.entries.append((now, records, rejected))
        self.records += records
        self.rejected.update(rejected)
        while self.entries[0][0] < now - WINDOW_SECONDS:
            _, old_records, old_rejected = self.entries.popleft()
            self.records -= old_records
            self.rejected.subtract(old_rejected)


class FloodGuard:
    """Watches the share of each topic's records that are rejected for each reason. `ratio_max` is the greatest share
    that passes; 1 lets everything pass."""

    def __init__(self, ratio_max: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ratio_max = ratio_max
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def observe(self, topic: str, records: int, rejected: Mapping[Reason, int]) -> Reason | None:
        """Count what became of some records; the reason that floods the topic now, if any. Then it counts anew."""
        window = self._windows.setdefault(topic, _Window())
        window.add(self._clock(), records, rejected)
        if window.records < RECORDS_MIN:
            return None
        for reason, count in window.rejected.items():
            if count > self._ratio_max * window.records:
                del self._windows[topic]
                return reason
        return None
