"""How far a long command is: what it tells whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reached:
    """How much is done, of how much: records, or offsets where gaps among them can't be told."""

    done: int
    total: int
    is_held_back: bool = False
    """Whether it waits, so that the live group can catch up."""


Tell = Callable[[Reached], None]
