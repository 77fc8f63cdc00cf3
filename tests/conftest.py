"""Real servers for the tests that need them, started when the first of these runs and shared by all that follow.

    unit     needs no server
    sql      each test once on MySQL and once on MariaDB
    reports  likewise, on rows that are made up once
    engine   Kafka and MySQL, `stream` on a thread, or as a process where it is killed, frozen or signalled
    chaos    the same, with faults by lot, kill -9 included

Where MySQL can't be had, MariaDB takes its place: `deploy.local` says so, and so does the end of the report.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from deploy.local import Database as DatabaseServer
from deploy.local import Kafka, start_kafka, start_registry
from deploy.local import Registry as RegistryServer
from tests import cpu, report, schedule, servers
from tests.broker import GROUP_OVERRIDES, Broker
from tests.consumers import Consumer
from tests.databases import Database
from tests.keys import HASH_KEYS

ORDER = ("unit", "produce", "", "sql", "reports", "local", "engine", "chaos")
"""The quick ones first; "" are the files of tests/ itself."""

# Examples differ in length a hundredfold where a database takes part, so no deadline for a single one.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    if not servers.worker_of(config):
        cpu.adopt_orphans()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        schedule.check(item.nodeid, getattr(item, "fixturenames", ()))
    items.sort(key=_rank)  # stable: within a folder the order stays


def _rank(item: pytest.Item) -> int:
    folder = schedule.folder_of(item.nodeid)
    return ORDER.index(folder if folder in ORDER else "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> schedule.Scheduling:
    return schedule.Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    servers.start_shared(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    servers.tell_worker(node.workerinput)


# The innermost wrapper: all workers have ended before it goes on, and the report comes after it.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    if servers.worker_of(session.config):
        session.config.workeroutput["report"] = list(report.LINES)  # type: ignore[attr-defined]
    yield
    servers.stop_shared(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for line in node.workeroutput.get("report", ()) if hasattr(node, "workeroutput") else ():
        report.tell(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in [*report.LINES, cpu.line()]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """The folder where this process's servers keep their data."""
    with servers.data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def mysql_server(pytestconfig: pytest.Config, data_folder: Path) -> Iterator[DatabaseServer]:
    """MySQL, or what takes its place: for all workers, so a test may neither stop nor set anything of it."""
    with servers.shared(pytestconfig, "mysql", data_folder) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server(pytestconfig: pytest.Config, data_folder: Path) -> Iterator[DatabaseServer]:
    with servers.shared(pytestconfig, "mariadb", data_folder) as server:
        yield server


@pytest.fixture(scope="session")
def own_mysql_server(pytestconfig: pytest.Config, data_folder: Path) -> Iterator[DatabaseServer]:
    """A MySQL of this worker alone, for tests that stop it or set something of it."""
    servers.claim(pytestconfig, schedule.OWN_DATABASE)
    with servers.own("mysql", data_folder / "own") as server:
        yield server


@pytest.fixture(scope="session")
def own_mariadb_server(pytestconfig: pytest.Config, data_folder: Path) -> Iterator[DatabaseServer]:
    servers.claim(pytestconfig, schedule.OWN_DATABASE)
    with servers.own("mariadb", data_folder / "own") as server:
        yield server


@pytest.fixture(scope="session")
def databases() -> dict[str, Database]:
    """This worker's databases, by the fixture of the server."""
    return {}


@pytest.fixture(params=["mysql", "mariadb"])
def database(request: pytest.FixtureRequest, databases: dict[str, Database]) -> Database:
    """A migrated, empty database, once on each server."""
    return _emptied(request, databases, request.param)


@pytest.fixture
def mysql(request: pytest.FixtureRequest, databases: dict[str, Database]) -> Database:
    """A migrated, empty database on MySQL, for tests that are about Kafka as well."""
    return _emptied(request, databases, "mysql")


def _emptied(request: pytest.FixtureRequest, databases: dict[str, Database], flavour: str) -> Database:
    is_own = schedule.OWN_DATABASE in schedule.needs(request.node.nodeid)
    fixture = f"own_{flavour}_server" if is_own else f"{flavour}_server"
    if fixture not in databases:
        name = servers.database_name("stream_test", request.config)
        databases[fixture] = Database(request.getfixturevalue(fixture), name, is_shared=not is_own)
    databases[fixture].empty()
    return databases[fixture]


@pytest.fixture(scope="session")
def kafka_server(pytestconfig: pytest.Config, data_folder: Path) -> Iterator[Kafka]:
    servers.claim(pytestconfig, "kafka")
    # Rights are asked for, and everybody has them but where a test takes them away.
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    overrides: dict[str, Any] = {
        **GROUP_OVERRIDES,
        "authorizer.class.name": authorizer,
        "allow.everyone.if.no.acl.found": "true",
    }
    with start_kafka(data_folder / "kafka", is_brief=True, **overrides) as server:
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
def registry_server(pytestconfig: pytest.Config, data_folder: Path) -> Iterator[RegistryServer]:
    """A schema registry. What a test registers stays: tests take subjects of their own, or expect ours."""
    servers.claim(pytestconfig, "registry")
    with start_registry(data_folder / "registry") as server:
        report.tell(f"tested on a schema registry: {server.name} {server.version}")
        yield server


SEED_VARIABLE = "CHAOS_SEED"


@pytest.fixture
def seed(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> int:
    """Another one for each run, unless the environment says which. A failure shows it, and all that was done."""
    given = os.environ.get(SEED_VARIABLE)
    chosen = int(given) if given else SystemRandom().randrange(1_000_000)
    caplog.set_level(logging.INFO, logger="tests.chaos")
    again = f"{SEED_VARIABLE}={chosen} .venv/bin/python -m pytest -m '' '{request.node.nodeid}'"
    logging.getLogger("tests.chaos").info("seed %d; the same messages and strikes again: %s", chosen, again)
    return chosen


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
