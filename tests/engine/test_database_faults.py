"""The database fails while `stream run` works: it says so, waits, goes on by itself, and counts everything once."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import make_url

from stream.engine import waiting
from stream.mysql import connection
from tests.broker import Broker
from tests.conftest import settings_for
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.diskspace import full_disk
from tests.engine.faults import Work, met_crosswise, server_setting, waiting_transactions
from tests.engine.logs import applied
from tests.events import NOON, SECOND, rating, trip, uuid_text
from tests.waiting import wait_for


@pytest.fixture
def stream_settings(broker: Broker, database: Database) -> dict[str, str]:
    """As for all tests, but on each server once."""
    return settings_for(broker, database)


@pytest.fixture
def work(broker: Broker, database: Database, stream_settings: dict[str, str], start_service: StartService) -> Work:
    """A consumer that has applied its first records."""
    begun = Work(broker, database, start_service(batch_records_max=500), stream_settings["STREAM_GROUP_ID"])
    begun.publish(10)
    begun.wait_applied()
    begun.consumer.wait_ready()
    return begun


LATER = NOON + 5000 * SECOND
"""Than all that happened before."""

only_mysql = pytest.mark.parametrize("database", ["mysql"], indirect=True)


@only_mysql
@pytest.mark.timeout(240)
def test_a_server_that_is_killed_or_stopped_is_waited_for(work: Work) -> None:
    """In mid-drain, by kill -9 and then politely."""
    server = work.database.server
    for end in (server.kill, server.stop):
        work.publish(2000)
        wait_for(lambda: applied(work.database) > work.published - 3500, "progress")
        with server_away(work.database, end):
            work.wait_shown("unreachable", 2003)
        work.wait_applied()
    work.assert_nothing_lost()


@contextmanager
def server_away(database: Database, end: Callable[[], None]) -> Iterator[None]:
    """The server is ended for a while, and back for the tests that follow, whatever becomes of this one."""
    end()
    try:
        yield
    finally:
        database.server.start()
        database.hasten()


@only_mysql
def test_a_connection_that_the_server_ends_is_replaced(work: Work) -> None:
    with work.database.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM progress FOR UPDATE")
        work.publish()
        # Only a lane that writes tells it for long: what it asks besides, the next one answers at once.
        work.wait_shown("lock_wait", 1205)
        wait_for(lambda: waiting_transactions(work.database) > 0, "a lane to wait", every_seconds=0.2)
        own = other.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        for connection_id in set(work.database.connection_ids()) - {own}:
            work.database.execute(f"KILL {connection_id}")
        work.wait_shown("connection_lost")
    work.assert_nothing_lost()


@only_mysql
def test_a_server_that_falls_silent_is_told_while_it_is_waited_for(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ANSWER_SECONDS_TOLD", 1.0)
    os.kill(work.database.server.pid, signal.SIGSTOP)
    try:
        work.publish(10)
        told = re.compile("^lane-[01]: has waited for MySQL for [0-9]+ s$", re.MULTILINE)
        wait_for(lambda: told.search(work.consumer.get("/readyz")[1]), "/readyz to say whom a lane waits for")
        assert work.consumer.get("/readyz")[0] == 503
        assert work.consumer.get("/livez")[0] == 200
    finally:
        os.kill(work.database.server.pid, signal.SIGCONT)
    work.wait_applied()
    work.consumer.wait_ready()


def test_a_start_before_a_silent_database_is_told_and_ends(
    stream_settings: dict[str, str], start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS_MAX", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        service = start_service(database_url=f"mysql+pymysql://a:b@127.0.0.1:{port}/c")
        told = "starting: MySQL is asked whether its tables are as declared\n"
        wait_for(lambda: service.get("/readyz") == (503, told), "/readyz to say what is waited for")
        assert service.get("/livez")[0] == 200
        service.assert_ends(75, 10)


def test_a_locked_row_is_waited_for(work: Work) -> None:
    """Somebody's long transaction on a business row."""
    with work.database.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM trip WHERE id = 1 FOR UPDATE")
        work.broker.publish([("TripRecorded", trip(trip_id=1, event_id=uuid_text(100), occurred_at=LATER))])
        work.published += 1
        work.wait_shown("lock_wait", 1205)
    work.assert_nothing_lost()


MEETINGS_MAX = 5


def meet_crosswise(work: Work, number: int) -> None:
    """Another program holds the last row and then wants the first: the server gives up our transaction."""
    event_id, at = 100 * (number + 1), LATER + number * SECOND
    with met_crosswise(work.database, 10):
        work.broker.publish(
            ("TripRated", rating(rating_id=row, trip_id=1, event_id=uuid_text(event_id + row), occurred_at=at))
            for row in (1, 10)
        )
        work.published += 2
        wait_for(lambda: waiting_transactions(work.database) == 1, "the engine to wait", 4, every_seconds=0.2)
    work.wait_applied()


def test_a_deadlock_is_tried_again(work: Work) -> None:
    for number in range(MEETINGS_MAX):
        meet_crosswise(work, number)
        if work.consumer.logged("works again"):
            break  # else the two records came in two batches, and nobody met
    work.assert_nothing_lost()
    assert work.consumer.metric("stream_retries_total", reason="deadlock") >= 1
    assert {"(deadlock, errno 1213)" in line["why"] for line in work.consumer.logged("trying again")} == {True}


@pytest.mark.parametrize(
    ("database", "setting"),
    [("mysql", "read_only"), ("mysql", "super_read_only"), ("mariadb", "read_only")],
    indirect=["database"],
)
def test_a_read_only_server_is_looked_up_again(work: Work, setting: str) -> None:
    """The connections are dropped: after a failover the name points elsewhere."""
    before = set(work.database.connection_ids())
    with server_setting(work.database, "read_only", 1), server_setting(work.database, setting, 1):
        work.publish()
        work.wait_shown("read_only", 1290)
    work.assert_nothing_lost()
    assert before - set(work.database.connection_ids())


def test_a_full_disk_is_waited_for(work: Work) -> None:
    with full_disk(work.database):
        work.publish(2000, words="long words " * 40)
        work.wait_shown("disk_full", 1114)
    work.assert_nothing_lost()


def test_a_batch_larger_than_a_packet_is_waited_for(work: Work) -> None:
    with server_setting(work.database, "max_allowed_packet", 16 * 1024):
        work.cut_connections()
        work.publish(1000, words="long words " * 40)
        work.wait_shown("packet_too_large", 1153)
    work.assert_nothing_lost()


def test_a_record_larger_than_a_packet_is_no_dead_letter(work: Work) -> None:
    with server_setting(work.database, "max_allowed_packet", 4 * 1024):
        work.cut_connections()
        work.publish(1, words="🚌" * 512)
        work.wait_shown("packet_too_large", 1153)
    work.assert_nothing_lost()


@only_mysql
def test_a_table_that_is_away_is_waited_for(work: Work) -> None:
    work.database.execute("RENAME TABLE user_rating TO user_rating_away")
    try:
        work.publish()
        work.wait_shown("tables_differ", 1146)
    finally:
        work.database.execute("RENAME TABLE user_rating_away TO user_rating")
    work.assert_nothing_lost()


@only_mysql
def test_a_server_with_too_many_connections_is_waited_for(work: Work) -> None:
    ours = work.database.connection_ids()
    with ExitStack() as held:
        for _ in range(FEWEST_CONNECTIONS + 1):
            held.enter_context(work.database.engine().connect())
        held.enter_context(server_setting(work.database, "max_connections", FEWEST_CONNECTIONS))
        for connection_id in ours:
            work.database.execute(f"KILL {connection_id}")
        work.publish()
        work.wait_shown("too_many_connections", 1040)
    work.assert_nothing_lost()


FEWEST_CONNECTIONS = 10
"""MariaDB's least for `max_connections`."""


@only_mysql
def test_an_account_that_is_refused_is_waited_for(work: Work) -> None:
    with another_password(work.database):
        work.cut_connections()
        work.publish()
        work.wait_shown("access_denied", 1045)
    work.assert_nothing_lost()


@contextmanager
def another_password(database: Database) -> Iterator[None]:
    """The account's password is another one for a while."""
    database.execute("ALTER USER stream@'%' IDENTIFIED BY 'another'")
    try:
        yield
    finally:
        password = make_url(database.url).password
        database.execute(f"ALTER USER stream@'%' IDENTIFIED BY '{password}'")
