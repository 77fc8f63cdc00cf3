"""The edge to whoever watches: /metrics for Prometheus, /livez and /readyz for an orchestrator.

/livez fails when a thread is stuck (waiting for MySQL or for work is moving): the poller, a lane or a worker. A restart
is the cure.
/readyz fails while partitions wait, and says why; it names partitions, codes and reasons only.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from stream.errors import ConfigurationError

Problems = Callable[[], Sequence[str]]


class _Server(WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """A line for every scrape would bury the others."""


class HealthServer:
    """Serves the three paths until it is closed. Raises ConfigurationError where the port is taken."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, *, stuck: Problems, unready: Problems
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._checks = {"/livez": stuck, "/readyz": unready}
        try:
            self._server = make_server(host, port, self._answer, _Server, _QuietHandler)
        except OSError as error:
            raise ConfigurationError(
                f"STREAM_HTTP_PORT: can't listen on {host}:{port} ({error.strerror}); "
                "choose another port, or 0 for any free one"
            ) from None
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start_response)
            return metrics
        if path not in self._checks:
            return _text(start_response, HTTPStatus.NOT_FOUND, ["/metrics, /livez and /readyz are here"])
        problems = self._checks[path]()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return _text(start_response, status, problems or ["ok"])


def _text(start_response: Any, status: HTTPStatus, lines: Sequence[str]) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(f"{line}\n" for line in lines).encode()]
