"""Messages between the poller and its lanes: requests and batches go to a lane, reports come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream.mysql.rows import WrittenSlice
from stream.records import Claim


@dataclass(frozen=True, slots=True)
class Review:
    """The poller's question whether progress still bears out some claims, with what it knows of their partitions."""

    ends: Mapping[Claim, int | None]
    """The end of each claim's partition; None where the brokers did not tell."""
    asked_at_ms: int
    """The moment, in Kafka's milliseconds, at which the brokers were asked for the ends."""


@dataclass(frozen=True, slots=True)
class PartitionClaimed:
    """MySQL granted the claim."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class BatchApplied:
    written: Sequence[WrittenSlice]


@dataclass(frozen=True, slots=True)
class BatchFenced:
    """Nothing of the batch was written; its claims are dead."""

    claims: Sequence[Claim]


@dataclass(frozen=True, slots=True)
class LaneCrashed:
    error: BaseException


Report = PartitionClaimed | BatchApplied | BatchFenced | LaneCrashed
