"""The answers of consumers to whoever asks, listened to all the time: none of them may be personal."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException

from tests.chaos.lookout import Lookout
from tests.chaos.traces import traces
from tests.consumers import Consumer

PATHS = ("/metrics", "/readyz", "/livez")
EVERY_SECONDS = 0.5
ANSWER_SECONDS_MAX = 1.0
"""A frozen process answers nothing."""

PORT = re.compile(r'"http_port": ?(\d+)')


class Overheard(Lookout):
    """Asks the members from the beginning of its `with` block to its end."""

    def __init__(self, members: Callable[[], Sequence[Consumer]]) -> None:
        super().__init__("overheard", EVERY_SECONDS)
        self.answers = 0
        self.traces: list[str] = []
        self._members = members
        self._ports: dict[int, str] = {}

    def look(self) -> None:
        for member in self._members():
            for path in PATHS:
                with suppress(OSError, HTTPException):  # it was killed, or is frozen
                    self._take(member, path)

    def _take(self, member: Consumer, path: str) -> None:
        port = self._port_of(member)
        if port:
            text = _answer(f"http://127.0.0.1:{port}{path}")
            self.answers += 1
            self.traces += [f"{path}: …{trace}…" for trace in traces(text)]

    def _port_of(self, member: Consumer) -> str:
        if member.pid not in self._ports and (port := PORT.search(member.log_text())):
            self._ports[member.pid] = port[1]
        return self._ports.get(member.pid, "")


def _answer(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS_MAX) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:  # /readyz says what is wrong with a 503
        with error:
            return error.read().decode()
