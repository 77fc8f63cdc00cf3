"""A short run of the fuzz; `make fuzz` does a million, or RECORDS."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.consumers import CHECKOUT

RECORDS = 60_000
SECONDS_MAX = 240
"""It takes 5; a busy machine gets a lot more."""

MEMORY_GROWTH_KB_MAX = 20_000


def test_mutated_records_become_rows_or_rejections_and_memory_stays_flat() -> None:
    """In a process of its own: its memory tells of nothing else, and an alarm ends it where it hangs."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--records", str(RECORDS)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-4000:]
    report = json.loads(run.stdout.splitlines()[-1])
    assert sum(report["outcomes"].values()) == report["records"] >= RECORDS
    assert set(report["schemas"]) == {"read with", "incompatible_schema", "unexpected_record"}
    assert report["outcomes"]["accepted"] > RECORDS / 100, "mutants that are all refused at once say little"
    assert len(report["outcomes"]) > 12, "most reasons are met"
    assert report["memory_kb_end"] - report["memory_kb_warm"] < MEMORY_GROWTH_KB_MAX
