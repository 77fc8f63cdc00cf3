"""Processes of the benchmark's own, and the resources that a process, and the whole machine, has used so far: from
Linux's /proc.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ground import CHECKOUT

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
KILOBYTE = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in bytes."""

    now: int
    peak: int


@contextmanager
def running_module(name: str, options: Mapping[str, object]) -> Iterator[subprocess.Popen[str]]:
    """Run one of our modules as a process that reads its options, as JSON, from the first line of its input. It ends
    when the block is left."""
    command = [sys.executable, "-m", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:  # noqa: S603 - ours
        try:
            say_line(process, json.dumps(options))
            yield process
        finally:
            process.terminate()


def say_line(process: subprocess.Popen[str], line: str) -> None:
    """Write a line into a process's input."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def heard_lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines of a process's output, until it ends."""
    assert process.stdout is not None
    yield from process.stdout


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


def total_memory(pids: Sequence[int]) -> Memory:
    """The memory of several processes together; pages that they share count in each."""
    each = [memory(pid) for pid in pids]
    return Memory(now=sum(used.now for used in each), peak=sum(used.peak for used in each))


def _bytes(text: str | None) -> int:
    return int(text.split()[0]) * KILOBYTE if text else 0
