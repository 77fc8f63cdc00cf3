"""The engine put together, for `stream run` and `stream replay`: lanes, workers, metrics and health around it."""

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from queue import SimpleQueue

import structlog

from stream.catalog import readable_topics
from stream.engine.health import HealthServer
from stream.engine.lane import Lane
from stream.engine.messages import Report
from stream.engine.metrics import Metrics
from stream.engine.options import Ending, EngineOptions
from stream.engine.poller import Engine
from stream.engine.workers import Workers
from stream.kafka.brokers import Brokers
from stream.kafka.source import Source
from stream.mysql import freshness, progress
from stream.mysql.connection import connect_engine, read_connection, translated_errors
from stream.mysql.write import Writer
from stream.operate.check import require_fit_database
from stream.operate.restore import Restorer, log_reader
from stream.records import TopicPartition
from stream.schemas.decoder import opened_decoder, require_key
from stream.settings import Settings

log = structlog.get_logger(__name__)


class Service:
    """An engine with all that it needs. It runs on any thread, and leaves nothing behind once it is closed."""

    def __init__(
        self, settings: Settings, options: EngineOptions, source: Source, *, owner: str, is_replay: bool = False
    ) -> None:
        """`owner` is the name under which partitions are claimed. A replay resolves dead letters, and leaves HTTP to
        the processes that run for good. Raises ConfigurationError."""
        url, group_id, days = settings.required_database_url(), options.group_id, settings.look_back_days
        database, metrics = connect_engine(url, for_lane=True), Metrics()
        reports: SimpleQueue[Report] = SimpleQueue()
        self._options = options
        self._queries = connect_engine(url)
        self.http_port: int | None = None
        """The port of /metrics, /livez and /readyz; None in a replay."""
        with ExitStack() as opened:
            decoder = opened.enter_context(opened_decoder(settings, options.topics))
            restorer = Restorer(decoder, log_reader(settings.required_kafka()), days)
            self.workers = Workers(settings, database, metrics, reports.put, restorer, is_replay=is_replay)
            lanes = []
            for number in range(settings.lanes):
                writer = Writer(database, group_id, owner, resolves=is_replay, look_back_days=days)
                lanes.append(Lane(f"lane-{number}", writer, decoder, source.brokers.topic_ids, metrics, reports.put))
            self._engine = engine = Engine(
                options,
                source=source,
                lanes=lanes,
                reports=reports,
                metrics=metrics,
                applied_offsets=self._applied_offsets,
                workers=self.workers,
            )
            if not is_replay:
                address = settings.http_host, settings.http_port
                health = HealthServer(*address, metrics.registry, stuck=engine.stuck, unready=engine.unready)
                self.http_port = opened.enter_context(closing(health)).port
            self.close = opened.pop_all().close
            """Give back what was opened, once `run` has returned."""
        self.stop = engine.stop
        """Have `run` finish what is in flight and return; safe in a signal handler and from any thread."""
        self.applied = engine.applied
        """The offset through which each partition of this engine is applied."""

    def run(self) -> Ending:
        """Work until told to stop, or until caught up. Raises TerminalError and ConfigurationError."""
        with self.workers.at_work():
            return self._engine.run()

    def _applied_offsets(self) -> Mapping[TopicPartition, int]:
        """The offset through which each partition is applied, whoever did it. Raises DatabaseUnavailable."""
        with read_connection(self._queries) as connection:
            return progress.next_offsets(connection, self._options.group_id, self._options.topics)


def live_service(settings: Settings, topics: Sequence[str], *, is_until_caught_up: bool) -> Service:
    """The service of `stream run`. Raises ConfigurationError for what has to be set right first, TransientError, and
    TerminalError for a topic that the catalog lacks."""
    kafka, database_url = settings.required_kafka(), settings.required_database_url()
    names = readable_topics(topics)
    require_key(names, settings.hasher())
    server = require_fit_database(database_url)
    partitions = {name: len(topic.partitions) for name, topic in Brokers(kafka).existing_topics(names).items()}
    with translated_errors(), connect_engine(database_url).begin() as connection:
        freshness.declare_feeds(connection, partitions)
    options = EngineOptions(
        group_id=settings.group_id,
        topics=names,
        batch_records_max=settings.batch_records_max,
        linger_seconds=settings.linger_ms / 1000,
        dead_letter_ratio_max=settings.dead_letter_ratio_max,
        is_until_caught_up=is_until_caught_up,
    )
    owner = kafka.get("group.instance.id") or new_owner()
    service = Service(settings, options, Source(kafka, settings.group_id), owner=owner)
    log.info("started", group=settings.group_id, topics=names, database=server, http_port=service.http_port)
    return service


def new_owner() -> str:
    """A name that tells this service from all others that write, in this process or elsewhere."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
