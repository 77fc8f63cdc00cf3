"""`stream run`, put together: settings in, an engine with its lanes, metrics and health around it."""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import structlog

from stream.engine.eraser import Eraser
from stream.engine.health import HealthServer
from stream.engine.housekeeper import Housekeeper, Kept
from stream.engine.inspector import Inspector
from stream.engine.lane import Lane, Report, TopicIds
from stream.engine.metrics import Metrics
from stream.engine.poller import Ending, Engine, EngineOptions, readable_topics
from stream.engine.refresher import Refresher
from stream.kafka.source import Brokers, Source, describe_topics
from stream.mysql import freshness, progress
from stream.mysql.connection import connect_engine, read_connection, translated_errors
from stream.mysql.write import Writer
from stream.operate.check import require_fit_database
from stream.records import TopicPartition
from stream.schemas.decoder import Decoder, opened_decoder
from stream.settings import Settings

log = structlog.get_logger(__name__)


def run(settings: Settings, topics: Sequence[str], *, is_until_caught_up: bool) -> Ending:
    """Consume until SIGTERM or SIGINT, or until caught up.

    Raises ConfigurationError for what has to be set right first, and TerminalError.
    """
    kafka, database_url = settings.required_kafka(), settings.required_database_url()
    names = readable_topics(topics)
    with opened_decoder(settings, names) as decoder:
        ending = _run(settings, kafka, database_url, names, decoder, is_until_caught_up=is_until_caught_up)
    log.info("ended", how=ending.value)
    return ending


def _run(
    settings: Settings,
    kafka: Mapping[str, str],
    database_url: str,
    names: Sequence[str],
    decoder: Decoder,
    *,
    is_until_caught_up: bool,
) -> Ending:
    queries = connect_engine(database_url)
    server = require_fit_database(database_url)
    brokers = Brokers(kafka)
    with brokers.asking() as admin:
        described = describe_topics(admin, names)
    with translated_errors(), queries.begin() as connection:
        freshness.declare_feeds(connection, {name: len(one.partitions) for name, one in described.items()})

    metrics = Metrics()
    owner = kafka.get("group.instance.id") or process_name()
    lane_engine = connect_engine(database_url, for_lane=True)

    def applied_offsets() -> Mapping[TopicPartition, int]:
        with read_connection(queries) as connection:
            return progress.next_offsets(connection, settings.group_id, names)

    def new_writer() -> Writer:
        return Writer(lane_engine, settings.group_id, owner, look_back_days=settings.look_back_days)

    eraser = Eraser(lane_engine, metrics, settings.hasher(), settings.look_back_days)
    refresher = Refresher(lane_engine, metrics)
    housekeeper = Housekeeper(lane_engine, metrics, Kept.of(settings))
    inspector = Inspector(lane_engine, metrics, timedelta(minutes=settings.quality_minutes))
    engine = Engine(
        _engine_options(settings, names, is_until_caught_up=is_until_caught_up),
        source=lambda engine: Source(
            kafka,
            settings.group_id,
            on_assign=engine.on_assign,
            on_revoke=engine.on_revoke,
            on_lost=engine.on_lost,
        ),
        lanes=lanes(settings.lanes, new_writer, decoder, brokers.topic_ids, metrics),
        metrics=metrics,
        applied_offsets=applied_offsets,
        erasures=eraser,
        rollups=refresher,
    )
    health = HealthServer(
        settings.http_host, settings.http_port, metrics.registry, stuck=engine.stuck, unready=engine.unready
    )
    calm_garbage_collector()
    log.info("started", group=settings.group_id, topics=names, database=server, http_port=health.port)
    stop_on_signals(engine)
    with closing(health), at_work(eraser, refresher, housekeeper, inspector):
        return engine.run()


def _engine_options(settings: Settings, names: Sequence[str], *, is_until_caught_up: bool) -> EngineOptions:
    return EngineOptions(
        group_id=settings.group_id,
        topics=names,
        batch_records_max=settings.batch_records_max,
        linger_seconds=settings.linger_ms / 1000,
        dead_letter_ratio_max=settings.dead_letter_ratio_max,
        is_until_caught_up=is_until_caught_up,
    )


@contextmanager
def at_work(*threads: Eraser | Refresher | Housekeeper | Inspector) -> Iterator[None]:
    """The threads work while the block runs; then they are told to stop, the last one first."""
    with ExitStack() as started:
        for thread in threads:
            thread.start()
            started.callback(thread.stop)
        yield


def process_name() -> str:
    """What tells this process from others that write."""
    return f"{socket.gethostname()}-{os.getpid()}"


def lanes(
    number: int, new_writer: Callable[[], Writer], decoder: Decoder, topic_ids: TopicIds, metrics: Metrics
) -> Callable[[Callable[[Report], None]], list[Lane]]:
    """Makes so many lanes that report to an engine, each with a writer of its own."""
    return lambda report: [
        Lane(f"lane-{one}", new_writer(), decoder, topic_ids, metrics, report) for one in range(number)
    ]


def calm_garbage_collector() -> None:
    """Look for cycles seldom: events and rows have none, but there are thousands of them in each batch, and walking
    them took a quarter of the time. Reference counts free them as soon as the batch is done.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def stop_on_signals(engine: Engine) -> None:
    """The first signal drains; a second one does what it usually does."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        engine.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
