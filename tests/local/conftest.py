"""Servers for the tests of the servers: one of each for all tests, and folders for those that need their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import Database, Kafka, Registry, start_kafka, start_mariadb, start_mysql, start_registry

OVERRIDES: dict[str, Any] = {"log.retention.ms": "1234567"}


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that the tests may kill, if they start it again."""
    with start_kafka(tmp_path_factory.mktemp("kafka"), is_brief=True, **OVERRIDES) as server:
        yield server


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A MySQL that the tests may kill, if they start it again."""
    with start_mysql(tmp_path_factory.mktemp("mysql")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A MariaDB that the tests may kill, if they start it again."""
    with start_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A schema registry that the tests may kill, if they start it again."""
    with start_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(params=["mysql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the two databases."""
    server: Database = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of parts, and the folder that they will be in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "stream-parts"
