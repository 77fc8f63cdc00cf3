"""Contender (c): `stream run --until-caught-up`, watched through the progress that it keeps in MySQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from sqlalchemy import func, select

from bench.ground import Ground
from bench.run import Observation, Run
from bench.workload import Tell, Workload
from stream.declaration.service_tables import PROGRESS
from stream.mysql.connection import connect_engine

WATCH_SECONDS = 0.05
"""The pause between readings of progress: the window is exact to about a batch, and reading costs a thousandth."""

SHARED_OUT_SHARE = 0.25
"""The share of the records by which a group of several processes has shared out the partitions."""

END_SECONDS_MAX = 60.0


def drain(
    contender: str, ground: Ground, workload: Workload, settings: Mapping[str, str], tell: Tell, process_count: int = 1
) -> Run:
    """Drain the workload's topic into fresh tables, in so many processes of one group.

    The window is taken from `progress` in MySQL, which is written in the transaction of the rows. That of several
    processes begins later, when the group has shared the partitions out.
    """
    from_share = SHARED_OUT_SHARE if process_count > 1 else 0.0
    url = ground.fresh_database()
    topics = [stream.topic for stream in workload.streams]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(streaming(ground, url, topics, settings, "--until-caught-up"))
            for _ in range(process_count)
        ]
        pids = [process.pid for process in processes]
        run = Observation(contender, ground, workload, pids, from_share).follow(applied_counts(url, processes), tell)
        for process in processes:
            require_success(ground, process)
    return run


def streaming(
    ground: Ground, url: str, topics: Sequence[str], settings: Mapping[str, str], *options: str
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a `stream run`; it ends, if it still runs, when the block is left."""
    chosen = [part for topic in topics for part in ("--topic", topic)]
    return running(ground, url, settings, "run", *chosen, *options)


@contextmanager
def running(
    ground: Ground, url: str, settings: Mapping[str, str], *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a `stream` command; it ends, if it still runs, when the block is left."""
    environment = ground.environment(url, {"STREAM_LOG_FORMAT": "json", **settings})
    command = [sys.executable, "-m", "stream", *arguments]
    with ground.log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603 - ours
    try:
        yield process
    finally:
        process.terminate()
        process.wait(END_SECONDS_MAX)


def require_success(ground: Ground, process: subprocess.Popen[bytes]) -> None:
    """Wait for the end. Raises RuntimeError where the process failed."""
    if process.wait(END_SECONDS_MAX) != 0:
        raise RuntimeError(f"a command ended with {process.returncode}: see {ground.log}")


def applied_counts(
    url: str, processes: Sequence[subprocess.Popen[bytes]], group_prefix: str = ""
) -> Iterator[int | None]:
    """The number of records that are applied, again and again until all processes have ended; None while none are.

    Of the groups whose names begin so: a replay keeps its progress beside the live group's.
    """
    total = select(func.coalesce(func.sum(PROGRESS.c.records_consumed), 0))
    total = total.where(PROGRESS.c.group_id.startswith(group_prefix))
    with connect_engine(url).connect() as connection:
        is_going_on = True
        while is_going_on:
            is_going_on = any(map(is_alive, processes))  # asked first, so that the last answer tells all that was done
            yield int(connection.execute(total).scalar_one()) or None
            connection.rollback()
            time.sleep(WATCH_SECONDS)


def is_alive(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process runs. A process that has ended is left unreaped, for its CPU time to be read."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
