"""The program under test, as tests see it: exit code, log and HTTP port. Here as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.broker import SESSION_TIMEOUT_MS
from tests.waiting import wait_for

CHECKOUT = Path(__file__).resolve().parent.parent
STREAM = Path(sys.executable).with_name("stream")
LEASH = CHECKOUT / "deploy" / "local" / "leash.py"
"""Lets a process die with the test run that started it."""

COMMAND_SECONDS_MAX = 60


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without any setting of somebody's stack, and with these; an empty one is left out."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
    return {**inherited, "PYTHONWARNINGS": "error", **{name: value for name, value in settings.items() if value}}


def run_process(
    settings: Mapping[str, str], *arguments: str, seconds_max: float = COMMAND_SECONDS_MAX
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as a process, for tests of what a process does. The others use `run_command`."""
    return subprocess.run(
        [STREAM, *arguments],
        env=environment(settings),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )


class Running(ABC):
    """A running `stream run`, or another command that runs for a while."""

    name: str

    @property
    @abstractmethod
    def is_running(self) -> bool: ...

    @abstractmethod
    def wait(self, seconds: float = 60.0) -> int:
        """Wait for the end and return the exit code."""

    @abstractmethod
    def terminate(self) -> None:
        """Ask for the end, as SIGTERM does."""

    @abstractmethod
    def log_text(self) -> str:
        """Return the log so far."""

    def assert_ends(self, code: int, seconds: float = 120.0) -> None:
        """It ends by itself, with this exit code."""
        ended = self.wait(seconds)
        assert ended == code, f"exit code {ended}, expected {code}:\n{self.log_text()[-6000:]}"

    def condition(self) -> str:
        """The state of the program, for readers of a failed test."""
        try:
            how = f"/readyz: {self.get('/readyz')}" if self.is_running else f"exit code {self.wait()}"
        except (AssertionError, OSError) as error:
            how = f"/readyz: {error}"
        return f"{self.name}: {how}\n{self.log_text()[-4000:]}"

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event so far."""
        return [line for line in self._lines() if line.get("event") == event]

    def wait_logged(self, event: str, seconds: float = 30.0) -> dict[str, Any]:
        """The first line of an event."""
        return wait_for(lambda: self._logged_or_dead(event), f"the log line {event!r}", seconds)[0]

    def _logged_or_dead(self, event: str) -> list[dict[str, Any]]:
        lines = self.logged(event)
        assert lines or self.is_running, f"it ended without {event!r}:\n{self.log_text()[-4000:]}"
        return lines

    def _lines(self) -> list[dict[str, Any]]:
        # The last line may be half written.
        whole = [line for line in self.log_text().splitlines() if line.startswith("{") and line.endswith("}")]
        return [json.loads(line) for line in whole]

    # What it answers.

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        port = self.wait_logged("listening")["http_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            head, _, number = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{value}"' in head for key, value in labels.items()):
                total += float(number)
        return total

    def wait_ready(self, seconds: float = 30.0) -> None:
        wait_for(lambda: self.get("/readyz")[0] == 200, "/readyz", seconds)


class Consumer(Running):
    """A process of its own, which can be killed and frozen."""

    def __init__(
        self,
        settings: Mapping[str, str],
        log: Path,
        *arguments: str,
        program: Sequence[str] = (str(STREAM),),
        command: str = "run",
    ) -> None:
        self.log, self.name = log, log.name
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *program, command, *arguments],
                env=environment({**DEFAULTS, **settings}),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float = 60.0) -> int:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"`stream run` does not end:\n{self.log_text()[-4000:]}") from None

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would; harmless if it has ended."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8")


DEFAULTS = {
    "STREAM_HTTP_PORT": "0",
    "STREAM_LOG_FORMAT": "json",
    "STREAM_QUALITY_MINUTES": "0",  # two dozen queries at each start, of which one test wants to hear
    "STREAM_KAFKA_SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
    "STREAM_KAFKA_HEARTBEAT_INTERVAL_MS": str(SESSION_TIMEOUT_MS // 4),
}
