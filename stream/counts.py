"""Counts: the two ledgers, which balance, and how far a long command is."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Self


@dataclass(frozen=True)
class RecordCounts:
    """The records of one slice by their outcome; the first ledger. Can't be made unless it balances."""

    consumed: int
    written: int
    superseded: int
    dead_lettered: int

    def __post_init__(self) -> None:
        if self.consumed != self.written + self.superseded + self.dead_lettered:
            raise AssertionError(f"the ledger of records does not balance: {self}")


@dataclass(frozen=True)
class RowCounts:
    """The rows of one statement by their outcome; the second ledger."""

    sent: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    suppressed: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(add, vars(self).values(), vars(other).values()))


@dataclass(frozen=True)
class Reached:
    """Progress of a long command: records, or offsets where gaps among them can't be told."""

    done: int
    total: int
    is_held_back: bool = False
    """Whether it waits, so that the live group can catch up."""


Tell = Callable[[Reached], None]
"""Tells whoever watches."""
