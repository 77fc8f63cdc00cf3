"""The HTTP paths, asked over a socket."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from stream.engine.health import HealthServer
from stream.engine.metrics import Metrics
from stream.errors import ConfigurationError

PROBLEMS: dict[str, list[str]] = {"stuck": [], "unready": []}


@pytest.fixture
def health() -> Iterator[HealthServer]:
    for problems in PROBLEMS.values():
        problems.clear()
    server = HealthServer(
        "127.0.0.1", 0, Metrics().registry, stuck=lambda: PROBLEMS["stuck"], unready=lambda: PROBLEMS["unready"]
    )
    yield server
    server.close()


def get(health: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("path", "kind"), [("/livez", "stuck"), ("/readyz", "unready")])
def test_each_check_tells_its_own_problems(health: HealthServer, path: str, kind: str) -> None:
    assert get(health, path) == (200, "ok\n")
    PROBLEMS[kind].append("lane-0 has not moved")
    assert get(health, path) == (503, "lane-0 has not moved\n")
    other = "/readyz" if path == "/livez" else "/livez"
    assert get(health, other) == (200, "ok\n")


def test_metrics_are_served(health: HealthServer) -> None:
    status, text = get(health, "/metrics")
    assert status == 200
    assert "stream_build_info" in text


def test_other_paths_are_not_found(health: HealthServer) -> None:
    assert get(health, "/")[0] == 404


def test_a_port_that_is_taken_is_said(health: HealthServer) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_HTTP_PORT"):
        HealthServer("127.0.0.1", health.port, Metrics().registry, stuck=list, unready=list)
