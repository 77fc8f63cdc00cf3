"""Several servers in a URL, of which one takes writes: dead, silent and read-only ones are passed over."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from deploy.local.server import free_port
from stream.errors import DatabaseUnavailable
from stream.mysql import hosts
from stream.mysql.connection import connect_engine, translated_errors
from tests.databases import Database
from tests.proxy import SlowProxy
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(hosts, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr("stream.mysql.connection.CONNECT_SECONDS_MAX", 0.5)


def by_way_of(database: Database, *ports: int) -> str:
    named = ",".join(f"127.0.0.1:{port}" for port in ports)
    return re.sub(r"@[^/]+/", f"@{named}/", database.url)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing, as a frozen server's does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_dead_and_silent_servers_are_passed_over(database: Database) -> None:
    with silent_port() as silent:
        engine = connect_engine(by_way_of(database, free_port(), silent, database.server.port), for_lane=True)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT @@port")).scalar_one() == database.server.port


def test_each_refusal_is_told_where_no_server_answers(database: Database) -> None:
    ports = free_port(), free_port()
    engine = connect_engine(by_way_of(database, *ports))
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="2003"), translated_errors(), engine.connect():
                pass
    (told,) = logs
    assert told["event"] == "no server takes writes"
    assert told["servers"] == {f"127.0.0.1:{port}": "errno 2003" for port in ports}


ASKING: dict[str, Callable[[Connection], object]] = {
    "statement": lambda connection: connection.execute(text("SELECT 1")),
    "commit": lambda connection: connection.commit(),
    "rollback": lambda connection: connection.rollback(),
    "large statement": lambda connection: connection.exec_driver_sql("SELECT %s", ("x" * 1_000_000,)),
}


@pytest.mark.parametrize("asking", ASKING)
def test_an_answer_that_does_not_come_is_given_up_for_a_server_that_takes_writes(
    database: Database, asking: str
) -> None:
    """The first server freezes within a transaction; the second one is there."""
    with SlowProxy(database.server.port) as frozen:
        frozen.is_flowing.set()
        engine = connect_engine(by_way_of(database, frozen.port, database.server.port), for_lane=True)
        lost = threading.Event()
        with closing(engine.connect()) as connection:
            connection.execute(text("SELECT 1"))
            frozen.is_flowing.clear()

            def ask() -> None:
                with pytest.raises(DatabaseUnavailable), translated_errors():
                    ASKING[asking](connection)
                lost.set()

            thread = threading.Thread(target=ask)
            thread.start()
            wait_for(lost.is_set, "the statement to be given up", 10)
            thread.join()
            connection.invalidate()
        with engine.connect() as connection:
            assert connection.connection.driver_connection.port == database.server.port  # type: ignore[union-attr]


def test_a_statement_that_is_slow_on_the_server_that_takes_writes_goes_on(database: Database) -> None:
    engine = connect_engine(by_way_of(database, database.server.port, free_port()), for_lane=True)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT SLEEP(1)")).scalar_one() == 0
