"""Contender (d): Debezium's JDBC sink, the quickest of the peers, in a Kafka Connect of its own.

Two tasks, batches of 2000 and reduction, rewritten into statements of many rows: the settings with which it was
quickest. It is given the very rows, in topics of their own (`bench.row_topics`), for no transformation of Connect makes
them from our events. It keeps no guard, no ledger and no erasure; whatever arrives last wins.

Its window is the second half of the records: by then Java has compiled what it compiles.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, make_url, text

from bench.drain import WATCH_SECONDS
from bench.ground import Ground
from bench.run import Observation, Run
from bench.workload import Tell, Workload
from deploy.local import Registry, Server
from deploy.local.kafka import LOGGING_JAR, LOGGING_VERSION, java_program, logging_option
from deploy.local.kafka import VERSION as KAFKA_VERSION
from deploy.local.maven import fetch_archive, fetch_jars
from deploy.local.parts import part, say
from deploy.local.server import LOOPBACK, does_serve
from stream.mysql.connection import connect_engine

VERSION = "3.6.0.Final"
PLUGIN = f"io.debezium:debezium-connector-jdbc:{VERSION}:plugin"
PLUGIN_SHA256 = "c23af8d416f0f801ffb0271b1a8fd9b5360ff8d66b0dd650e066bb56ecfddc05"
WORKER = f"org.apache.kafka:connect-runtime:{KAFKA_VERSION}"
LOGGING_JARS = [f"org.apache.logging.log4j:log4j-{name}:{LOGGING_VERSION}" for name in ("api", "core")]
"""Beside the one that a broker needs: Kafka's own download has them beside the worker, which does not start without."""
WORKER_SHA256 = "392541cb08beda357be88ee6ec17e7555068c38a7fb0d6e3beda3e6517e721a6"
CONVERTER = "io.apicurio:apicurio-registry-utils-converter:2.6.13.Final"
"""Confluent's own, which it is a copy of, is not on Maven Central; nor is all of its next version."""
CONVERTER_SHA256 = "54dfb8e3dc5a34b936b2b628b17ef6e07c35eda3e557d20aff893c37388e2068"

TASKS = 2
BATCH_RECORDS = 2000
WARM_SHARE = 0.5

JAVA_OPTIONS = ["-Xms256m", "-Xmx2g", "-XX:+ExitOnOutOfMemoryError", "-Djava.net.preferIPv4Stack=true"]
"""The memory that Connect's own start script gives."""

STALL_SECONDS_MAX = 120.0
"""The longest time without a new row, its start included, before it is given up: a failed task leaves Connect
running."""

COUNTED_FROM = 0.99

ROWS_WRITTEN = text("SHOW GLOBAL STATUS LIKE 'Innodb_rows_inserted'")


class Connect(Server):
    """Kafka Connect in one process with the sink as its only connector."""

    name: ClassVar[str] = "Kafka Connect"

    def __init__(self, folder: Path, worker: dict[str, str], connector: dict[str, str]) -> None:
        super().__init__(folder)
        self._worker, self._connector = worker, connector

    @property
    def version(self) -> str:
        """Kafka's version."""
        return KAFKA_VERSION

    def _is_initialised(self) -> bool:
        return False  # all that it knows is in Kafka

    def _prepare(self) -> None:
        ours = {
            "listeners": f"http://{LOOPBACK}:{self.port}",
            "offset.storage.file.filename": str(self.folder / "offsets"),
            "plugin.path": str(connect_program() / "plugins"),
        }
        for name, properties in {"worker": {**self._worker, **ours}, "connector": self._connector}.items():
            lines = [f"{key}={value}\n" for key, value in properties.items()]
            (self.folder / f"{name}.properties").write_text("".join(lines))

    def _command(self) -> list[str]:
        class_path = f"{connect_program() / 'worker'}/*"
        options = [*JAVA_OPTIONS, logging_option(self.folder), "-cp", class_path]
        main_class = "org.apache.kafka.connect.cli.ConnectStandalone"
        return [java_program(), *options, main_class, "worker.properties", "connector.properties"]

    def _answers(self) -> bool:
        return does_serve(f"http://{LOOPBACK}:{self.port}/")


def connect_program() -> Path:
    """The folder with the jars of the worker, and those of its plugins, fetched if they are missing. Raises
    UnavailableError."""

    def build(folder: Path) -> str:
        say(f"fetching Debezium {VERSION} and Kafka Connect from Maven Central (120 MB, once; about a minute) …")
        worker, plugins = folder / "worker", folder / "plugins"
        for jars in (worker, plugins / "converter"):
            jars.mkdir(parents=True)
        fetch_jars(worker, WORKER_SHA256, WORKER, LOGGING_JAR, *LOGGING_JARS)
        fetch_jars(plugins / "converter", CONVERTER_SHA256, CONVERTER)
        fetch_archive(plugins, PLUGIN, PLUGIN_SHA256)
        return VERSION

    return part("debezium", build, VERSION)


def drain_by_debezium(contender: str, ground: Ground, workload: Workload, registry: Registry, tell: Tell) -> Run:
    """Let it fill fresh tables from the topics of rows, which `publish_rows` has made."""
    url = ground.fresh_database()
    worker = {
        "bootstrap.servers": ground.kafka.bootstrap_servers,
        "connector.client.config.override.policy": "All",
        "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
        "value.converter.apicurio.registry.url": registry.own_url,
        "value.converter.apicurio.registry.as-confluent": "true",
        "value.converter.apicurio.registry.use-id": "contentId",
    }
    folder = ground.folder / f"connect-{time.monotonic_ns()}"
    with connect_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connect = Connect(folder, worker, _connector(url, workload, folder.name))
        before, started = _rows_written(connection), time.monotonic()
        with connect:
            connect.start()
            observation = Observation(contender, ground, workload, [connect.pid], WARM_SHARE)
            observation.started = started
            return observation.follow(_applied(ground, workload, connection, before), tell)


def _connector(url: str, workload: Workload, name: str) -> dict[str, str]:
    database = make_url(url)
    keys = {column.name for table in workload.tables for column in table.primary_key}
    options = "rewriteBatchedStatements=true&sessionVariables=transaction_isolation='READ-COMMITTED'"
    return {
        "name": name,
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": str(TASKS),
        "topics": ",".join(workload.table_names),
        "collection.name.format": "${topic}",
        "connection.url": f"jdbc:mysql://{database.host}:{database.port}/{database.database}?{options}",
        "connection.username": database.username or "",
        "connection.password": database.password or "",
        "insert.mode": "upsert",
        "primary.key.mode": "record_value",
        "primary.key.fields": ",".join(sorted(keys)),
        "schema.evolution": "none",
        "use.reduction.buffer": "true",
        "batch.size": str(BATCH_RECORDS),
        "consumer.override.max.poll.records": str(BATCH_RECORDS),
        "consumer.override.auto.offset.reset": "earliest",
    }


def _applied(ground: Ground, workload: Workload, connection: Connection, before: int) -> Iterator[int | None]:
    """The number of records that are applied, again and again; None while there are none. Raises RuntimeError where no
    new row comes.

    By the rows that the server says it has inserted, `before` and now, for to count them costs it more. It misses some,
    as nothing keeps two threads from counting at once; so towards the end they are counted.
    """
    wanted = workload.row_count(ground)
    last, moved_at = 0, time.monotonic()
    while True:
        rows = _rows_written(connection) - before
        if rows > COUNTED_FROM * wanted:
            rows = ground.count_rows(workload.table_names)
        if rows > last:
            last, moved_at = rows, time.monotonic()
        elif time.monotonic() - moved_at > STALL_SECONDS_MAX:
            raise RuntimeError(f"Debezium has stopped after {rows} of {wanted} rows")
        yield rows * workload.count // wanted or None
        time.sleep(WATCH_SECONDS)


def _rows_written(connection: Connection) -> int:
    return int(connection.execute(ROWS_WRITTEN).one()[1])
