"""`stream replay`, put together: the engine of `stream run` over bounded ranges, under a group of its own.

Everything from poll to commit is the same. What differs is where records come from (`ranges.RangeSource`), which
progress rows say how far it is (`runs`), and that it waits while the live group falls behind (`brake`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine as DatabaseEngine

from stream.catalog import STREAMS
from stream.counts import Reached, Tell
from stream.engine.eraser import Eraser
from stream.engine.metrics import Metrics
from stream.engine.poller import Ending, Engine, EngineOptions
from stream.engine.refresher import Refresher
from stream.engine.service import calm_garbage_collector, lanes, process_name, stop_on_signals
from stream.errors import TerminalError, TransientError
from stream.kafka.ranges import RangeSource
from stream.kafka.source import Brokers, admin_client, offset_ranges, topic_ids
from stream.mysql import progress
from stream.mysql import replay_runs as runs
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.replay_runs import Run
from stream.mysql.write import Writer
from stream.operate.check import require_fit_database
from stream.operate.lag import partition_lags
from stream.records import Range, TopicPartition
from stream.replay.brake import Brake, LiveLag
from stream.schemas.decoder import Decoder, opened_decoder, require_key
from stream.settings import Settings

log = structlog.get_logger(__name__)

TELL_SECONDS = 0.5
"""How often somebody who watches is told how far it is."""


def begin(settings: Settings, ranges: Sequence[Range]) -> Run:
    """Note a new run. Raises ConfigurationError, and DatabaseUnavailable."""
    require_key({one.topic for one in ranges}, settings.hasher())
    database_url = settings.required_database_url()
    require_fit_database(database_url)
    return runs.create(connect_engine(database_url), ranges)


def resume(settings: Settings, run_id: str) -> Run:
    """A run that was interrupted, made fit to go on.

    Raises TerminalError where it has ended, or its log is gone; ConfigurationError and TransientError.
    """
    database = connect_engine(settings.required_database_url())
    run = runs.load(database, run_id)
    if run.has_ended:
        raise TerminalError(f"replay {run_id} has ended: plan another one with --topic")
    admin = admin_client(settings.required_kafka())
    ids = topic_ids(admin, run.topics)
    recreated = sorted({one.topic for one in run.ranges if ids[one.topic] != one.topic_id})
    if recreated:
        raise TerminalError(
            f"{', '.join(recreated)} was deleted and made anew since the plan: plan another replay with --topic"
        )
    _skip_what_is_gone(database, run, {one: low for one, (low, _) in offset_ranges(admin, run.topics).items()})
    return run


def _skip_what_is_gone(database: DatabaseEngine, run: Run, lows: Mapping[TopicPartition, int]) -> None:
    """Where retention overtook the replay nothing is left to read again."""
    ends = {one.topic_partition: one.to_offset for one in run.ranges}
    gone = {
        one: min(lows[one], ends[one])
        for one, offset in runs.next_offsets(database, run).items()
        if offset < min(lows[one], ends[one])
    }
    for one, offset in gone.items():
        log.warning("records left the log", partition=str(one), effect="they are not replayed", goes_on_at=offset)
    runs.skip_to(database, run, gone)


def execute(settings: Settings, run: Run, tell: Tell) -> bool:
    """Go on with a run until it is done, or SIGTERM or SIGINT comes; whether it is done.

    Raises ConfigurationError, TransientError and TerminalError.
    """
    with opened_decoder(settings, run.topics) as decoder:
        return _execute(settings, run, decoder, tell)


def _execute(settings: Settings, run: Run, decoder: Decoder, tell: Tell) -> bool:
    database_url = settings.required_database_url()
    require_fit_database(database_url)
    queries = connect_engine(database_url)
    lane_engine = connect_engine(database_url, for_lane=True)
    brokers = Brokers(settings.required_kafka())
    metrics = Metrics()
    owner = process_name()
    brake = Brake(_live_lag(settings, queries, brokers))
    eraser = Eraser(lane_engine, metrics, settings.hasher(), settings.look_back_days)
    refresher = Refresher(lane_engine, metrics)

    def new_writer() -> Writer:
        return Writer(lane_engine, run.group_id, owner, resolves=True, look_back_days=settings.look_back_days)

    engine = Engine(
        engine_options(settings, run),
        source=lambda engine: RangeSource(
            settings.required_kafka(),
            run.group_id,
            run.ranges,
            on_assign=engine.on_assign,
            holds=_holds(queries, run, owner),
            is_held_back=brake.holds,
        ),
        lanes=lanes(settings.lanes, new_writer, decoder, brokers.topic_ids, metrics),
        metrics=metrics,
        applied_offsets=lambda: runs.next_offsets(queries, run),
        erasures=eraser,
        rollups=refresher,
    )
    calm_garbage_collector()
    stop_on_signals(engine)
    eraser.start()
    refresher.start()
    try:
        with _told(lambda: Reached(_done(run, engine.applied()), run.records_max, brake.is_on), tell):
            ending = engine.run()
    finally:
        refresher.stop()
        eraser.stop()
    if ending is Ending.CAUGHT_UP:
        runs.end(queries, run)
    return ending is Ending.CAUGHT_UP


def engine_options(settings: Settings, run: Run) -> EngineOptions:
    """How the engine serves a run: to its end, and under its own group."""
    return EngineOptions(
        group_id=run.group_id,
        topics=run.topics,
        batch_records_max=settings.batch_records_max,
        linger_seconds=settings.linger_ms / 1000,
        is_until_caught_up=True,
        stop_remedy=f"once this run has ended: stream replay --resume {run.run_id}, "
        "which passes over what has left the log",
    )


def _holds(queries: DatabaseEngine, run: Run, owner: str) -> Callable[[TopicPartition], bool | None]:
    """Whether a partition is still ours after a fenced write: it is not where another process resumed the run."""

    def holds(one: TopicPartition) -> bool | None:
        try:
            with read_connection(queries) as connection:
                found = progress.owner_of(connection, run.group_id, one)
        except TransientError:
            return None  # asked again within a second
        if found not in (owner, ""):  # "": a restored backup took the run back to its beginning
            raise TerminalError(f"another process goes on with replay {run.run_id}: this one ends; nothing is lost")
        return True

    return holds


def _live_lag(settings: Settings, queries: DatabaseEngine, brokers: Brokers) -> Callable[[], LiveLag]:
    """How the live group stands, in the topics that it has ever applied anything of."""

    def look() -> LiveLag:
        with read_connection(queries) as connection:
            applied = progress.next_offsets(connection, settings.group_id, STREAMS)
        topics = sorted({one.topic for one in applied})
        with brokers.asking() as admin:
            lags = partition_lags(admin, queries, settings.group_id, topics) if topics else []
        return LiveLag(sum(one.lag_records for one in lags), sum(one.next_offset or 0 for one in lags))

    return look


def _done(run: Run, applied: Mapping[TopicPartition, int]) -> int:
    return sum(
        min(applied.get(one.topic_partition, one.from_offset), one.to_offset) - one.from_offset for one in run.ranges
    )


@contextmanager
def _told(reached: Callable[[], Reached], tell: Tell) -> Iterator[None]:
    """Tell how far it is, now and then, while the block runs, and once more behind it."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(TELL_SECONDS):
            tell(reached())

    watcher = threading.Thread(target=watch, name="watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join(TELL_SECONDS)
        tell(reached())
