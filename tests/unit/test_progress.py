"""Progress of a long command, as the person who watches reads it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from stream import logging_setup as logs
from stream.cli.progress import shown
from stream.counts import Reached


@pytest.fixture
def configured() -> Iterator[None]:
    before = structlog.get_config()
    logs.configure("json")
    yield
    structlog.configure(**before)


class Terminal(io.StringIO):
    """Standard error of somebody who sits before it."""

    def isatty(self) -> bool:
        return True


def test_a_line_is_logged_now_and_then_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    seconds = 0.0
    with structlog.testing.capture_logs() as lines, shown("redriven", lambda: 100.0 + seconds) as tell:
        for done in (0, 1000, 1500, 2000):
            seconds += 5
            tell(Reached(done, 4000))
    assert [(line["event"], line["count"], line["of"], line["seconds_left"]) for line in lines] == [
        ("records redriven", 1000, 4000, 30),
        ("records redriven", 2000, 4000, 20),
    ]


def test_a_line_of_log_doesnt_run_into_the_bar(configured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    log = structlog.get_logger("of some module")
    log.info("before")
    with shown("replayed") as tell:
        tell(Reached(5, 10, is_held_back=True))
        log.info("meanwhile")
    printed = terminal.getvalue()
    assert "waiting for the live group" in printed
    (line,) = (line for line in printed.splitlines() if "meanwhile" in line)
    assert "waiting" not in line
    assert "━" not in line
