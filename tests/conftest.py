"""Real servers for the tests that need them, started when the first of these runs and shared by all that follow.

    unit     needs no server
    sql      each test once on MySQL and once on MariaDB
    reports  likewise, on rows that are made up once
    engine   Kafka and MySQL, `stream` as a process
    chaos    the same, with faults by lot, kill -9 included

Where MySQL can't be had, MariaDB takes its place: `deploy.local` says so, and so does the end of the report.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from deploy.local import Database as DatabaseServer
from deploy.local import Kafka, start_database, start_kafka, start_mariadb, start_registry
from deploy.local import Registry as RegistryServer
from tests import report
from tests.broker import SESSION_TIMEOUT_MS, Broker
from tests.consumers import CHECKOUT, Consumer
from tests.databases import Database
from tests.keys import HASH_KEYS

ORDER = ("unit", "produce", "", "sql", "reports", "local", "engine", "chaos")
"""The quick ones first; "" are the files of tests/ itself."""

DATA = CHECKOUT / ".local" / "tests"

# Examples differ in length a hundredfold where a database takes part, so no deadline for a single one.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        parts = item.path.relative_to(folder).parts if item.path.is_relative_to(folder) else ("",)
        name = parts[0] if len(parts) > 1 else ""
        return ORDER.index(name) if name in ORDER else ORDER.index("")

    items.sort(key=rank)  # stable: within a folder the order stays
    for item in items:
        if rank(item) == ORDER.index("local"):
            item.add_marker(pytest.mark.xdist_group("local"))  # they share folders, so one process has them all


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes, which ends here
        session.config.workeroutput["report"] = list(report.LINES)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for line in node.workeroutput.get("report", ()) if hasattr(node, "workeroutput") else ():
        report.tell(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in report.LINES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """Where this run's servers keep their data; what dead runs left is removed."""
    DATA.mkdir(parents=True, exist_ok=True)
    for left in DATA.iterdir():
        if not (left.name.isdecimal() and Path(f"/proc/{left.name}").exists()):
            shutil.rmtree(left, ignore_errors=True)
    folder = DATA / str(os.getpid())
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mysql_server(data_folder: Path) -> Iterator[DatabaseServer]:
    """MySQL, or what takes its place."""
    with start_database(data_folder / "mysql") as server:
        instead = "" if server.flavour == "mysql" else " IN THE PLACE OF MySQL, which can't be had here"
        report.tell(f"tested on mysql: {server.name} {server.version}{instead}")
        yield server


@pytest.fixture(scope="session")
def mariadb_server(data_folder: Path) -> Iterator[DatabaseServer]:
    with start_mariadb(data_folder / "mariadb") as server:
        report.tell(f"tested on mariadb: {server.name} {server.version}")
        yield server


@pytest.fixture(scope="session")
def mysql_database(mysql_server: DatabaseServer) -> Database:
    return Database(mysql_server)


@pytest.fixture(scope="session")
def mariadb_database(mariadb_server: DatabaseServer) -> Database:
    return Database(mariadb_server)


@pytest.fixture(params=["mysql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated, empty database, once on each server."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    found.empty()
    return found


@pytest.fixture
def mysql(mysql_database: Database) -> Database:
    """A migrated, empty database on MySQL, for tests that are about Kafka as well."""
    mysql_database.empty()
    return mysql_database


@pytest.fixture(scope="session")
def kafka_server(data_folder: Path) -> Iterator[Kafka]:
    shorter, quick = str(SESSION_TIMEOUT_MS // 2), str(SESSION_TIMEOUT_MS // 4)
    overrides = {
        "group.min.session.timeout.ms": shorter,
        # Of the newer protocol the broker decides: a killed member is missed as soon as with the older one.
        "group.consumer.min.session.timeout.ms": shorter,
        "group.consumer.session.timeout.ms": str(SESSION_TIMEOUT_MS),
        "group.consumer.min.heartbeat.interval.ms": quick,
        "group.consumer.heartbeat.interval.ms": quick,
    }
    with start_kafka(data_folder / "kafka", **overrides) as server:
        report.tell(f"tested on kafka: {server.name} {server.version}")
        yield server


@pytest.fixture(scope="session")
def session_broker(kafka_server: Kafka) -> Broker:
    return Broker(kafka_server)


@pytest.fixture
def broker(session_broker: Broker) -> Broker:
    """A Kafka whose topics are new and empty."""
    session_broker.renew()
    return session_broker


@pytest.fixture(scope="session")
def registry_server(data_folder: Path) -> Iterator[RegistryServer]:
    """A schema registry. What a test registers stays: tests take subjects of their own, or expect ours."""
    with start_registry(data_folder / "registry") as server:
        report.tell(f"tested on a schema registry: {server.name} {server.version}")
        yield server


GROUPS = itertools.count(1)


@pytest.fixture
def stream_settings(broker: Broker, mysql: Database) -> dict[str, str]:
    """The environment that leads to both, with a group of its own."""
    return settings_for(broker, mysql)


def settings_for(broker: Broker, database: Database) -> dict[str, str]:
    return {
        "STREAM_DATABASE_URL": database.url,
        "STREAM_KAFKA_BOOTSTRAP_SERVERS": broker.server.bootstrap_servers,
        "STREAM_GROUP_ID": f"test-{next(GROUPS)}",
        "STREAM_HASH_KEY": HASH_KEYS,
    }


StartConsumer = Callable[..., Consumer]

HAS_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    made = yield
    item.stash[HAS_FAILED] = made.failed or item.stash.get(HAS_FAILED, False)
    return made


@pytest.fixture
def start_consumer(
    request: pytest.FixtureRequest, stream_settings: dict[str, str], tmp_path: Path
) -> Iterator[StartConsumer]:
    """Start `stream run`, or another command: arguments as on the command line, keywords are settings (lanes=1)."""
    started: list[Consumer] = []

    def start(*arguments: str, command: str = "run", **changes: object) -> Consumer:
        changed = {f"STREAM_{name.upper()}": str(value) for name, value in changes.items()}
        log = tmp_path / f"consumer-{len(started)}.log"
        started.append(Consumer({**stream_settings, **changed}, log, *arguments, command=command))
        return started[-1]

    yield start
    for consumer in started:
        if request.node.stash.get(HAS_FAILED, False):
            sys.stdout.write(consumer.condition())
        consumer.kill()
