"""Progress of long work: a bar for each step on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.workload import Tell


class Steps:
    """Shows the steps as they go on; a context manager."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Steps:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Tell]:
        """A step of `total` units; what it yields is told how many are done."""
        task = self._bars.add_task(title, total=total)
        started = time.monotonic()
        yield lambda done: self._bars.update(task, completed=done)
        self._bars.update(task, completed=total)
        if self._bars.disable:
            sys.stderr.write(f"{title}: {time.monotonic() - started:.1f} s\n")
