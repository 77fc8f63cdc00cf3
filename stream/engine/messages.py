"""Messages between the poller and its lanes: requests and batches go to a lane, reports come back.

A lane or a worker that ends unexpectedly reports that as well.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from stream.mysql.rows import WrittenSlice
from stream.records import Claim

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Review:
    """The poller's question whether progress still bears out some claims, with what it knows of their partitions."""

    ends: Mapping[Claim, int | None]
    """The end of each claim's partition; None where the brokers did not tell."""
    asked_at_ms: int
    """The moment, in Kafka's milliseconds, at which the brokers were asked for the ends."""


@dataclass(frozen=True, slots=True)
class BatchApplied:
    written: Sequence[WrittenSlice]


@dataclass(frozen=True, slots=True)
class BatchFenced:
    """Nothing of the batch was written; its claims are dead."""

    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True)
class Crashed:
    """A thread ended by an error to which another attempt is no answer."""

    thread: str
    error: BaseException


Report = Claim | BatchApplied | BatchFenced | Crashed
"""A claim is reported once MySQL has granted it."""


@contextmanager
def crash_reported(thread: str, report: Callable[[Crashed], None]) -> Iterator[None]:
    """Report whatever ends the block: a thread that died in silence would leave its work undone."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - as above
        # The calls that led to it, the innermost last; not its text, which may hold values.
        frames = traceback.extract_tb(error.__traceback__)
        calls = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        log.error("thread crashed", thread=thread, error=type(error).__name__, calls=calls)
        report(Crashed(thread, error))
