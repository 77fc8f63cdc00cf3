"""A process gives memory back, however many threads it has and whatever they met."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.consumers import CHECKOUT

# A large block that is freed has glibc keep all blocks that are smaller, in a heap for each thread.
FREE_MUCH = """
import sys, threading
from pathlib import Path
from stream.cli.process import return_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

def work():
    blocks = [b"x" * 1_000_000 for _ in range(8)]
    all_have.wait()
    del blocks
    all_are_done.wait()
    may_end.wait()

if "return" in sys.argv:
    return_memory()
large = b"x" * 30_000_000
del large
all_have, all_are_done, may_end = threading.Barrier(8), threading.Barrier(9), threading.Barrier(9)
before = resident_mb()
for _ in range(8):
    threading.Thread(target=work).start()
all_are_done.wait()
print(resident_mb() - before)
may_end.wait()
"""


def _megabytes_kept(*arguments: str) -> float:
    ran = subprocess.run(
        [sys.executable, "-c", FREE_MUCH, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return float(ran.stdout)


def test_what_threads_free_is_given_back() -> None:
    if _megabytes_kept() < 30:
        pytest.skip("this C library keeps nothing by itself")
    assert _megabytes_kept("return") < 8
