"""The goal of a run until it has caught up: the ends that the partitions had at its start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stream.engine.assigned import Assigned
from stream.engine.waiting import Waiting
from stream.errors import TransientError
from stream.records import TopicPartition


@dataclass(frozen=True)
class Goal:
    """Is reached once everything before these ends is applied, whoever applied it, and nothing is left to follow."""

    ends: Mapping[TopicPartition, int]
    applied_offsets: Callable[[], Mapping[TopicPartition, int]]
    have_workers_finished: Callable[[], bool]
    """Whether nothing is left to erase or to sum; may raise TransientError."""
    waiting: Waiting

    def is_reached(self, held: Mapping[TopicPartition, Assigned]) -> bool:
        """Whether it is, but for partitions that rest; `held` are the partitions of this process."""
        missing = {each for each, end in self.ends.items() if each not in held or _is_behind(held[each], end)}
        if missing & held.keys():
            return False
        try:
            applied = self.applied_offsets() if missing else {}
            are_others_done = all(applied.get(each, 0) >= self.ends[each] for each in missing)
            is_reached = are_others_done and self.have_workers_finished()
        except TransientError as error:
            self.waiting.note(error)
            return False
        self.waiting.end()
        return is_reached


def _is_behind(assigned: Assigned, end: int) -> bool:
    return not assigned.is_resting and (assigned.applied_offset is None or assigned.applied_offset < end)
