"""The schema registry goes away, or falls silent, for a moment."""

from __future__ import annotations

import os
import signal

from tests.chaos.group import Group
from tests.chaos.kills import ANY_SECONDS

SILENT_SECONDS_MAX = 8.0
"""Longer than an answer may take."""


def kill_the_registry(group: Group) -> None:
    """Whoever starts meanwhile knows no id yet, and waits."""
    registry = group.required_registry()
    registry.kill()
    group.kill(group.someone())
    group.start_one()
    group.let_pass(ANY_SECONDS)
    registry.start()


def silence_the_registry(group: Group) -> None:
    pid = group.required_registry().pid
    os.kill(pid, signal.SIGSTOP)
    try:
        group.kill(group.someone())
        group.start_one()
        group.let_pass(SILENT_SECONDS_MAX)
    finally:
        os.kill(pid, signal.SIGCONT)
