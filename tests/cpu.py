"""The CPU seconds of a test run: its own, and those of all that it started, whether ended, running or orphaned."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none escapes the count."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def line() -> str:
    """The sentence for the end of the report."""
    times = os.times()
    own = times.user + times.system
    started = times.children_user + times.children_system + sum(_unreaped_seconds())
    return f"CPU: {own + started:.0f} s, of which {started:.0f} s in processes that this one started"


def _unreaped_seconds() -> Iterator[float]:
    """Return, for each descendant that nobody has waited for, its seconds and those of its ended children."""
    statuses = dict(_statuses())
    children = defaultdict(list)
    for pid, fields in statuses.items():
        children[int(fields[1])].append(pid)
    waiting = list(children[os.getpid()])
    while waiting:
        pid = waiting.pop()
        waiting.extend(children[pid])
        yield sum(int(ticks) for ticks in statuses[pid][11:15]) / os.sysconf("SC_CLK_TCK")


def _statuses() -> Iterator[tuple[int, list[str]]]:
    """Return the processes of the machine: pid, and the fields of its `stat` that follow the name."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = file.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        yield int(file.parent.name), text.rpartition(")")[2].split()  # the name may hold blanks and parentheses
