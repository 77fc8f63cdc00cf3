"""The HTTP paths, asked over a socket, by those who behave and by those who don't."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from stream.engine import http_server
from stream.engine.health import Health
from stream.engine.http_server import REQUEST_HEADER_BYTES_MAX, HttpServer
from stream.engine.metrics import Metrics
from stream.errors import ConfigurationError
from tests.waiting import wait_for

PROBLEMS: dict[str, list[str]] = {"stuck": [], "unready": []}
ANSWER_SECONDS_MAX = 1.0


def health() -> Health:
    for problems in PROBLEMS.values():
        problems.clear()
    made = Health(Metrics().registry)
    made.watch(stuck=lambda: PROBLEMS["stuck"], unready=lambda: PROBLEMS["unready"])
    return made


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with closing(HttpServer("127.0.0.1", 0, health())) as serving:
        yield serving


def ask(server: HttpServer, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    """The status and the body, which have to come within a second."""
    with closing(http.client.HTTPConnection(host, server.port, timeout=ANSWER_SECONDS_MAX)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize(("path", "kind"), [("/livez", "stuck"), ("/readyz", "unready")])
def test_each_check_tells_its_own_problems(server: HttpServer, path: str, kind: str) -> None:
    assert ask(server, path) == (200, "ok\n")
    PROBLEMS[kind].append("lane-0 has not moved")
    assert ask(server, path) == (503, "lane-0 has not moved\n")
    other = "/readyz" if path == "/livez" else "/livez"
    assert ask(server, other) == (200, "ok\n")


def test_a_service_that_starts_is_alive_and_says_what_it_does() -> None:
    starting = Health(Metrics().registry)
    starting.starting("asks MySQL")
    with closing(HttpServer("127.0.0.1", 0, starting)) as server:
        assert ask(server, "/livez") == (200, "ok\n")
        assert ask(server, "/readyz") == (503, "starting: asks MySQL\n")


def test_metrics_are_served(server: HttpServer) -> None:
    status, text = ask(server, "/metrics")
    assert status == 200
    assert "stream_build_info" in text


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/nowhere"])
def test_head_is_answered_as_get_without_the_body(server: HttpServer, path: str) -> None:
    assert ask(server, path, "HEAD") == (ask(server, path)[0], "")


def test_what_is_not_there_is_not_found_and_nothing_is_taken(server: HttpServer) -> None:
    assert ask(server, "/")[0] == 404
    assert ask(server, "/livez", "POST")[0] == 405


UNFINISHED = [
    b"",
    b"GET /livez HTT",
    b"GET /livez HTTP/1.1\r\nX: y\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
]


@pytest.mark.parametrize("sent", UNFINISHED, ids=["nothing", "half a line", "half a header", "no body"])
def test_hundreds_who_send_no_whole_request_hold_up_nobody(server: HttpServer, sent: bytes) -> None:
    with ExitStack() as opened:
        for _ in range(300):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(sent)
        for path in ("/livez", "/readyz", "/metrics"):
            assert ask(server, path)[0] == 200
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < ANSWER_SECONDS_MAX
    assert "http" not in {thread.name for thread in threading.enumerate()}


def test_who_stays_silent_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "SILENT_SECONDS_MAX", 0)
    with (
        closing(HttpServer("127.0.0.1", 0, health())) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as client,
    ):
        assert client.recv(1) == b""


def test_beyond_the_most_connections_a_client_waits_for_another_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CONNECTIONS_MAX", 20)
    monkeypatch.setattr(http_server, "SILENT_SECONDS_MAX", 0)
    with closing(HttpServer("127.0.0.1", 0, health())) as server, ExitStack() as opened:
        for _ in range(40):
            opened.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        wait_for(lambda: answers(server), "an answer", 10)


def answers(server: HttpServer) -> bool:
    try:
        return ask(server, "/livez")[0] == 200
    except TimeoutError:
        return False


def test_a_header_that_is_too_large_is_refused(server: HttpServer) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        connection.request("GET", "/livez", headers={"X": "y" * (REQUEST_HEADER_BYTES_MAX + 1)})
        assert connection.getresponse().status == 431


@pytest.mark.parametrize("host", ["::", "::1", "localhost", "0.0.0.0"])
def test_it_listens_where_it_is_told_to(host: str) -> None:
    with closing(HttpServer(host, 0, health())) as server:
        asked_at = {"::": ["::1", "127.0.0.1"], "0.0.0.0": ["127.0.0.1"]}.get(host, [host])
        assert [ask(server, "/livez", host=address) for address in asked_at] == [(200, "ok\n")] * len(asked_at)


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.9", "no such name"])
def test_an_address_where_it_can_not_listen_is_said(server: HttpServer, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"STREAM_HTTP_PORT: can't listen on .*, port \d+ \(\w.*\); choose"):
        HttpServer(host, server.port, health())
