"""The service on a thread of somebody else's process: it takes nothing from that process, and leaves nothing there."""

from __future__ import annotations

import gc
import signal
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from stream import settings as config
from stream.engine.options import Ending
from stream.engine.service import live_service
from tests.balance import assert_drained
from tests.broker import Broker
from tests.consumers import DEFAULTS
from tests.databases import Database
from tests.engine.logs import applied, put, synthetic
from tests.waiting import wait_for


def state_of_process() -> dict[str, object]:
    return {
        "signals": [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)],
        "garbage": (gc.get_threshold(), gc.get_freeze_count()),
        "threads": {thread.name for thread in threading.enumerate()},
    }


def test_a_service_runs_on_any_thread_and_leaves_nothing_behind(
    broker: Broker, mysql: Database, stream_settings: dict[str, str]
) -> None:
    put(broker, synthetic(500, seed=6))
    settings = config.load({**DEFAULTS, **stream_settings})
    before = state_of_process()
    with ThreadPoolExecutor(1) as threads, closing(live_service(settings, [], is_until_caught_up=False)) as service:
        running = threads.submit(service.run)
        wait_for(lambda: applied(mysql) == 500, "all records")
        with urllib.request.urlopen(f"http://127.0.0.1:{service.http_port}/livez", timeout=5) as answer:
            assert answer.read() == b"ok\n"
        service.stop()
        assert running.result(30) is Ending.DRAINED
    wait_for(lambda: state_of_process() == before, "the process to be as before", 5)
    assert_drained(mysql, broker.records(), settings.group_id)
