"""The edge to whoever watches: /metrics for Prometheus, /livez and /readyz for an orchestrator.

/livez fails when a thread is stuck (waiting for MySQL or for work is moving): the poller, a lane or a worker. A restart
is the cure.
/readyz fails while something waits or fails, and says why; it names partitions, codes and reasons only.
"""

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app

Problems = Callable[[], Sequence[str]]


class Health:
    """The application behind the three paths. The service's thread says what it looks at; the server's threads ask."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics = make_wsgi_app(registry)
        self._checks: dict[str, Problems] = {}
        self.starting("reads its settings")

    def starting(self, step: str) -> None:
        """Be alive, and not ready, for a step of the start."""
        self._checks = {"/livez": list, "/readyz": lambda: [f"starting: {step}"]}

    def watch(self, *, stuck: Problems, unready: Problems) -> None:
        """From now on tell these problems."""
        self._checks = {"/livez": stuck, "/readyz": unready}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method not in ("GET", "HEAD"):
            return _text(start_response, HTTPStatus.METHOD_NOT_ALLOWED, ["GET and HEAD are answered"])
        if method == "HEAD":  # as GET, without the body
            self({**environ, "REQUEST_METHOD": "GET"}, start_response)
            return []
        if path == "/metrics":
            return self._told(environ, start_response)
        if path not in self._checks:
            return _text(start_response, HTTPStatus.NOT_FOUND, ["/metrics, /livez and /readyz are here"])
        problems = self._checks[path]()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return _text(start_response, status, problems or ["ok"])

    def _told(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self._metrics(environ, lambda *head: heads.append(head)))
        status, headers = heads[0]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]


def _text(start_response: Any, status: HTTPStatus, lines: Sequence[str]) -> Iterable[bytes]:
    body = "".join(f"{line}\n" for line in lines).encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
