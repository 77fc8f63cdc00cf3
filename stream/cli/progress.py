"""Progress of a long command: a bar on a terminal, elsewhere a line of log now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.counts import Reached, Tell

log = structlog.get_logger(__name__)

LOG_SECONDS = 10.0
"""Seconds between lines."""


@contextmanager
def shown(verb: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Tell]:
    """Show how many records are `verb` (read, replayed, redriven) while the block runs, to standard error."""
    pace = Pace(clock)
    if not sys.stderr.isatty():
        yield _Lines(verb, pace)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),  # what the texts leave of the line
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(verb, total=None, rate=0.0)

        def tell(reached: Reached) -> None:
            rate, _ = pace.observe(reached)
            said = "waiting for the live group" if reached.is_held_back else verb
            progress.update(task, description=said, completed=reached.done, total=reached.total, rate=rate)

        yield tell


class _Lines:
    """A line of log now and then."""

    def __init__(self, verb: str, pace: Pace) -> None:
        self._verb = verb
        self._pace = pace
        self._due_after = LOG_SECONDS  # what is over sooner needs no line

    def __call__(self, reached: Reached) -> None:
        rate, seconds_left = self._pace.observe(reached)
        if self._pace.seconds < self._due_after:
            return
        self._due_after = self._pace.seconds + LOG_SECONDS
        log.info(
            f"records {self._verb}",
            count=reached.done,
            of=reached.total,
            records_per_second=round(rate),
            seconds_left=None if seconds_left is None else round(seconds_left),
            waits_for_live_group=reached.is_held_back,
        )


class Pace:
    """The rate of a run in this process, and how long the rest takes at that rate."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._first_done: int | None = None

    @property
    def seconds(self) -> float:
        return self._clock() - self._began_at

    def observe(self, reached: Reached) -> tuple[float, float | None]:
        """Records a second, and seconds left; None while that can't be told."""
        if self._first_done is None:
            self._first_done = reached.done  # a resumed run doesn't begin with nothing
        rate = (reached.done - self._first_done) / max(self.seconds, 0.001)
        return rate, (reached.total - reached.done) / rate if rate else None
