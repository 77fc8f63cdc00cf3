"""The goal of a run until it has caught up: the ends that the partitions had at its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from stream.engine.assigned import Assigned
from stream.engine.watch import Watched
from stream.errors import TransientError
from stream.records import TopicPartition

log = structlog.get_logger(__name__)


class Erasures(Watched, Protocol):
    """The eraser, as the engine sees it."""

    def wake(self) -> None:
        """A marker was written."""

    def are_swept(self) -> bool:
        """Whether nothing is left to remove; may raise TransientError."""


class Rollups(Watched, Protocol):
    """The refresher, as the engine sees it."""

    def are_summed(self) -> bool:
        """Whether all that was touched before this was first asked is summed; may raise TransientError."""


@dataclass(frozen=True)
class Goal:
    """Is reached once everything before these ends is applied, whoever applied it, and nothing is left to follow."""

    ends: Mapping[TopicPartition, int]
    applied_offsets: Callable[[], Mapping[TopicPartition, int]]
    erasures: Erasures
    rollups: Rollups

    def is_reached(self, held: Mapping[TopicPartition, Assigned]) -> bool:
        """Whether it is, but for partitions that rest; `held` are the partitions of this process."""
        missing = {
            partition
            for partition, end in self.ends.items()
            if partition not in held or not (held[partition].is_resting or _applied_offset(held[partition]) >= end)
        }
        if missing & held.keys():
            return False
        try:
            applied = self.applied_offsets() if missing else {}
            if not self.erasures.are_swept() or any(applied.get(each, 0) < self.ends[each] for each in missing):
                return False
            return self.rollups.are_summed()  # asked last: sweeping touches periods, too
        except TransientError as error:
            log.info("asking MySQL again how far others are", why=str(error))
            return False


def _applied_offset(assigned: Assigned) -> int:
    return assigned.granted.next_offset if assigned.granted else -1
