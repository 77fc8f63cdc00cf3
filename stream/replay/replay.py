"""`stream replay`: the service of `stream run` over bounded ranges, under a group of its own.

Everything from poll to commit is the same. What differs is where records come from (`ranges.RangeSource`), which
progress rows say how far it is (`runs`), and that it waits while the live group falls behind (`brake`).
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine as DatabaseEngine

from stream.catalog import STREAMS
from stream.counts import Reached, Tell
from stream.engine.metrics import Metrics
from stream.engine.options import Ending, EngineOptions
from stream.engine.service import QUERY_SECONDS_MAX, Service, new_owner
from stream.errors import TerminalError, TransientError
from stream.kafka.brokers import Brokers
from stream.kafka.ranges import RangeSource
from stream.mysql import progress
from stream.mysql import replay_runs as runs
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.replay_runs import Run
from stream.operate.check import require_fit_database
from stream.operate.standing import lags
from stream.records import Range, TopicPartition
from stream.replay.brake import Brake, LiveLag
from stream.schemas.decoder import require_key
from stream.settings import Settings

log = structlog.get_logger(__name__)

TELL_SECONDS = 0.5
"""The period in which a replay tells how far it is."""


def begin_run(settings: Settings, ranges: Sequence[Range], *, rewrites: bool = False) -> Run:
    """Note a new run. Raises ConfigurationError, and DatabaseUnavailable."""
    require_key({part.topic for part in ranges}, settings.hasher())
    database_url = settings.required_database_url()
    require_fit_database(database_url)
    return runs.create(connect_engine(database_url), ranges, rewrites=rewrites)


def resume_run(settings: Settings, run_id: str) -> Run:
    """A run that was interrupted, made fit to go on. Raises TerminalError where it has ended, or its log is gone;
    ConfigurationError and TransientError."""
    database = connect_engine(settings.required_database_url())
    run = runs.load(database, run_id)
    if run.has_ended:
        raise TerminalError(f"replay {run_id} has ended: plan another one with --topic")
    logs = Brokers(settings.required_kafka()).logs(run.topics)
    ids = {partition.topic: log_.topic_id for partition, log_ in logs.items()}
    recreated = sorted({part.topic for part in run.ranges if ids[part.topic] != part.topic_id})
    if recreated:
        raise TerminalError(
            f"{', '.join(recreated)} was deleted and made anew since the plan: plan another replay with --topic"
        )
    _skip_what_is_gone(database, run, {partition: log_.low for partition, log_ in logs.items()})
    return run


def _skip_what_is_gone(database: DatabaseEngine, run: Run, lows: Mapping[TopicPartition, int]) -> None:
    """Go on behind what retention took: nothing of it is left to read again."""
    begins = {part.topic_partition: min(lows[part.topic_partition], part.to_offset) for part in run.ranges}
    places = runs.next_offsets(database, run)
    gone = {partition: begins[partition] for partition, offset in places.items() if offset < begins[partition]}
    for partition, offset in gone.items():
        log.warning("records left the log", partition=str(partition), effect="they are not replayed", goes_on_at=offset)
    runs.skip_to(database, run, gone)


class Replay:
    """A run under way, in this process; `run`, `stop` and `close` are as those of `Service`."""

    def __init__(self, settings: Settings, run: Run) -> None:
        """Raises ConfigurationError and TransientError."""
        kafka, database_url = settings.required_kafka(), settings.required_database_url()
        require_fit_database(database_url)
        self._settings = settings
        self._run = run
        self._owner = new_owner()
        self._database = connect_engine(database_url)
        self._queries = connect_engine(database_url, seconds_max=QUERY_SECONDS_MAX)  # the poller's
        self._brake = Brake(self._live_lag)
        source = RangeSource(kafka, run.group_id, run.ranges, holds=self._is_still_ours, is_held_back=self._brake.holds)
        self._brokers = source.brokers
        options = engine_options(settings, run)
        self._service = Service(settings, options, source, Metrics(), owner=self._owner, is_replay=True)
        self.stop, self.close = self._service.stop, self._service.close

    def run(self, tell: Tell) -> bool:
        """Go on until everything is applied, or until told to stop; whether everything is. Raises ConfigurationError,
        TransientError and TerminalError."""
        with _told(self._reached, tell):
            ending = self._service.run()
        if ending is Ending.CAUGHT_UP:
            runs.end(self._database, self._run)
        return ending is Ending.CAUGHT_UP

    def _reached(self) -> Reached:
        applied = self._service.applied()
        ranges = self._run.ranges
        places = [min(applied.get(part.topic_partition, part.from_offset), part.to_offset) for part in ranges]
        done = sum(places) - sum(part.from_offset for part in ranges)
        return Reached(done, self._run.records_max, self._brake.is_on)

    def _is_still_ours(self, topic_partition: TopicPartition) -> bool | None:
        """Whether to go on with a partition after a fenced write; None while MySQL doesn't answer. Raises TerminalError
        where another process resumed the run."""
        try:
            with read_connection(self._queries) as connection:
                owner = progress.owner_of(connection, self._run.group_id, topic_partition)
        except TransientError:
            return None  # asked again within a second
        if owner not in (self._owner, ""):  # "": a restored backup took the run back to its beginning
            run_id = self._run.run_id
            raise TerminalError(f"another process goes on with replay {run_id}: this one ends; nothing is lost")
        return True

    def _live_lag(self) -> LiveLag:
        """The lag of the live group, in the topics that it has ever applied anything of."""
        group_id = self._settings.group_id
        with read_connection(self._queries) as connection:
            topics = sorted({where.topic for where in progress.next_offsets(connection, group_id, STREAMS)})
            behind = lags(self._brokers, connection, group_id, topics) if topics else []
        return LiveLag(sum(each.lag_records or 0 for each in behind), sum(each.next_offset or 0 for each in behind))


def engine_options(settings: Settings, run: Run) -> EngineOptions:
    """The engine's options for a run: to its end, and under its own group."""
    return EngineOptions(
        group_id=run.group_id,
        topics=run.topics,
        batch_records_max=settings.batch_records_max,
        linger_seconds=settings.linger_ms / 1000,
        is_until_caught_up=True,
        rewrites=run.rewrites,
        stop_remedy=f"once this run has ended: stream replay --resume {run.run_id}, "
        "which passes over what has left the log",
    )


@contextmanager
def _told(reached: Callable[[], Reached], tell: Tell) -> Iterator[None]:
    """Tell what is reached, now and then while the block runs, and once more after it."""
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
