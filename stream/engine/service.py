"""The engine put together, for `stream run` and `stream replay`: lanes, workers, metrics and health around it."""

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from queue import SimpleQueue

import structlog

from stream.catalog import readable_topics
from stream.engine.health import Health
from stream.engine.http_server import HttpServer
from stream.engine.lane import Lane
from stream.engine.messages import Report
from stream.engine.metrics import Metrics
from stream.engine.options import Ending, EngineOptions
from stream.engine.poller import Engine
from stream.engine.survey import Surveyor
from stream.engine.workers import Workers
from stream.kafka.brokers import Brokers, Topics
from stream.kafka.source import Source
from stream.mysql import freshness
from stream.mysql.connection import connect_engine, read_connection, translated_errors
from stream.mysql.write import Writer
from stream.operate.check import require_fit_database
from stream.operate.restore import Restorer, log_reader
from stream.operate.standing import Applied, applied
from stream.records import TopicPartition
from stream.schemas.decoder import opened_decoder, require_key
from stream.settings import Settings

log = structlog.get_logger(__name__)

HOST_CHARACTERS_MAX = 200
"""The room for it in the column of a partition's owner, beside what follows; Linux' host names have 64."""

QUERY_SECONDS_MAX = 5
"""The most that a question of the poller or the surveyor to MySQL may take: the group takes a poller that is silent for
minutes for dead, and a stop waits for it."""


class Service:
    """An engine with all that it needs. It runs on any thread, and leaves nothing behind once it is closed."""

    def __init__(
        self,
        settings: Settings,
        options: EngineOptions,
        source: Source,
        metrics: Metrics,
        *,
        owner: str,
        is_replay: bool = False,
    ) -> None:
        """`owner` is the name under which partitions are claimed. A replay resolves dead letters, and leaves surveys to
        the processes that run for good. Raises ConfigurationError."""
        url, group_id, days = settings.required_database_url, options.group_id, settings.look_back_days
        database, queries = connect_engine(url, for_lane=True), connect_engine(url, seconds_max=QUERY_SECONDS_MAX)
        reports: SimpleQueue[Report] = SimpleQueue()
        self._options = options
        self._queries = queries
        surveyor = Surveyor(
            source.brokers,
            options.topics,
            assigned=lambda: self._engine.assigned(),
            stored=self._stored,
            report=reports.put,
        )
        self.http_port: int | None = None
        """The port of /metrics, /livez and /readyz; None where nobody serves them."""
        with ExitStack() as opened:
            decoder = opened.enter_context(opened_decoder(settings, options.topics))
            restorer = Restorer(decoder, log_reader(settings.required_kafka()), days)
            self.workers = Workers(
                settings, database, queries, metrics, reports.put, restorer, surveyor=None if is_replay else surveyor
            )
            lanes = []
            for number in range(settings.lanes):
                writer = Writer(
                    database, group_id, owner, resolves=is_replay, rewrites=options.rewrites, look_back_days=days
                )
                lanes.append(Lane(f"lane-{number}", writer, decoder, source.brokers.topic_ids, metrics, reports.put))
            engine = self._engine = Engine(
                options,
                source=source,
                lanes=lanes,
                reports=reports,
                metrics=metrics,
                applied_offsets=self._applied_offsets,
                workers=self.workers,
            )
            self._opened = opened.pop_all()
        self.stop = engine.stop
        """Have `run` finish what is in flight and return; safe in a signal handler and from any thread."""
        self.applied = engine.applied
        """The offset through which each partition of this engine is applied."""

    def serve(self, health: Health, server: HttpServer) -> None:
        """Have health tell of this service until it is closed, and the server with it."""
        self._opened.callback(server.close)
        self.http_port = server.port
        health.watch(stuck=self._engine.stuck, unready=self._engine.unready)

    def run(self) -> Ending:
        """Work until told to stop, or until caught up. Raises TerminalError and ConfigurationError."""
        with self.workers.at_work():
            return self._engine.run()

    def close(self) -> None:
        """Give back what was opened, once `run` has returned."""
        self._opened.close()

    def _applied_offsets(self) -> Mapping[TopicPartition, int]:
        return {partition: applied.next_offset for partition, applied in self._stored().items()}

    def _stored(self) -> Mapping[TopicPartition, Applied]:
        """The progress of all partitions, whoever owns them. Raises DatabaseUnavailable."""
        with read_connection(self._queries) as connection:
            return applied(connection, self._options.group_id, self._options.topics)


def live_service(settings: Settings, topics: Sequence[str], *, is_until_caught_up: bool) -> Service:
    """The service of `stream run`, which answers whoever watches before it asks anybody. Raises ConfigurationError for
    what has to be set right first, TransientError, and TerminalError for a topic that the catalog lacks."""
    kafka, database_url = settings.required_kafka(), settings.required_database_url()
    names = readable_topics(topics)
    require_key(names, settings.hasher())
    metrics = Metrics(names)
    health = Health(metrics.registry)
    with ExitStack() as opened:
        server = opened.enter_context(closing(HttpServer(settings.http_host, settings.http_port, health)))
        log.info("listening", http_port=server.port)
        health.starting("MySQL is asked whether its tables are as declared")
        database = require_fit_database(database_url)
        health.starting("Kafka is asked for its topics")
        partitions = _partitions(Brokers(kafka).describe(names), is_until_caught_up=is_until_caught_up)
        health.starting("MySQL is told which tables are fed")
        with translated_errors(), connect_engine(database_url, for_lane=True).begin() as connection:
            freshness.declare_feeds(connection, partitions)
        options = _options(settings, names, is_until_caught_up=is_until_caught_up)
        owner = kafka.get("group.instance.id") or new_owner()
        service = Service(settings, options, Source(kafka, settings.group_id), metrics, owner=owner)
        service.serve(health, server)
        opened.pop_all()  # the service closes the server
    log.info("started", group=settings.group_id, topics=names, database=database, http_port=server.port)
    return service


def _options(settings: Settings, topics: Sequence[str], *, is_until_caught_up: bool) -> EngineOptions:
    return EngineOptions(
        group_id=settings.group_id,
        topics=topics,
        batch_records_max=settings.batch_records_max,
        linger_seconds=settings.linger_ms / 1000,
        dead_letter_ratio_max=settings.dead_letter_ratio_max,
        is_until_caught_up=is_until_caught_up,
    )


def _partitions(topics: Topics, *, is_until_caught_up: bool) -> dict[str, int]:
    """The number of partitions of each topic that can be read. Where one of several can't, the others go on and /readyz
    tells; but a run to the end of all topics could never end. Raises ConfigurationError where none is left."""
    if is_until_caught_up or not topics.readable:
        topics.required()
    return {name: len(topic.partitions) for name, topic in topics.readable.items()}


def new_owner() -> str:
    """A name that tells this service from all others that write, in this process or elsewhere."""
    return f"{socket.gethostname()[:HOST_CHARACTERS_MAX]}-{os.getpid()}-{secrets.token_hex(2)}"
