"""Processes that we started, told apart from others that were given the same pid later."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Process:
    """One process for ever: a pid is given again, but not with the same start time in the same boot."""

    pid: int
    started: int  # in clock ticks since the boot
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Return the process that has `pid` now. Raises ProcessLookupError if there is none."""
        _has_ended, started = _stat(pid)
        return cls(pid, started, _boot())

    def is_alive(self) -> bool:
        """Return whether this very process still runs (a zombie does not)."""
        try:
            has_ended, started = _stat(self.pid)
        except ProcessLookupError:
            return False
        return started == self.started and self.boot == _boot() and not has_ended

    def send(self, number: signal.Signals) -> bool:
        """Send a signal, but only to this very process; return whether it was there."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until the process has ended; return whether it did in time."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


def _stat(pid: int) -> tuple[bool, int]:
    """Return whether the process has ended, though nobody took note of it yet, and when it was started."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(pid) from None
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and parentheses
    state, threads, started = fields[0], int(fields[17]), int(fields[19])
    # A killed server's first thread is a zombie before the last one has let go of port and files.
    return state in "ZX" and threads <= 1, started


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def spawn(command: Sequence[str], folder: Path, log: Path, *, background: bool) -> subprocess.Popen[bytes]:
    """Start `command` in `folder`, appending its output to `log`.

    In the background it outlives us; otherwise it dies with us, even if we are killed.
    """
    if background:
        return _popen(command, folder, log)
    leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]
    return _in_lasting_thread(lambda: _popen(leashed, folder, log))


def _popen(command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the commands are ours
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at the terminal is for us: we then stop the servers politely
        )


def _in_lasting_thread(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Run `start` in a thread that lasts as long as this process.

    Linux ties the leash to the *thread* that forked: a server started by a short-lived thread would be
    killed when that thread ends.
    """
    answers: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
    _orders(os.getpid()).put(lambda: answers.put(_attempt(start)))
    answer = answers.get()
    if isinstance(answer, OSError):
        raise answer
    return answer


def _attempt(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | OSError:
    try:
        return start()
    except OSError as error:
        return error


@cache
def _orders(_pid: int) -> "queue.SimpleQueue[Callable[[], None]]":
    """Return the queue of this process's lasting thread (by pid: a fork does not inherit threads)."""
    orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def serve() -> None:
        while True:
            orders.get()()

    threading.Thread(target=serve, name="server-spawner", daemon=True).start()
    return orders
