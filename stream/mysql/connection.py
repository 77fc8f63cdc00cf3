"""The edge to MySQL and MariaDB: connections with every setting that matters made explicit."""

import ssl
from collections.abc import Iterator, Sequence
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

from stream.errors import ConfigurationError, DatabaseUnavailable, Trouble
from stream.mysql.errnos import error_of
from stream.mysql.hosts import Address, HostConnection, hosts_of, split_hosts

READ_TIMEOUT_SECONDS = 60
"""A statement of ours takes well under a second, a lock wait 5 s: whatever takes this long has hung."""

GREETING_SECONDS_MAX = 3
"""A frozen server's system still takes connections, and then nobody says a word."""

LOCK_WAIT_SECONDS = 5
IDLE_SECONDS_MAX = 10
"""The time for which the server keeps the connection of a silent process. A frozen process keeps its row locks;
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

CONVERSIONS = {**converters.conversions, FIELD_TYPE.DATETIME: datetime.fromisoformat}
"""Between the server's values and ours. The driver's own way to read a moment takes twenty times as long: a quarter of
what a report on 50,000 users took."""


@cache
def _unchecked_tls() -> ssl.SSLContext:
    """The driver's encryption without a certificate to check, made once: it loads the system's certificates, which
    takes 40 ms, and uses none of them."""
    context: ssl.SSLContext = pymysql.Connection(defer_connect=True)._create_ssl_ctx({})  # type: ignore[attr-defined]
    return context


class BoundedConnection(HostConnection):
    """Refuses by itself a statement that is larger than the server takes. The server would rather cut the connection
    than answer while we still send, and then the reason is lost."""

    packet_bytes_max = 0

    def _create_ssl_ctx(self, given: dict[str, Any]) -> ssl.SSLContext:
        return _unchecked_tls() if not given else super()._create_ssl_ctx(given)  # type: ignore[misc]

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        packet = sql.encode(self.encoding) if isinstance(sql, str) else sql
        if 0 < self.packet_bytes_max <= len(packet) + 1:  # the command's byte goes with it
            raise pymysql.err.OperationalError(1153, "larger than max_allowed_packet")
        return super().query(packet, unbuffered)


def connect_engine(url: str, *, for_lane: bool = False) -> Engine:
    """An engine whose connections count changed rows only (no CLIENT_FOUND_ROWS), in UTC and strict mode. Connections
    are not pooled: a lane keeps its own, and a command needs one. Raises ConfigurationError for a URL that is not
    one."""
    first, addresses = split_hosts(url)
    try:
        parsed = make_url(first).set(drivername="mysql+pymysql")
        arguments, options = parsed.get_dialect()().create_connect_args(parsed)
    except (exc.ArgumentError, ValueError, TypeError):
        raise ConfigurationError(
            "STREAM_DATABASE_URL is not a URL like mysql+pymysql://user:password@host:port/database"
        ) from None
    options.update(
        charset="utf8mb4",
        client_flag=options.get("client_flag", 0) & ~CLIENT.FOUND_ROWS,
        connect_timeout=5,
        read_timeout=READ_TIMEOUT_SECONDS if for_lane else None,
        write_timeout=READ_TIMEOUT_SECONDS if for_lane else None,
        autocommit=False,
        conv=CONVERSIONS,
    )

    def open_at(address: Address | None = None) -> BoundedConnection:
        where = {} if address is None else address._asdict()
        connection = BoundedConnection(*arguments, **{**options, **where, "read_timeout": GREETING_SECONDS_MAX})
        with connection.cursor() as cursor:
            for statement in LANE_SESSION if for_lane else SESSION:
                cursor.execute(statement)
            cursor.execute("SELECT @@max_allowed_packet")
            (connection.packet_bytes_max,) = cursor.fetchone() or (0,)
        return connection

    def open_connection() -> HostConnection:
        connection = hosts_of(addresses).connect(open_at) if addresses else open_at()
        connection._read_timeout = options["read_timeout"]  # type: ignore[attr-defined]
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
        raise DatabaseUnavailable(Trouble.CONNECTION_LOST, error.errno) from None


@contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """A connection for a command's queries, with errors translated."""
    with translated_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def limited_statements(connection: Connection, seconds_max: float) -> Iterator[None]:
    """Let the server end each query that takes longer. Raises StatementTimeout, and whatever else goes wrong."""
    in_millis = f"max_execution_time = {int(seconds_max * 1000)}"
    limit = f"max_statement_time = {seconds_max}" if is_mariadb(connection) else in_millis
    with translated_errors():
        connection.exec_driver_sql(f"SET SESSION {limit}")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SET SESSION {limit.split(' = ')[0]} = 0")


def answers(connection: Connection, statement: bytes) -> Sequence[Any]:
    """The answers to a statement whose JSON is quoted already: the driver itself sends it."""
    driver: Any = connection.connection.driver_connection
    with translated_errors(), driver.cursor() as cursor:
        cursor.execute(statement)
        rows: Sequence[Any] = cursor.fetchall()
    return rows


def is_mariadb(connection: Connection) -> bool:
    return isinstance(connection.dialect, MySQLDialect) and connection.dialect.is_mariadb


def server_name(connection: Connection) -> str:
    """The server's name, such as `MySQL 9.7.0` or `MariaDB 11.4.5`."""
    version = str(connection.execute(text("SELECT VERSION()")).scalar_one())
    return f"{'MariaDB' if is_mariadb(connection) else 'MySQL'} {version.split('-')[0]}"
