"""What consumers are fed while they are killed: synthetic events with everything that can go wrong among them,
published at a steady pace in the background."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import takewhile
from types import TracebackType
from typing import Self

from stream.produce import Framing, Kind, Plan, Published, publish, synthesize
from tests.broker import Broker

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
"""Fixed, so that a seed always gives the same messages."""

MESSAGES_MAX = 400_000
"""More than any test takes; as many riders as it takes to do so much."""

SHARES = {Kind.DUPLICATE: 0.1, Kind.LATE: 0.1, Kind.BROKEN: 0.04}
SHARES_MIN = {Kind.DUPLICATE: 0.05, Kind.LATE: 0.05, Kind.BROKEN: 0.01}
"""What has to be in the topics at the least, for the test to mean something."""


class Feed:
    """Publishes from the beginning of its `with` block until `stop`, or until the block ends."""

    def __init__(self, broker: Broker, seed: int, rate: float) -> None:
        plan = Plan(
            seed=seed,
            until=UNTIL,
            count=MESSAGES_MAX,
            duplicate_share=SHARES[Kind.DUPLICATE],
            late_share=SHARES[Kind.LATE],
            broken_share=SHARES[Kind.BROKEN],
            older_version_share=0.2,
            framing=Framing.MIXED,
        )
        self._stopping = threading.Event()
        messages = takewhile(lambda _: not self._stopping.is_set(), synthesize(plan))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._publishing = self._thread.submit(publish, messages, broker.config, rate=rate)

    def stop(self) -> Published:
        """End, and see that all of it is in the log and that it was the mixture that is wanted."""
        self._stopping.set()
        published = self._publishing.result()
        assert published.delivered_count == published.sent_count, published
        assert published.sent_count < MESSAGES_MAX, "the feed ran dry while consumers were still to be killed"
        for kind, share in SHARES_MIN.items():
            assert published.sent[kind] >= share * published.sent_count, (kind, published.sent)
        return published

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.shutdown()
