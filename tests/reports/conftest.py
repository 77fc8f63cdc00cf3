"""Each server with the made-up rows in it, once for all tests here, for none of them writes."""

from __future__ import annotations

from datetime import UTC
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Engine, event

from stream.mysql.connection import connect_engine
from tests.databases import Database
from tests.reports.world import NOW, World, made

NAME = "stream_reports"


@pytest.fixture(scope="session")
def world() -> World:
    return made()


@pytest.fixture(scope="session")
def filled_databases() -> dict[str, Database]:
    """Those that are filled, by server."""
    return {}


@pytest.fixture(params=["mysql", "mariadb"])
def filled(request: pytest.FixtureRequest, world: World, filled_databases: dict[str, Database]) -> Database:
    """A database with the made-up rows, once on each server."""
    return _filled(request, request.param, world, filled_databases)


@pytest.fixture
def filled_mysql(request: pytest.FixtureRequest, world: World, filled_databases: dict[str, Database]) -> Database:
    return _filled(request, "mysql", world, filled_databases)


def _filled(request: pytest.FixtureRequest, server: str, world: World, filled: dict[str, Database]) -> Database:
    if server not in filled:
        database = Database(request.getfixturevalue(f"{server}_server"), NAME)
        with database.engine().begin() as connection:
            world.insert(connection)
        for table in world.tables:
            database.query(f"ANALYZE TABLE {table}")
        filled[server] = database
    return filled[server]


@cache
def engine_at_now(database: Database) -> Engine:
    """An engine as the product makes it, for whose connections it is the made-up now."""
    engine = connect_engine(database.url)

    def set_clock(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET timestamp = {NOW.replace(tzinfo=UTC).timestamp():.6f}")

    event.listen(engine, "connect", set_clock)
    return engine
