"""The program under test on a thread of the test's own process, wherever nobody has to kill or freeze it."""

from __future__ import annotations

import itertools
import threading
import traceback
from collections.abc import Mapping
from contextlib import closing
from io import StringIO

import structlog

from stream import settings as config
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.cli.main import exit_code
from stream.engine.options import Ending
from stream.engine.service import Service, live_service
from stream.errors import StreamError
from tests.consumers import DEFAULTS, Running

CRASHED = -1
"""The exit code of a service that ended with an error that isn't ours."""


class RunningService(Running):
    """`stream run` on a thread. Its log has the lines of all services of this process since it began."""

    def __init__(self, settings: Mapping[str, str], log: StringIO, *arguments: str) -> None:
        self.name = "service"
        self._settings = config.load({name: text for name, text in {**DEFAULTS, **settings}.items() if text})
        self._log, self._log_begins = log, log.tell()
        self._is_to_stop = threading.Event()
        self._service: Service | None = None
        self._code = CRASHED
        self._thread = threading.Thread(target=self._run, args=arguments, name=self.name, daemon=True)
        self._thread.start()

    def _run(self, *arguments: str) -> None:
        try:
            self._code = self._ended(*arguments)
        except StreamError as error:
            self._log.write(f"stream: {error}\n")
            self._code = exit_code(error)
        except BaseException:  # noqa: BLE001 - whatever it is, the test reads of it in the log
            self._log.write(traceback.format_exc())

    def _ended(self, *arguments: str) -> int:
        """Run to the end and return the exit code of `stream run` with these arguments."""
        topics = [name for option, name in itertools.pairwise(arguments) if option == "--topic"]
        is_until_caught_up = "--until-caught-up" in arguments
        with closing(live_service(self._settings, topics, is_until_caught_up=is_until_caught_up)) as service:
            self._service = service
            if self._is_to_stop.is_set():
                service.stop()
            ending = service.run()
        structlog.get_logger().info("ended", how=ending.value)
        return EXIT_TRY_AGAIN if ending is Ending.UNFINISHED else 0

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float = 60.0) -> int:
        self._thread.join(seconds)
        assert not self.is_running, f"the service does not end:\n{self.log_text()[-4000:]}"
        return self._code

    def terminate(self) -> None:
        self._is_to_stop.set()
        if self._service is not None:
            self._service.stop()

    def log_text(self) -> str:
        return self._log.getvalue()[self._log_begins :]
