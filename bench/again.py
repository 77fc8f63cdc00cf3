"""Contenders that read the log again: `stream replay --execute` and `stream verify`, beside the live drain.

A replay is watched as the live drain is, through the progress that it keeps in MySQL. A verify writes nothing that
others see, so its window is its process's whole life: start-up, reading and comparing.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping

from bench.drain import WATCH_SECONDS, applied_counts, is_alive, require_success, running
from bench.ground import Ground
from bench.process import memory
from bench.run import QUARTERS, Observation, Run
from bench.workload import Tell, Workload
from stream.mysql.replay_runs import GROUP_PREFIX


def replay(
    contender: str, ground: Ground, workload: Workload, settings: Mapping[str, str], tell: Tell, *, is_fresh: bool
) -> Run:
    """Replay the workload's topic: into fresh tables, else into those of the contender before, where it changes none
    of the rows.
    """
    url = ground.fresh_database() if is_fresh else ground.url
    with running(ground, url, settings, "replay", "--topic", workload.topic, "--execute") as process:
        counts = applied_counts(url, [process], GROUP_PREFIX)
        run = Observation(contender, ground, workload, [process.pid]).follow(counts, tell)
        require_success(ground, process)
    return run


def verify(contender: str, ground: Ground, workload: Workload, settings: Mapping[str, str], tell: Tell) -> Run:
    """Verify the tables that the live drain has filled."""
    sizes: list[int] = []
    with running(ground, ground.url, settings, "verify", "--topic", workload.topic) as process:
        counts = _nothing_until_all(process, workload.count, sizes)
        run = Observation(contender, ground, workload, [process.pid]).follow(counts, tell)
        require_success(ground, process)
    # Quarters of its time: how many records it has read it tells nobody.
    run.memory_quarters = [sizes[int(quarter * (len(sizes) - 1))] for quarter in QUARTERS]
    return run


def _nothing_until_all(process: subprocess.Popen[bytes], total: int, sizes: list[int]) -> Iterator[int]:
    """No record is done until the process has ended, and then all are; meanwhile its `sizes` in memory are noted."""
    while is_alive(process):
        size = memory(process.pid).now
        sizes += [size] if size else []  # none once it has ended
        yield 0
        time.sleep(WATCH_SECONDS)
    yield total
