"""Services on threads of this process, for all tests that neither kill nor freeze one."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from io import StringIO

import pytest

from stream.engine import poller, survey
from stream.engine import service as service_module
from stream.operate.check import require_fit_database
from tests.commands import SERVICE_LOG, configure_log_by_thread, log_left_as_it_was
from tests.conftest import HAS_FAILED
from tests.services import RunningService
from tests.waiting import wait_for

StartService = Callable[..., RunningService]

SERVER_NAMES = cache(require_fit_database)
"""By the URL of a database that was found fit."""


@pytest.fixture(scope="session", autouse=True)
def calm_garbage_collector() -> None:
    """As in a process of its own: else each batch's thousands of rows have pytest's whole heap walked."""
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture
def fit_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a database's tables until they were found fit: the comparison takes half of what a start does."""
    monkeypatch.setattr(service_module, "require_fit_database", SERVER_NAMES)


@pytest.fixture
def short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stop wait 3 s for what is in flight, and not 20 s."""
    monkeypatch.setattr(poller, "DRAIN_SECONDS_MAX", 3.0)


@pytest.fixture
def start_service(
    request: pytest.FixtureRequest, stream_settings: dict[str, str], fit_once: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartService]:
    """Start `stream run` on a thread: arguments as on the command line, keywords are settings (lanes=1)."""
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 1.0)
    threads = set(threading.enumerate())
    started: list[RunningService] = []
    log = StringIO()

    def start(*arguments: str, **changes: object) -> RunningService:
        changed = {f"STREAM_{name.upper()}": str(value) for name, value in changes.items()}
        started.append(RunningService({**stream_settings, **changed}, log, *arguments))
        return started[-1]

    with log_left_as_it_was():
        SERVICE_LOG.append(log)
        configure_log_by_thread("json")
        yield start
        has_failed = request.node.stash.get(HAS_FAILED, False)
        for service in started:
            if has_failed:
                sys.stdout.write(service.condition())
            service.terminate()
        for service in started:
            service.wait()
        wait_for(lambda: set(threading.enumerate()) <= threads, "the services' threads to end")
        SERVICE_LOG.remove(log)
