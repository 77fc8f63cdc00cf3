"""The service on a thread of somebody else's process: it takes nothing from that process, and leaves nothing there."""

from __future__ import annotations

import gc
import signal
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from stream import settings as config
from stream.engine.options import Ending
from stream.engine.service import Service, live_service
from stream.errors import TerminalError
from tests.balance import assert_drained
from tests.broker import Broker
from tests.consumers import DEFAULTS
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied, put, synthetic
from tests.waiting import wait_for

WORKERS = {
    "eraser": "stream.mysql.erasure.unswept",
    "restorer": "stream.mysql.returns.due",
    "refresher": "stream.mysql.rollups.prepare",
    "housekeeper": "stream.mysql.dead_letters.expire_some",
    "inspector": "stream.quality.inspect.remembered",
    "surveyor": "stream.engine.survey.Survey",
}
"""Each with what it calls in its first step."""


def livez(service: Service) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{service.http_port}/livez", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


def test_a_service_runs_on_any_thread_and_leaves_nothing_behind(
    broker: Broker, mysql: Database, stream_settings: dict[str, str]
) -> None:
    put(broker, synthetic(500, seed=6))
    settings = config.load({**DEFAULTS, **stream_settings})
    handlers_before, threads_before = handlers(), set(threading.enumerate())
    garbage_before, frozen_before = gc.get_threshold(), gc.get_freeze_count()
    with ThreadPoolExecutor(1) as threads, closing(live_service(settings, [], is_until_caught_up=False)) as service:
        running = threads.submit(service.run)
        wait_for(lambda: applied(mysql) == 500, "all records")
        assert livez(service) == "ok\n"
        service.stop()
        assert running.result(30) is Ending.DRAINED
    assert (handlers(), gc.get_threshold()) == (handlers_before, garbage_before)
    assert gc.get_freeze_count() <= frozen_before  # what was frozen is freed when nothing refers to it any more
    wait_for(lambda: not set(threading.enumerate()) - threads_before, "the end of all threads", 5)
    assert_drained(mysql, broker.records(), settings.group_id)


def test_all_workers_are_watched(stream_settings: dict[str, str]) -> None:
    settings = config.load({**DEFAULTS, **stream_settings})
    with closing(live_service(settings, [], is_until_caught_up=False)) as service:
        workers = service.workers.all
        assert workers.keys() == WORKERS.keys()
        assert livez(service) == "ok\n"
        for name, worker in workers.items():
            worker.waiting.moved_at, before = -1e9, worker.waiting.moved_at
            assert livez(service) == f"{name} has not moved\n"
            worker.waiting.moved_at = before


def fail(*_arguments: object) -> None:
    raise ZeroDivisionError("a value")


def test_a_worker_that_fails_is_told_and_the_lanes_go_on(
    broker: Broker, mysql: Database, start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for called in WORKERS.values():
        monkeypatch.setattr(called, fail)
    service = start_service(quality_minutes=60)
    for name in WORKERS:
        wait_for(lambda: f"{name}: fails (ZeroDivisionError in " in service.get("/readyz")[1], f"{name} to be told")  # noqa: B023
        assert service.metric("stream_worker_failures_total", worker=name) >= 1
    put(broker, synthetic(200, seed=6))
    wait_for(lambda: applied(mysql) == 200, "all records")
    assert service.get("/livez") == (200, "ok\n")
    assert "a value" not in service.log_text()


def test_a_worker_that_fails_ends_a_run_that_could_never_catch_up(
    stream_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WORKERS["refresher"], fail)
    settings = config.load({**DEFAULTS, **stream_settings})
    with closing(live_service(settings, [], is_until_caught_up=True)) as service:
        leash = threading.Timer(20, service.stop)
        leash.start()
        with pytest.raises(TerminalError, match=r"refresher \(ZeroDivisionError in test_service.py:\d+ fail\)"):
            service.run()
        leash.cancel()
