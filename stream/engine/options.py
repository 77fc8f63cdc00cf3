"""A run of the engine: what it is told, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """The end of a run."""

    DRAINED = "drained"
    CAUGHT_UP = "caught_up"
    UNFINISHED = "unfinished"
    """Something was left that another run can finish."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    group_id: str
    topics: Sequence[str]
    batch_records_max: int
    linger_seconds: float
    dead_letter_ratio_max: float = 1.0
    is_until_caught_up: bool = False
    rewrites: bool = False
    """Whether an event may change the row that it wrote before."""
    stop_remedy: str = "decide how to go on: stream offsets accept {partition}"
    """An operator's answer to a partition that stopped, for its log line."""
