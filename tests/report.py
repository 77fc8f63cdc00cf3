"""What the report of a test run tells at its end: the servers, times that were measured, and what chaos did.

Tests may run in several processes; each hands its lines to the one that reports.
"""

from __future__ import annotations

LINES: dict[str, None] = {}
"""In the order in which they came, each once."""


def tell(line: str) -> None:
    LINES[line] = None
