"""The edge to MySQL and MariaDB: connections with every setting that matters made explicit, and the one place
that tells an environment's fault from a record's.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any

import pymysql
from pymysql import converters
from pymysql.constants import CLIENT, FIELD_TYPE
from sqlalchemy import Connection, Engine, create_engine, exc, make_url, text
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.pool import NullPool

from stream.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    Reason,
    StatementTimeout,
    TransactionConflict,
    TransientError,
)

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60
"""A statement of ours takes well under a second, a lock wait 5 s: whatever takes this long has hung."""

LOCK_WAIT_SECONDS = 5
IDLE_SECONDS_MAX = 10
"""How long the server keeps the connection of a process that is silent. A frozen process keeps its row locks;
this is a little more than the group's session timeout, so that its heir need not wait longer than that."""

SQL_MODE = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    # Strict, so that a value that doesn't fit is an error; with notes, so that one that was bent is seen.
    f"SET SESSION sql_mode = '{SQL_MODE}', sql_notes = 1, time_zone = '+00:00'",
)
LANE_SESSION = (
    *SESSION,
    f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, wait_timeout = {IDLE_SECONDS_MAX}",
)

STATEMENT_TIMEOUTS = {1969, 3024}
"""MariaDB's and MySQL's."""

CONFLICTS = {1205: "lock_wait", 1213: "deadlock"}

REFUSALS = {
    1048: Reason.MISSING_FIELD,  # a null in a column that has none
    1062: Reason.CONFLICT,
    1264: Reason.OUT_OF_RANGE,
    1265: Reason.REFUSED_BY_DATABASE,  # data truncated
    1292: Reason.REFUSED_BY_DATABASE,  # not a value of the type
    1365: Reason.REFUSED_BY_DATABASE,
    1366: Reason.REFUSED_BY_DATABASE,
    1406: Reason.TOO_LONG,
    1411: Reason.REFUSED_BY_DATABASE,  # not what a function takes, as UNHEX of no hex digits
    1441: Reason.OUT_OF_RANGE,  # a moment outside DATETIME
    1451: Reason.CONSTRAINT,
    1452: Reason.CONSTRAINT,  # a foreign key without its row
    1690: Reason.OUT_OF_RANGE,
    3140: Reason.REFUSED_BY_DATABASE,  # invalid JSON
    3141: Reason.REFUSED_BY_DATABASE,
    3156: Reason.REFUSED_BY_DATABASE,  # a JSON value that can't become the column's type
    3157: Reason.REFUSED_BY_DATABASE,
    3665: Reason.MISSING_FIELD,  # JSON_TABLE: a value is missing
    3666: Reason.REFUSED_BY_DATABASE,
    3669: Reason.OUT_OF_RANGE,
    3819: Reason.CONSTRAINT,  # MySQL's CHECK
    4025: Reason.CONSTRAINT,  # MariaDB's CHECK
    4038: Reason.REFUSED_BY_DATABASE,  # MariaDB: invalid JSON
    4174: Reason.REFUSED_BY_DATABASE,  # MariaDB's JSON_TABLE, ERROR ON ERROR
    4175: Reason.MISSING_FIELD,
}
"""The errors that speak of a row's data. Every other one is the environment's fault until we know better:
dead-lettering sound records because a disk was full would be the worse mistake."""

UNAVAILABLE = {
    3: "disk_full",  # a temporary file, or the binary log, could not be written
    20: "disk_full",
    1021: "disk_full",
    1026: "disk_full",
    1040: "too_many_connections",
    1044: "access_denied",
    1045: "access_denied",
    1049: "no_such_database",
    1053: "connection_lost",  # the server is being stopped
    1054: "tables_differ",
    1114: "disk_full",
    1142: "access_denied",
    1146: "tables_differ",
    1153: "packet_too_large",
    1203: "too_many_connections",
    1226: "too_many_connections",  # of this account
    1290: "read_only",
    1792: "read_only",
    1836: "read_only",
    1927: "connection_lost",  # MariaDB: killed
    2003: "unreachable",
    2006: "connection_lost",
    2013: "connection_lost",
    3118: "access_denied",  # the account is locked
    4031: "connection_lost",
    4151: "access_denied",  # MariaDB: the account is locked
}
"""Bounded names for what we expect to meet; anything else is `unknown`, with its errno."""

REMEDIES = {
    "access_denied": "set the account's password and rights right, or STREAM_DATABASE_URL",
    "connection_lost": "nothing, unless it lasts: then see why the server ends connections",
    "deadlock": "nothing, unless it lasts: then see who else writes these tables",
    "disk_full": "make room for the server's files",
    "lock_wait": "nothing, unless it lasts: then see whose transaction holds the rows",
    "no_such_database": "create it and run `stream migrate`, or set STREAM_DATABASE_URL right",
    "packet_too_large": "raise the server's max_allowed_packet; `stream check` says how far",
    "read_only": "make the server writable, or point the name in STREAM_DATABASE_URL at one that is",
    "refusal_not_repeated": "nothing, unless it lasts: then see who changes tables or constraints",
    "row_came_between": "nothing, unless it lasts: then see who else writes these tables",
    "statement_timeout": "run it when the server has less to do, or give it more time",
    "tables_differ": "run `stream check`, which says what differs",
    "too_many_connections": "raise max_connections, or end what holds them",
    "unreachable": "see that the server runs and can be reached",
}
"""What a person does about each reason to try again."""


CONVERSIONS = {**converters.conversions, FIELD_TYPE.DATETIME: datetime.fromisoformat}
"""Between the server's values and ours. The driver's own way to read a moment takes twenty times as long: a quarter of
what a report on 50,000 users took."""


@cache
def _unchecked_tls() -> ssl.SSLContext:
    """The driver's encryption without a certificate to check, made once: it loads the system's certificates, which
    takes 40 ms, and uses none of them."""
    context: ssl.SSLContext = pymysql.Connection(defer_connect=True)._create_ssl_ctx({})  # type: ignore[attr-defined]
    return context


class BoundedConnection(pymysql.Connection):
    """Refuses by itself a statement that is larger than the server takes.

    The server would rather cut the connection than answer while we still send, and then the reason is lost.
    """

    packet_bytes_max = 0

    def _create_ssl_ctx(self, given: dict[str, Any]) -> ssl.SSLContext:
        return _unchecked_tls() if not given else super()._create_ssl_ctx(given)  # type: ignore[misc]

    def learn_packet_bytes_max(self) -> None:
        with self.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            (self.packet_bytes_max,) = cursor.fetchone() or (0,)

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        packet = sql.encode(self.encoding) if isinstance(sql, str) else sql
        if 0 < self.packet_bytes_max <= len(packet) + 1:  # the command's byte goes with it
            raise pymysql.err.OperationalError(1153, "larger than max_allowed_packet")
        return super().query(packet, unbuffered)


def connect_engine(url: str, *, for_lane: bool = False) -> Engine:
    """An engine whose connections count changed rows only (no CLIENT_FOUND_ROWS), in UTC and strict mode.

    Connections are not pooled: a lane keeps its own, and a command needs one. Raises ConfigurationError for a URL
    that is not one.
    """
    try:
        parsed = make_url(url).set(drivername="mysql+pymysql")
        arguments, options = parsed.get_dialect()().create_connect_args(parsed)
    except (exc.ArgumentError, ValueError, TypeError):
        raise ConfigurationError(
            "STREAM_DATABASE_URL is not a URL like mysql+pymysql://user:password@host:port/database"
        ) from None
    options.update(
        charset="utf8mb4",
        client_flag=options.get("client_flag", 0) & ~CLIENT.FOUND_ROWS,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS if for_lane else None,
        write_timeout=READ_TIMEOUT_SECONDS if for_lane else None,
        autocommit=False,
        conv=CONVERSIONS,
    )
    session = LANE_SESSION if for_lane else SESSION

    def open_connection() -> pymysql.Connection[Any]:
        connection = BoundedConnection(*arguments, **options)
        with connection.cursor() as cursor:
            for statement in session:
                cursor.execute(statement)
        connection.learn_packet_bytes_max()
        return connection

    return create_engine(parsed, creator=open_connection, poolclass=NullPool)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into ours; their texts, which may hold values, go no further."""
    try:
        yield
    except exc.DBAPIError as error:
        raise error_of(error.orig) from None
    except pymysql.MySQLError as error:
        raise error_of(error) from None
    except OSError as error:
        raise DatabaseUnavailable("connection_lost", error.errno) from None


def error_of(
    error: BaseException | None,
) -> DataRefused | TransactionConflict | StatementTimeout | DatabaseUnavailable:
    """What a driver's error means for us, judged by its number alone."""
    errno = error.args[0] if error is not None and error.args and isinstance(error.args[0], int) else None
    if errno in CONFLICTS:
        return TransactionConflict(CONFLICTS[errno], errno)
    if errno in STATEMENT_TIMEOUTS:
        return StatementTimeout(errno)
    if errno in REFUSALS:
        return DataRefused(REFUSALS[errno], errno)
    if isinstance(error, pymysql.err.InterfaceError):  # the connection was closed under us
        return DatabaseUnavailable("connection_lost", errno)
    return DatabaseUnavailable(UNAVAILABLE.get(errno or 0, "unknown"), errno)


def remedy(error: TransientError) -> str:
    """What a person is to do about it."""
    return REMEDIES.get(error.reason, "look the errno up in the server's manual")


@contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """A connection for a command's queries, with errors translated."""
    with translated_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def limited_statements(connection: Connection, seconds_max: float) -> Iterator[None]:
    """Let the server end each query that takes longer. Raises StatementTimeout, and whatever else goes wrong."""
    dialect = connection.dialect
    is_mariadb = isinstance(dialect, MySQLDialect) and dialect.is_mariadb
    limit = f"max_statement_time = {seconds_max}" if is_mariadb else f"max_execution_time = {int(seconds_max * 1000)}"
    with translated_errors():
        connection.exec_driver_sql(f"SET SESSION {limit}")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SET SESSION {limit.split(' = ')[0]} = 0")


def server_name(connection: Connection) -> str:
    """What answers, such as `MySQL 9.7.0` or `MariaDB 11.4.5`."""
    version = str(connection.execute(text("SELECT VERSION()")).scalar_one())
    name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    return f"{name} {version.split('-')[0]}"


def refusal_of_warning(warning: tuple[str, int, str] | None) -> DataRefused:
    """What a row of SHOW WARNINGS means: any warning on an upsert says that a value was bent to make it fit."""
    errno = warning[1] if warning else 0
    return DataRefused(REFUSALS.get(errno, Reason.REFUSED_BY_DATABASE), errno)
