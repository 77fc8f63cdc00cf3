"""Messages between the poller and other threads: requests and batches go to a lane, reports come back.

A survey is a report too, and so is the unexpected end of a thread.
"""

import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from stream.mysql.rows import WrittenSlice
from stream.operate.standing import Applied
from stream.records import Claim, TopicPartition

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


@dataclass(frozen=True, slots=True)
class Survey:
    """The brokers' answers to the surveyor."""

    asked_at_ms: int
    """The moment of the question, in Kafka's milliseconds."""
    ends: Mapping[TopicPartition, int]
    """The offset behind the last record of each of our partitions, open transactions included."""
    leaderless: Collection[TopicPartition]
    """Those of our partitions that no broker answers for."""
    unreadable: Mapping[str, str]
    """Topics that we can't read, each with the reason and the remedy."""
    stored: Mapping[TopicPartition, Applied]
    """The progress of partitions that we hold and couldn't claim yet, as far as MySQL tells."""


Report = Claim | BatchApplied | BatchFenced | Survey | Crashed
"""A claim is reported once MySQL has granted it."""


@contextmanager
def crash_reported(thread: str, report: Callable[[Crashed], None]) -> Iterator[None]:
    """Report whatever ends the block: a thread that died in silence would leave its work undone."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - as above
        log.error("thread crashed", thread=thread, error=type(error).__name__, calls=calls_of(error))
        report(Crashed(thread, error))


def calls_of(error: BaseException) -> list[str]:
    """The calls that led to an error, the innermost last; not its text, which may hold values."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
