"""Connections and errors: the settings that the promises rest on, and what each of the driver's errors means."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any, cast

import pymysql
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from stream.counts import RowCounts
from stream.errors import ConfigurationError, DatabaseUnavailable, DataRefused, TransactionConflict
from stream.mysql import connection as edge
from stream.mysql.connection import read_connection, server_name, translated_errors
from stream.mysql.errnos import error_of, refusal_of_warning
from stream.stages.upsert import row_counts
from tests.databases import Database


def session_variable(database: Database, name: str, *, for_lane: bool) -> str:
    with database.engine(for_lane=for_lane).connect() as connection:
        return str(connection.execute(text(f"SELECT @@SESSION.{name}")).scalar_one())


@pytest.mark.parametrize("for_lane", [False, True])
def test_connections_are_strict_in_utc_and_see_notes(database: Database, for_lane: bool) -> None:
    mode = session_variable(database, "sql_mode", for_lane=for_lane)
    assert "STRICT_TRANS_TABLES" in mode
    assert "NO_BACKSLASH_ESCAPES" not in mode
    assert "ANSI_QUOTES" not in mode
    assert session_variable(database, "time_zone", for_lane=for_lane) == "+00:00"
    assert session_variable(database, "sql_notes", for_lane=for_lane) == "1"
    isolation = {"mysql": "transaction_isolation", "mariadb": "tx_isolation"}[database.flavour]
    assert session_variable(database, isolation, for_lane=for_lane) == "READ-COMMITTED"


def test_connections_are_encrypted_by_one_context(database: Database) -> None:
    """A context of its own for each would load the system's certificates each time, which takes 40 ms."""
    connections = [database.engine().raw_connection() for _ in range(2)]
    drivers: list[Any] = [connection.driver_connection for connection in connections]
    first, second = drivers
    assert first.ssl
    assert first.ctx is second.ctx
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("limits", [{"for_lane": True}, {}, {"seconds_max": 3}], ids=["lane", "command", "poller"])
def test_an_address_that_accepts_and_says_nothing_is_given_up(
    limits: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "CONNECT_SECONDS_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = edge.connect_engine(f"mysql+pymysql://a:b@127.0.0.1:{silent.getsockname()[1]}/c", **limits)
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable), read_connection(engine):
            """Nobody answers."""
        assert time.monotonic() - began < 2


def test_a_server_that_falls_silent_is_given_up(database: Database) -> None:
    engine = edge.connect_engine(database.url, seconds_max=1)
    with pytest.raises(DatabaseUnavailable), read_connection(engine) as connection:
        connection.execute(text("SELECT SLEEP(20)"))


def test_a_frozen_lane_does_not_hold_its_locks_for_long(database: Database) -> None:
    assert int(session_variable(database, "innodb_lock_wait_timeout", for_lane=True)) <= 10
    assert int(session_variable(database, "wait_timeout", for_lane=True)) <= 20


def test_changed_rows_are_counted_and_not_found_ones(database: Database) -> None:
    """SQLAlchemy sets CLIENT_FOUND_ROWS, with which a stale row would be counted as affected."""
    database.erase(["7"])
    with database.engine().begin() as connection:
        done = connection.execute(text("UPDATE erasure SET person_kind = 'app'"))
        assert done.rowcount == 0


def test_the_servers_reply_to_an_upsert_can_be_read(database: Database) -> None:
    """PyMySQL keeps it under a private name, on which the ledger of rows depends."""
    database.erase(["1", "2"])
    with database.engine().connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, pymysql.Connection)
        with driver.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE copied LIKE erasure")
            affected = cursor.execute("INSERT INTO copied SELECT * FROM erasure")
            assert affected == 2
            assert row_counts(3, cursor._result.message, affected) == RowCounts(sent=3, inserted=2, suppressed=1)
            assert cursor.warning_count == 0


def test_the_server_is_named(database: Database) -> None:
    with read_connection(database.engine()) as connection:
        name = server_name(connection)
    assert name.split()[0] == {"mysql": "MySQL", "mariadb": "MariaDB"}[database.flavour]
    assert name.split()[1].startswith(database.server.version)


def test_a_warning_is_told_by_the_server(database: Database) -> None:
    with database.engine().connect() as connection:
        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        cursor.execute("SELECT CAST('12x' AS UNSIGNED)")
        assert cursor.warning_count == 1
        cursor.execute("SHOW WARNINGS")
        assert isinstance(refusal_of_warning(cursor.fetchone()), DataRefused)


MARKER = "marker-of-a-person"


ERASE = "INSERT INTO erasure (person_kind, person_id, erased_on)"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (f"{ERASE} VALUES ('app', '{MARKER * 30}', NOW())", DataRefused),
        (f"{ERASE} VALUES ('app', '{MARKER}', 'no date {MARKER}')", DataRefused),
        (f"{ERASE} VALUES ('app', NULL, '{MARKER}')", DataRefused),
        (f"{ERASE} VALUES ('app', '{MARKER}', NOW()), ('app', '{MARKER}', NOW())", DataRefused),
        (f"SELECT '{MARKER}' FROM there_is_no_such_table", DatabaseUnavailable),
        (f"SELECT {MARKER.replace('-', '_')} FROM erasure", DatabaseUnavailable),
        (f"nonsense '{MARKER}'", DatabaseUnavailable),
    ],
)
def test_an_error_is_judged_by_its_number_and_never_shows_a_value(
    database: Database, statement: str, kind: type[Exception]
) -> None:
    with database.engine().connect() as connection, pytest.raises(kind) as raised, translated_errors():
        connection.exec_driver_sql(statement)
    assert MARKER not in f"{raised.value} {raised.value.args}"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__, "a traceback would print the driver's text"


@pytest.mark.parametrize(
    ("errno", "kind"),
    [
        (1205, TransactionConflict),
        (1213, TransactionConflict),
        (3, DatabaseUnavailable),
        (1021, DatabaseUnavailable),
        (1026, DatabaseUnavailable),
        (1040, DatabaseUnavailable),
        (1153, DatabaseUnavailable),
        (1114, DatabaseUnavailable),
        (1290, DatabaseUnavailable),
        (1792, DatabaseUnavailable),
        (1836, DatabaseUnavailable),
        (2006, DatabaseUnavailable),
        (2013, DatabaseUnavailable),
        (4031, DatabaseUnavailable),
        (1030, DatabaseUnavailable),
        (99999, DatabaseUnavailable),
        (1406, DataRefused),
        (1264, DataRefused),
        (1048, DataRefused),
        (1062, DataRefused),
        (3819, DataRefused),
        (4025, DataRefused),
    ],
)
def test_the_environments_faults_are_told_from_a_records(errno: int, kind: type[Exception]) -> None:
    assert type(error_of(pymysql.err.OperationalError(errno, MARKER))) is kind


def test_a_statement_larger_than_a_packet_has_a_reason_and_leaves_the_connection_sound(database: Database) -> None:
    """The server itself would cut the connection, mostly without an answer."""
    with database.engine().connect() as connection:
        limit = connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one()
        with pytest.raises(DatabaseUnavailable) as raised, edge.translated_errors():
            connection.exec_driver_sql(f"SELECT '{'x' * (limit - 10)}'")
        assert (raised.value.reason, raised.value.errno) == ("packet_too_large", 1153)
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
        # What fits is not refused by us; asked for with less to send back.
        assert connection.exec_driver_sql(f"SELECT LENGTH('{'x' * (limit - 19)}')").scalar_one() == limit - 19


@pytest.mark.parametrize("error", [None, ValueError("x"), pymysql.err.InterfaceError(0, ""), OSError(5, "x")])
def test_what_nobody_knows_is_the_environments_fault(error: BaseException | None) -> None:
    assert type(error_of(error)) is DatabaseUnavailable


def test_connections_that_verify_no_certificate_share_what_the_driver_would_make_for_each() -> None:
    shared, again, verifying = (
        cast("Any", edge.BoundedConnection(defer_connect=True, ssl_verify_cert=given)) for given in (None, None, True)
    )
    assert shared.ctx is again.ctx
    assert (shared.ctx.verify_mode, verifying.ctx.verify_mode) == (ssl.CERT_NONE, ssl.CERT_REQUIRED)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql+pymysql://h:notaport/d", "://"])
def test_what_is_no_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_DATABASE_URL"):
        edge.connect_engine(url)


def test_a_wrong_password_is_unavailable_and_not_shown(database: Database) -> None:
    url = database.url.replace(database.url.split(":")[2].split("@")[0], MARKER)
    with pytest.raises(DatabaseUnavailable) as raised, read_connection(edge.connect_engine(url)):
        pass
    assert raised.value.reason == "access_denied"
    assert MARKER not in str(raised.value)


def test_the_drivers_error_is_what_sqlalchemy_wraps(database: Database) -> None:
    with database.engine().connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.exec_driver_sql("nonsense")
    assert isinstance(raised.value.orig, pymysql.MySQLError)
