"""Resources that a process, and the whole machine, has used so far: from Linux's /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
KILOBYTE = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in bytes."""

    now: int
    peak: int


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, those that have ended included.

    Raises FileNotFoundError where there is no such process.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def machine_cpu_seconds() -> float:
    """CPU time of all processes here, and the time that other machines on the same host stole."""
    _, user, nice, system, _idle, _iowait, *rest = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    interrupts_and_steal = rest[:3]
    return sum(int(ticks) for ticks in (user, nice, system, *interrupts_and_steal)) / TICKS_A_SECOND


def memory(pid: int) -> Memory:
    """Memory now and at its peak; zeros for a process that has ended."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Memory(now=_bytes(lines.get("VmRSS")), peak=_bytes(lines.get("VmHWM")))


def _bytes(text: str | None) -> int:
    return int(text.split()[0]) * KILOBYTE if text else 0
