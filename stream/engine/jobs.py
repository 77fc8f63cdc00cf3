"""The jobs of the workers: what a process does beside its lanes.

Each takes one bounded step on the worker's connection, in transactions of its own, and returns the seconds that
the worker rests afterwards; None: the usual time. Several processes may take steps at once: a step that finds the work
done, or locked, leaves it.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import structlog
from sqlalchemy import Connection

from stream import moments
from stream.catalog import ROLLUPS, STREAMS
from stream.declaration.persons import Person, PersonKind
from stream.engine.metrics import Metrics
from stream.hashing import Hasher
from stream.mysql import dead_letters, erasure, freshness, locks, returns, rollups, selection
from stream.mysql import replay_runs as runs
from stream.mysql.touched import late_before
from stream.operate.restore import Restorer
from stream.quality import inspect as inspection
from stream.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE = 0.0
"""The rest where more is left to do."""

PERSONS_MAX = 500
"""Persons whose rows one step removes, with one statement a table where they have few: a second's work."""

OTHER_SWEEPS_SECONDS = 1.0
"""The eraser's rest while another process sweeps."""

ROLLUP_SECONDS = 1.0
"""The lag of rollups behind the rows, where little is written."""

REST_FACTOR = 4
"""The refresher's rest, as a multiple of its work: a period that is written all the time would be summed all the time,
and the server has rows to write."""

REST_SECONDS_MAX = 5.0
"""The longest rest of the refresher: the lag of rollups, where much is written."""

CHECK_SECONDS_MAX = 30.0
"""The longest that a check may take: half of a connection's wait for an answer (READ_TIMEOUT_SECONDS)."""

Step = Callable[[Connection, datetime], Mapping[str, int]]
"""Changes some rows that are older than a moment (UTC, without a zone); how many of each table, none at the end."""


def sweep_erasures(connection: Connection, hasher: Hasher | None, look_back_days: int) -> float | None:
    """Remove what was stored of erased persons before their markers were there. A single process sweeps at a time:
    several would wait for each other's locks, to remove the same."""
    with connection.begin():
        if not erasure.unswept(connection):
            return None
    with locks.held(connection, "erasures") as is_ours:
        if not is_ours:
            return OTHER_SWEEPS_SECONDS
        with connection.begin():
            persons = sweepable(connection, hasher)
        some = persons[:PERSONS_MAX]
        if some:
            erasure.sweep(connection, some, hasher, late_before(look_back_days))
            log.info("erasures swept", persons=len(some))
    return AT_ONCE if len(persons) > len(some) else None


def sweepable(connection: Connection, hasher: Hasher | None) -> list[Person]:
    """The persons whose rows this process can remove. Without a key it leaves those who may take part in studies to
    other processes.
    """
    persons = erasure.unswept(connection)
    if hasher is not None:
        return persons
    may_participate = bool(erasure.known_studies(connection))
    keyless = [person for person in persons if not (may_participate and person.kind == PersonKind.APP)]
    if len(keyless) < len(persons):
        log.warning("erasures wait", persons=len(persons) - len(keyless), todo="run a process with STREAM_HASH_KEY")
    return keyless


def restore_returned(connection: Connection, restorer: Restorer) -> float | None:
    """Apply some of what was left out of persons before it was known that they had come back."""
    restored = restorer.restore_some(connection)
    if restored is None:
        return None
    log.info("records of returned persons applied", records=restored.records)
    if restored.gone_from_log:
        log.warning("records of returned persons are gone", records=restored.gone_from_log, why="the log's retention")
    return AT_ONCE


def refresh_rollups(connection: Connection, metrics: Metrics) -> float | None:
    """Sum some touched periods of each rollup again."""
    began = time.monotonic()
    with connection.begin():
        rollups.prepare(connection)
    entries = []
    for rollup in ROLLUPS.values():
        with connection.begin():
            entries.append(rollups.refresh_some(connection, rollup))
    with connection.begin():
        metrics.observe_rollups(rollups.backlogs(connection))
    rest = REST_FACTOR * (time.monotonic() - began)
    if max(entries) < rollups.PERIODS_MAX:  # little is left, if anything
        rest = max(rest, ROLLUP_SECONDS)
    return min(rest, REST_SECONDS_MAX)


@dataclass(frozen=True)
class Kept:
    """The ages at which things end; docs/housekeeping.md tells operators."""

    content: timedelta
    """Of dead letters that wait, since they were last rejected."""
    settled: timedelta
    """Of the coordinates and reasons of dead letters that don't wait, since they were last rejected as well; and of the
    coordinates of what was left out of persons who may come back, since then."""
    runs: timedelta
    """Of replays, with their progress and ledgers, since anybody went on with them."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        content, journals = timedelta(days=settings.dead_letter_days), timedelta(days=settings.keep_days)
        # A record that is in the log may be read again, and what was discarded has to stay so.
        retention = timedelta(milliseconds=max(stream.retention_ms for stream in STREAMS.values()))
        # A copy in <topic>.dlq may be as young as its dead letter's end, and lasts as long again: receipts tell of it.
        return cls(content, max(journals, retention, 2 * content), journals)


def keep_house(connection: Connection, metrics: Metrics, kept: Kept) -> float | None:
    """Tell what waits and how fresh tables are, empty dead letters that waited too long, and remove what nobody needs
    any more. A server that takes no writes still tells.
    """
    with connection.begin():
        metrics.observe_waiting(selection.count_waiting(connection))
        metrics.observe_freshness(freshness.freshness(connection))
    expired = _step(connection, dead_letters.expire_some, kept.content).total()
    if expired:
        metrics.expired_dead_letters.inc(expired)
        log.info("dead letters expired", records=expired, effect="what was kept of them is emptied")
    removed: Counter[str] = Counter()
    for step, age in (
        (dead_letters.remove_settled, kept.settled),
        (returns.remove_old, kept.settled),
        (runs.remove_old, kept.runs),
    ):
        rows = _step(connection, step, age)
        if rows.total():
            log.info("old rows removed", rows=dict(rows), kept_days=age.days)
        removed += rows
    for table, count in removed.items():
        metrics.removed_rows.labels(table).inc(count)
    return AT_ONCE if expired or removed else None


def _step(connection: Connection, step: Step, age: timedelta) -> Counter[str]:
    with connection.begin():
        return Counter(step(connection, moments.now() - age))


def inspect_quality(connection: Connection, metrics: Metrics, interval: timedelta) -> float | None:
    """Run the check of data quality that is due, if any is, and tell what is known of all. A single process inspects at
    a time, and a single check at a step: MySQL never runs more than one of these queries. `interval` is how old a
    finding may become; 0 never inspects."""
    if interval:
        with locks.held(connection, "quality") as is_ours:
            if is_ours:
                _run_check(connection, interval)
    metrics.observe_quality(inspection.remembered(connection))
    return None


def _run_check(connection: Connection, interval: timedelta) -> None:
    with connection.begin():
        check = inspection.overdue(connection, interval)
    if check is not None:
        # A query may take its time, an open transaction may not.
        finding = inspection.inspect(connection, check, CHECK_SECONDS_MAX)
        connection.rollback()
        with connection.begin():
            inspection.remember(connection, finding)
