"""The servers of a replicated database, of which one takes writes. A URL names them all, separated by commas:
`mysql+pymysql://user:password@db1:3306,db2:3306,db3:3306/stream`. Connections go to whichever takes writes at the time.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import pymysql
import structlog

from stream.errors import ConfigurationError
from stream.every import Every

log = structlog.get_logger(__name__)

PORT = 3306

PATIENCE_SECONDS = 3.0
"""A statement of ours takes well under a second. After this long we look whether another server has taken over: one
that is frozen, or cut off, says nothing."""

WATCH_SECONDS = 1.0

LOG_SECONDS = 60.0
"""The rest between two log lines about servers of which none takes writes: each thread meets that every few seconds."""

IN_URL = re.compile(r"^(?P<before>[^@/]*//(?:[^@/]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<behind>[/?].*|)$")
ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:,\s]+)(?::(?P<port>\d{1,5}))?")


class Address(NamedTuple):
    """A server's host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class HostConnection(pymysql.Connection):
    """Knows since when it waits for an answer, so that another thread can end the wait."""

    asked_at: float | None = None
    """The moment since when it waits, in `time.monotonic()` seconds. Set by the thread that waits."""
    waited_seconds = 0.0
    """The time that its last answer took."""

    # A statement that is sent, and the two kinds of answers: a COMMIT doesn't pass through `query`.

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        with self._waiting():
            super()._execute_command(command, sql)  # type: ignore[misc]

    def _read_query_result(self, unbuffered: bool = False) -> int:
        with self._waiting():
            return super()._read_query_result(unbuffered)  # type: ignore[misc,no-any-return]

    def _read_ok_packet(self) -> object:
        with self._waiting():
            return super()._read_ok_packet()  # type: ignore[misc]

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        asked_at = self.asked_at = time.monotonic()
        try:
            yield
        finally:
            self.asked_at, self.waited_seconds = None, time.monotonic() - asked_at

    @property
    def address(self) -> Address:
        return Address(self.host, self.port)

    def limit_answers(self, seconds: int | None) -> None:
        """From now on wait so long for the server; until then the limit of connecting holds."""
        self._read_timeout = self._write_timeout = seconds

    def cut(self) -> None:
        """End the wait for an answer; by another thread. The asking thread meets a lost connection."""
        with suppress(OSError, AttributeError):  # it has just ended by itself
            self._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]


Open = Callable[[Address], HostConnection]


class Hosts:
    """The servers that a URL names, the one that took writes last in front. Shared by all threads of a process; a
    thread of its own watches for answers that do not come."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._lock = threading.Lock()
        self._addresses = list(addresses)
        self._connections: WeakKeyDictionary[HostConnection, Open] = WeakKeyDictionary()
        """Those that are open, each with the way to open another like it."""
        self._telling = Every(LOG_SECONDS)
        self._watch = threading.Thread(target=self._watch_for_ever, name="hosts", daemon=True)

    def connect(self, open_at: Open) -> HostConnection:
        """A connection to the server that takes writes, or else to any that answers: readers are served, and writers
        are told that it is read-only. Raises what the last server raised where none answers."""
        connection = self._connect(open_at, self.addresses())
        with self._lock:
            self._connections[connection] = open_at
            if not self._watch.ident:
                self._watch.start()
        return connection

    def addresses(self) -> list[Address]:
        with self._lock:
            return list(self._addresses)

    def leave_the_silent(self) -> None:
        """Cut the connections that have waited too long for an answer, if another server takes writes by now. Raises
        what the last of the others raised where none answers."""
        patient_since = time.monotonic() - PATIENCE_SECONDS
        with self._lock:
            silent = {
                connection: open_at
                for connection, open_at in self._connections.items()
                if (connection.asked_at or patient_since) < patient_since
            }
        left = {connection.address for connection in silent}
        others = [address for address in self.addresses() if address not in left]
        for open_at in list(silent.values())[:1]:
            with closing(self._connect(open_at, others)) as other:
                if not is_read_only(other):
                    log.warning("left a silent server", servers=sorted(map(str, left)), connections=len(silent))
                    for connection in silent:
                        connection.cut()

    def _watch_for_ever(self) -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            with suppress(pymysql.MySQLError, OSError):  # no other answers, so there is none to go to
                self.leave_the_silent()

    def _connect(self, open_at: Open, addresses: Sequence[Address]) -> HostConnection:
        """As `connect`, among these servers. Where none takes writes it is told, if they are all that there are."""
        answers = {}
        readable: HostConnection | None = None
        failure: Exception = pymysql.err.OperationalError(2003, "no other server")
        for address in addresses:
            try:
                connection = open_at(address)
                if not is_read_only(connection):
                    self._prefer(address)
                    return connection
            except (pymysql.MySQLError, OSError) as error:
                failure = error
                answers[str(address)] = f"errno {error.args[0] if error.args else 0}"
                continue
            answers[str(address)] = "read-only"
            if readable is None:
                readable = connection
            else:
                connection.close()
        if len(addresses) == len(self._addresses):
            self._tell(answers)
        if readable is None:
            raise failure
        return readable

    def _tell(self, answers: Mapping[str, str]) -> None:
        with self._lock:
            is_due = self._telling.take()
        if is_due:
            log.warning("no server takes writes", servers=answers)

    def _prefer(self, address: Address) -> None:
        with self._lock:
            self._addresses.sort(key=lambda each: each != address)  # stable: the others keep their order


def is_read_only(connection: pymysql.Connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.read_only")
        (answer,) = cursor.fetchone() or (0,)
    return str(answer) not in {"0", "OFF"}


def split_hosts(url: str) -> tuple[str, tuple[Address, ...]]:
    """A URL with its first host alone, and the addresses of all; none where it names one host, as any library takes.
    Raises ConfigurationError."""
    match = IN_URL.match(url)
    if match is None:
        return url, ()
    named = [ADDRESS.fullmatch(each) for each in match["hosts"].split(",")]
    addresses = tuple(Address(each["host"].strip("[]"), int(each["port"] or PORT)) for each in named if each)
    if len(addresses) < len(named):
        raise ConfigurationError("STREAM_DATABASE_URL: its hosts are not of the form host:port,host:port")
    first = match["hosts"].split(",")[0]
    return f"{match['before']}{first}{match['behind']}", addresses


@cache
def hosts_of(addresses: tuple[Address, ...]) -> Hosts:
    """The hosts at these addresses, for all engines of this process: what one has found the others know."""
    return Hosts(addresses)
