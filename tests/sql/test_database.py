"""Connections and errors: the settings that the promises rest on, and what each of the driver's errors means."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any, cast

import pymysql
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from stream.counts import RowCounts
from stream.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    StatementTimeout,
    TransactionConflict,
    Trouble,
)
from stream.mysql import connection as edge
from stream.mysql import session
from stream.mysql.address import connect_arguments
from stream.mysql.connection import connect_engine, read_connection, server_name, translated_errors
from stream.mysql.errnos import CONFLICTS, REFUSALS, STATEMENT_TIMEOUTS, UNAVAILABLE, error_of, refusal_of_warning
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


ODD: dict[str, str | int] = {
    "sql_mode": "ANSI",
    "sql_select_limit": 3,
    "completion_type": "CHAIN",
    "collation_connection": "utf8mb4_bin",
    "time_zone": "+05:45",
    "lc_time_names": "de_DE",
    "default_storage_engine": "MyISAM",
}
"""Values other than ours. Of the other variables, which are numbers, 1 is another one, or 0 where ours is 1."""


def odd_session(database: Database) -> str:
    """The URL of a database whose server gives each session other variables than ours."""
    ours = session.variables(for_lane=True, on_mariadb=database.flavour == "mariadb")
    odd = {name: ODD.get(name, int(value != 1)) for name, value in ours.items()}
    kind = {"mysql": "transaction", "mariadb": "tx"}[database.flavour]
    odd |= {f"{kind}_read_only": 1, f"{kind}_isolation": "SERIALIZABLE"}
    command = "SET " + ", ".join(f"SESSION {name} = {session._literal(value)}" for name, value in odd.items())
    address = make_url(database.url).update_query_dict({"init_command": command})
    return address.render_as_string(hide_password=False)


@pytest.mark.parametrize("for_lane", [False, True])
def test_no_promise_depends_on_a_servers_own_default(database: Database, for_lane: bool) -> None:
    """A server's defaults, and what its init_connect has set, are set again."""
    sessions = []
    for url in (database.url, odd_session(database)):
        with connect_engine(url, for_lane=for_lane).connect() as connection:
            sessions.append({row[0]: row[1] for row in connection.execute(text("SHOW SESSION VARIABLES"))})
    usual, odd = sessions
    own = {
        name for name in usual if name.startswith(("pseudo_", "rand_", "statement_id", "timestamp", "gtid_executed"))
    }
    assert {name for name in usual if usual[name] != odd[name]} - own == set()


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
        with pytest.raises(DatabaseUnavailable) as unavailable, read_connection(engine):
            """Nobody answers."""
        assert time.monotonic() - began < 2
        assert unavailable.value.reason is Trouble.UNREACHABLE


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
            assert row_counts(2, cursor._result.message, affected) == RowCounts(sent=2, inserted=2)
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
    ("kind", "errnos"),
    {
        TransactionConflict: "1020 1205 1213 1317 3101",
        StatementTimeout: "1969 3024",
        DatabaseUnavailable: "3 1021 1026 1030 1040 1047 1105 1114 1153 1158 1161 1180 1184 1194 1290 1665 1792 1836 "
        "1927 2003 2006 2013 2026 3032 3100 3159 3797 4031 6400 9001 99999",
        DataRefused: "1048 1062 1264 1406 3819 4025",
    }.items(),
)
def test_the_environments_faults_are_told_from_a_records(kind: type[Exception], errnos: str) -> None:
    for errno in map(int, errnos.split()):
        assert type(error_of(pymysql.err.OperationalError(errno, MARKER))) is kind, errno


def test_no_number_has_two_meanings() -> None:
    kinds = (CONFLICTS, STATEMENT_TIMEOUTS, REFUSALS, UNAVAILABLE)
    assert sum(map(len, kinds)) == len(set().union(*kinds))


def test_a_wait_for_a_table_is_told_from_a_wait_for_rows(database: Database) -> None:
    """The server gives both one number."""
    for waits in (session.COMMAND, session.LANE):
        assert 2 <= int(waits["lock_wait_timeout"]) + 2 <= int(waits["innodb_lock_wait_timeout"])
    database.erase(["7"])
    waiting, other = database.engine(for_lane=True).connect(), database.engine().connect()
    with waiting, other:
        driver: Any = waiting.connection.driver_connection
        waiting.exec_driver_sql("SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 2")
        driver.row_wait_seconds = 2
        reasons = []
        for lock in ("LOCK TABLES erasure WRITE", "SELECT * FROM erasure FOR UPDATE"):
            other.exec_driver_sql("UNLOCK TABLES")
            other.exec_driver_sql(lock)
            with pytest.raises(TransactionConflict) as conflict, edge.translated_errors():
                waiting.exec_driver_sql("UPDATE erasure SET person_kind = 'clerk'")
            reasons.append(conflict.value.reason)
        assert reasons == [Trouble.METADATA_LOCK, Trouble.LOCK_WAIT]


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


@pytest.mark.parametrize("url", ["", "nonsense", "mysql+pymysql://h:notaport/d", "://", "postgresql://u:p@h/d"])
def test_what_is_no_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_DATABASE_URL"):
        edge.connect_engine(url)


@pytest.mark.parametrize(
    "option", ["ssl=true", "tls=true", f"{MARKER}=1", "ssl_verify_cert=perhaps", f"ssl_ca=/{MARKER}", "ssl_key=/"]
)
def test_an_option_of_the_url_that_is_none_is_refused_without_being_shown(option: str) -> None:
    with pytest.raises(ConfigurationError, match="ssl_") as refused:
        edge.connect_engine(f"mysql+pymysql://u:p@h/d?{option}")
    assert MARKER not in str(refused.value)


def test_options_of_the_url_say_what_is_verified(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()

    def checks(options: str) -> tuple[bool, bool] | None:
        tls = connect_arguments(f"mysql+pymysql://u:p@h/d?{options.format(folder=tmp_path)}")["ssl"]
        return tls and (tls["verify_mode"], tls["check_hostname"])

    assert checks("") is None
    assert checks("ssl_verify_cert=false") is None
    assert checks("ssl_disabled=true") is None
    assert connect_arguments("mysql+pymysql://u:p@h/d?ssl_disabled=true")["ssl_disabled"]
    assert checks("ssl_ca={folder}/ca.pem") == (True, True)
    assert checks("ssl_ca={folder}/ca.pem&ssl_verify_cert=true") == (True, False)
    assert checks("ssl_ca={folder}/ca.pem&ssl_verify_identity=false") == (False, False)
    assert checks("ssl_verify_identity=true") == (True, True)
    assert connect_arguments("mysql+pymysql://u:p@h/d?ssl_verify_cert=1")["ssl"]["ca"], "the system's own"


def test_a_certificate_that_nobody_vouches_for_has_a_reason(database: Database) -> None:
    url = f"{database.url}&ssl_verify_cert=true"
    with pytest.raises(DatabaseUnavailable) as refused, read_connection(edge.connect_engine(url)):
        pass
    assert refused.value.reason is Trouble.DATABASE_TLS


def test_a_password_may_have_any_character_and_be_renewed(database: Database) -> None:
    """A URL that may change is asked for by each connection."""
    account = f"stream_renewed_{database.name}"[:32]
    passwords = ["пароль-ß€😀", "another"]
    url = make_url(database.url)
    urls = [url.set(username=account, password=each).render_as_string(hide_password=False) for each in passwords]
    database.execute(f"CREATE USER '{account}'@'%' IDENTIFIED BY '{passwords[0]}'")
    try:
        database.execute(f"GRANT SELECT ON `{database.name}`.* TO '{account}'@'%'")
        engine = connect_engine(lambda: urls[0])
        with read_connection(engine):
            pass
        database.execute(f"ALTER USER '{account}'@'%' IDENTIFIED BY '{passwords[1]}'")
        with pytest.raises(DatabaseUnavailable) as refused, read_connection(engine):
            pass
        assert refused.value.reason is Trouble.ACCESS_DENIED
        urls.reverse()
        with read_connection(engine):
            pass
    finally:
        database.execute(f"DROP USER '{account}'@'%'")


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
