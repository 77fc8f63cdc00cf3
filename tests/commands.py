"""The commands, run in the test's own process: a process of its own takes a second of CPU to begin."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

import structlog

from stream import logging_setup
from stream.cli.main import run
from tests.consumers import CHECKOUT, environment

configure_log = logging_setup.configure

SERVICE_LOG: list[StringIO] = []
"""Takes the lines of services that run on threads of this process; empty while there are none."""


def run_command(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command, output, errors = ["stream", *arguments], StringIO(), StringIO()
    with _process_of(command, settings), redirect_stdout(output), redirect_stderr(errors):
        code = run()
    assert code is None or isinstance(code, int), code
    return subprocess.CompletedProcess(command, code or 0, output.getvalue(), errors.getvalue())


@contextmanager
def _process_of(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[None]:
    """Give a command the process to itself, and leave the process as it was."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    garbage = gc.get_threshold()
    try:
        with (
            patch.dict(os.environ, environment(settings), clear=True),
            patch.object(sys, "argv", list(command)),
            patch.object(logging_setup, "configure", configure_log_by_thread),
            chdir(CHECKOUT),
            log_left_as_it_was(),
        ):
            yield
    finally:
        gc.set_threshold(*garbage)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def log_left_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**before)


def configure_log_by_thread(log_format: str) -> None:
    """Configure the log as a process does, but leave a running service its own."""
    configure_log(log_format)
    structlog.configure(logger_factory=_logger)


def _logger(*_: object) -> structlog.PrintLogger:
    is_commands = not SERVICE_LOG or threading.current_thread() is threading.main_thread()
    return structlog.PrintLogger(sys.stderr if is_commands else SERVICE_LOG[-1])
