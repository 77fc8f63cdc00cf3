"""The common part of all local servers: a folder, a port, a process, and a way to start and end it."""

import atexit
import json
import random
import signal
import socket
import subprocess
import time
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from weakref import WeakSet

from deploy.local.errors import ServerError
from deploy.local.processes import Process, spawn

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections (32768 and up): after a kill -9 the
# port must still be free for the restart, and a client that reconnects to a dead server's port inside that
# range can be given the same port itself and end up connected to itself.
PORTS = range(20000, 32000)
READY_SECONDS_MAX = 90.0  # it takes 2 to 5 s; a busy machine has been seen to take ten times as long
STOP_SECONDS_MAX = 30.0
KILL_SECONDS_MAX = 10.0
READY_POLL_SECONDS = 0.05
ANSWER_TIMEOUT_SECONDS = 5
LOG_LINES_SHOWN = 15

_running: "WeakSet[Server]" = WeakSet()
_given: set[int] = set()


class Server(ABC):
    """A local server with its data in one folder.

    Started from a program it dies with that program; in the background it runs until `stop`. It can be
    stopped or killed and started again: port and data stay the same.
    """

    name: ClassVar[str]
    host = LOOPBACK
    """The address that it listens on."""

    def __init__(self, folder: Path, *, background: bool = False) -> None:
        """Describe the server of `folder` (made if it is missing); nothing is started yet."""
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._background = background
        self._child: subprocess.Popen[bytes] | None = None
        self._process, self.port = self._recorded()
        if self.port == 0:
            self.port = free_port()

    @property
    @abstractmethod
    def version(self) -> str:
        """The version of the server's program, as in `9.7.4`."""

    @property
    def log(self) -> Path:
        """The file with all that the server has printed."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The process id. Raises ServerError if the server does not run."""
        if self._process is None:
            raise ServerError(f"{self.name} in {self.folder} is not running.")
        return self._process.pid

    def is_running(self) -> bool:
        """Return whether the process that we started is alive."""
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Start the server and return when it answers. Raises ServerError, UnavailableError."""
        if self.is_running():
            raise ServerError(f"{self.name} in {self.folder} is running already (process {self.pid}).")
        self._reap()
        if not is_free(self.port):
            if self._is_initialised() and not self._background:
                raise ServerError(f"Port {self.port} of {self.name} has been taken by another program.")
            self.port = free_port()
        self._prepare()
        self._child = spawn(self._command(), self.folder, self.log, background=self._background)
        self._process = Process.of(self._child.pid)
        self._record()
        if not self._background:
            _running.add(self)
        self._wait_until_ready()

    def stop(self) -> None:
        """End the server politely, or with SIGKILL if it takes longer than 30 s. Harmless if it is down."""
        self._end(signal.SIGTERM, STOP_SECONDS_MAX)

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL), and return when it is gone."""
        self._end(signal.SIGKILL, KILL_SECONDS_MAX)

    def __enter__(self) -> Self:
        """Return the server, which the `with` block stops at its end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    @abstractmethod
    def _is_initialised(self) -> bool:
        """Return whether the folder already holds data."""

    @abstractmethod
    def _prepare(self) -> None:
        """Fetch the program and make the data folder, where they are missing."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line; its first word is an absolute path."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether a real client is served; called only while the port is open."""

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not (is_open(self.port, self.host) and self._answers()):
            if not self.is_running():
                self.kill()
                raise ServerError(f"{self.name} {self.version} ended at its start. {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(
                    f"{self.name} {self.version} did not answer within {READY_SECONDS_MAX:.0f} s. {self._last_words()}"
                )
            time.sleep(READY_POLL_SECONDS)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n  ".join([f"The end of {self.log}:", *lines])

    def _end(self, number: signal.Signals, timeout_seconds: float) -> None:
        if self._process is not None:
            self._process.send(number)
            if not self._process.wait(timeout_seconds) and number != signal.SIGKILL:
                self._process.send(signal.SIGKILL)
                self._process.wait(KILL_SECONDS_MAX)
            if self._process.is_alive():
                raise ServerError(f"{self.name} (process {self.pid}) does not end.")
        self._reap()
        self._process = None
        _running.discard(self)
        self._record()

    def _reap(self) -> None:
        """Take note of the end of a child, which somebody else may have killed."""
        if self._child is not None:
            self._child.wait(KILL_SECONDS_MAX)
            self._child = None

    @property
    def _record_file(self) -> Path:
        return self.folder / "server.json"

    def _record(self) -> None:
        process = asdict(self._process) if self._process else None
        growing = self._record_file.with_suffix(".new")
        growing.write_text(json.dumps({"port": self.port, "process": process}))
        growing.replace(self._record_file)

    def _recorded(self) -> tuple[Process | None, int]:
        """Return the process (if it still runs) and the port that the folder remembers, or (None, 0)."""
        try:
            record = json.loads(self._record_file.read_text())
            process = Process(**record["process"]) if record["process"] else None
            port = int(record["port"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None, 0
        return (process if process and process.is_alive() else None), port


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on, and that nobody here was given before."""
    for port in random.sample(PORTS, 200):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise ServerError(f"No free port between {PORTS.start} and {PORTS.stop - 1} on {LOOPBACK}.")


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port`."""
    with socket.socket() as probe:
        # As servers do, for old connections linger after a stop.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def is_open(port: int, host: str = LOOPBACK) -> bool:
    """Return whether somebody accepts connections on `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def does_serve(url: str) -> bool:
    """Return whether an address of ours answers a GET with 200."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_SECONDS) as answer:  # noqa: S310 - http, on loopback
            return bool(answer.status == 200)
    except OSError:
        return False


@atexit.register
def _stop_all() -> None:
    """Stop politely the servers that this program started and forgot."""
    for server in list(_running):
        server.stop()
