"""The last lines of a test run: the servers, times that were measured, and the deeds of chaos.

Tests may run in several processes; each hands its lines to the one that reports.
"""

from __future__ import annotations

LINES: dict[str, None] = {}
"""In the order in which they came, each once."""


def tell(line: str) -> None:
    LINES[line] = None
