"""The edge to MySQL and MariaDB: connections with every setting that matters made explicit."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import pymysql
from pymysql.connections import MySQLResult
from pymysql.constants import CLIENT, CR
from sqlalchemy import Connection, Engine, create_engine, exc, text
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.pool import NullPool

from stream.errors import ConfigurationError, DatabaseUnavailable, StreamError, Trouble, release_frames
from stream.mysql import session
from stream.mysql.address import connect_arguments
from stream.mysql.errnos import LOCK_WAIT, MetadataLock, error_of
from stream.mysql.hosts import Address, HostConnection, hosts_of, split_hosts

CONNECT_SECONDS_MAX = 5
"""The most that each answer may take until a connection is ready: an address may accept and say nothing."""

READ_TIMEOUT_SECONDS = 60
"""A statement of ours takes well under a second, a lock wait 5 s: whatever takes this long has hung."""


@cache
def _unchecked_tls() -> ssl.SSLContext:
    """The driver's encryption without a certificate to check, made once: it loads the system's certificates, which
    takes 40 ms, and uses none of them."""
    context: ssl.SSLContext = pymysql.Connection(defer_connect=True)._create_ssl_ctx({})  # type: ignore[attr-defined]
    return context


EARLY_SECONDS = 0.5
"""A wait may end before its time by our clock: MariaDB's begins at its last tick. Less than what the limits of the two
waits differ by (`session`)."""


LINES_PACKET_BYTES = 256 * 1024

LOADING = "SHOW VARIABLES WHERE Variable_name IN ('local_infile', 'wsrep_load_data_splitting') AND Value = 'ON'"
"""Whether the server takes lines, and whether it would commit them in parts, as Galera's nodes may be told to."""


class LinesResult(MySQLResult):
    """The answer to a statement, also where the server answers by asking for the lines of a `LOAD DATA LOCAL`.

    The driver would send whatever file the server names. Nobody reads a file here: what is sent is what the connection
    holds ready, and a server that asks for lines without having been asked to load any gets none."""

    connection: "BoundedConnection"

    def _read_load_local_packet(self, _asked: object) -> None:
        connection, lines = self.connection, self.connection.lines
        if lines is None:
            connection._force_close()  # type: ignore[attr-defined]
            raise pymysql.err.OperationalError(CR.CR_COMMANDS_OUT_OF_SYNC, "asked for a file")
        step = min(LINES_PACKET_BYTES, connection.packet_bytes_max - 1)
        for start in range(0, len(lines), step):
            connection.write_packet(lines[start : start + step])
        connection.write_packet(b"")
        self._read_ok_packet(connection._read_packet())  # type: ignore[attr-defined,no-untyped-call]


class BoundedConnection(HostConnection):
    """Refuses by itself a statement that is larger than the server takes: the server would rather cut the connection
    than answer while we still send, and then the reason is lost. And tells a wait for a table from a wait for rows."""

    takes_lines = False
    """Whether the server takes `LOAD DATA LOCAL`."""
    lines: bytes | None = None
    """The lines that are held ready for the statement under way."""
    packet_bytes_max = 0
    row_wait_seconds = 0
    """The session's longest wait for rows; 0 before it is set up."""

    def _create_ssl_ctx(self, given: dict[str, Any]) -> ssl.SSLContext:
        return _unchecked_tls() if not given else super()._create_ssl_ctx(given)  # type: ignore[misc]

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        packet = sql.encode(self.encoding) if isinstance(sql, str) else sql
        if 0 < self.packet_bytes_max <= len(packet) + 1:  # the command's byte goes with it
            raise pymysql.err.OperationalError(1153, "larger than max_allowed_packet")
        try:
            return super().query(packet, unbuffered)
        except pymysql.err.OperationalError as error:
            # Both waits end with one number; that for a table has the shorter limit.
            if error.args[0] == LOCK_WAIT and self.waited_seconds < self.row_wait_seconds - EARLY_SECONDS:
                raise MetadataLock(*error.args) from None
            raise

    def load(self, statement: bytes, lines: bytes) -> MySQLResult:
        """Send a `LOAD DATA LOCAL` with its lines; the server's answer."""
        self.lines = lines
        try:
            self.query(statement)
        finally:
            self.lines = None
        assert self._result is not None
        return self._result

    def _read_query_result(self, unbuffered: bool = False) -> int:
        if unbuffered:  # by `yield_per`; there the driver refuses to send any file
            return super()._read_query_result(unbuffered)
        with self._waiting():
            self._result = None
            result = LinesResult(self)
            result.read()
            self._result = result
            if result.server_status is not None:
                self.server_status = result.server_status
        return result.affected_rows or 0

    @property
    def is_mariadb(self) -> bool:
        return "MariaDB" in str(self.get_server_info())  # type: ignore[no-untyped-call]


def connect_engine(url: str | Callable[[], str], *, for_lane: bool = False, seconds_max: int | None = None) -> Engine:
    """An engine whose connections count changed rows only (no CLIENT_FOUND_ROWS), in UTC and strict mode. Connections
    are not pooled: a lane keeps its own, and a command needs one. A URL that may change is asked for anew by each
    connection, and may name several servers (`hosts`). An answer may take `seconds_max`, by default
    READ_TIMEOUT_SECONDS for a lane; a command waits as long as its user does. Raises ConfigurationError for a URL that
    is not one."""
    asked = url if callable(url) else lambda: url
    known = _addressed(asked())
    limit = READ_TIMEOUT_SECONDS if for_lane and seconds_max is None else seconds_max

    def open_at(address: Address | None = None) -> BoundedConnection:
        where = {} if address is None else address._asdict()
        limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), CONNECT_SECONDS_MAX)
        connection = _opened({**known[1], **where, **limits})
        on_mariadb = connection.is_mariadb
        with connection.cursor() as cursor:
            for statement in session.statements(for_lane=for_lane, on_mariadb=on_mariadb):
                cursor.execute(statement)
            cursor.execute("SELECT @@max_allowed_packet, @@innodb_lock_wait_timeout")
            connection.packet_bytes_max, connection.row_wait_seconds = cursor.fetchone() or (0, 0)
            cursor.execute(LOADING)
            connection.takes_lines = dict(cursor.fetchall()) == {"local_infile": "ON"}
        return connection

    def open_connection() -> HostConnection:
        nonlocal known
        with suppress(ConfigurationError):  # a file that is being written may hold no URL for a moment
            known = _addressed(asked())
        addresses, _ = known
        connection = hosts_of(addresses).connect(open_at) if addresses else open_at()
        connection.limit_answers(limit)
        return connection

    return create_engine("mysql+pymysql://", creator=open_connection, poolclass=NullPool)


def _opened(arguments: dict[str, Any]) -> BoundedConnection:
    """A connection. Nobody answers at an address that accepts connections and greets none of them."""
    try:
        # The protocol's flag, and not the driver's `local_infile`, which would have it send files.
        return BoundedConnection(**arguments, client_flag=CLIENT.LOCAL_FILES)
    except pymysql.err.OperationalError as error:
        if error.args[0] == CR.CR_SERVER_LOST:
            raise pymysql.err.OperationalError(CR.CR_CONN_HOST_ERROR, "no greeting") from None
        raise


def _addressed(url: str) -> tuple[tuple[Address, ...], dict[str, Any]]:
    """The servers that a URL names, where they are several, and the driver's arguments for the first."""
    first, addresses = split_hosts(url)
    return addresses, connect_arguments(first)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into ours; their texts, which may hold values, go no further."""
    try:
        yield
    except (exc.DBAPIError, pymysql.MySQLError, OSError) as error:
        release_frames(error)
        raise _translated(error) from None


def _translated(error: exc.DBAPIError | pymysql.MySQLError | OSError) -> StreamError:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return DatabaseUnavailable(Trouble.CONNECTION_LOST, error.errno)
    return error_of(error.orig if isinstance(error, exc.DBAPIError) else error)


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


def set_savepoint(connection: Connection, name: str) -> None:
    """Set a savepoint in the caller's transaction, in the place of an older one with this name. SQLAlchemy's have a new
    name each time: the server would take each for a statement of another form, and have no room for the statistics of
    others. Nothing has to release it: it ends with the transaction."""
    answers(connection, f"SAVEPOINT {name}".encode())


def roll_back_to(connection: Connection, name: str) -> None:
    """Undo what was done since the savepoint was set."""
    answers(connection, f"ROLLBACK TO SAVEPOINT {name}".encode())


def is_mariadb(connection: Connection) -> bool:
    return isinstance(connection.dialect, MySQLDialect) and connection.dialect.is_mariadb


def server_name(connection: Connection) -> str:
    """The server's name, such as `MySQL 9.7.0` or `MariaDB 11.4.5`."""
    version = str(connection.execute(text("SELECT VERSION()")).scalar_one())
    return f"{'MariaDB' if is_mariadb(connection) else 'MySQL'} {version.split('-')[0]}"
