"""A small HTTP server for a WSGI application: many connections at once, each with a limit.

waitress reads all connections in one thread, and only a whole request takes another: neither a silent client nor a slow
one holds up the others.
"""

import logging
import socket
import threading
from typing import Any

import waitress
from waitress.wasyncore import close_all

from stream.errors import ConfigurationError

CONNECTIONS_MAX = 512
"""Connections at once; the next ones wait until some end. Half of the files that a process may usually have open."""

SILENT_SECONDS_MAX = 5
"""The longest silence of a client before it is cut off: scrapes and probes take milliseconds."""

LOOK_SECONDS = 1
"""The period in which silent clients are looked for."""

REQUEST_HEADER_BYTES_MAX = 16 * 1024
"""More is answered with 431."""

THREADS = 4
"""Answers under way at once; each takes milliseconds."""

logging.getLogger("waitress").disabled = True  # of no use to an operator, and its tracebacks are not our log's
logging.getLogger("waitress.queue").disabled = True


class HttpServer:
    """Serves an application until it is closed. Raises ConfigurationError where it can't listen there."""

    def __init__(self, host: str, port: int, application: Any, *, body_bytes_max: int = 0) -> None:
        listener = _listener(host, port)
        self.port: int = listener.getsockname()[1]
        self._sockets: dict[int, Any] = {}
        self._server = waitress.create_server(
            application,
            map=self._sockets,
            sockets=[listener],
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=SILENT_SECONDS_MAX,
            cleanup_interval=LOOK_SECONDS,
            max_request_header_size=REQUEST_HEADER_BYTES_MAX,
            max_request_body_size=body_bytes_max + 1,  # waitress refuses from there on
            asyncore_use_poll=True,  # select() fails beyond 1024 open files
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cut all connections off. To do it again changes nothing."""
        if not self._thread.is_alive():
            return
        self._server.task_dispatcher.shutdown(timeout=LOOK_SECONDS)
        self._server.trigger.pull_trigger(
            lambda: close_all(self._sockets, ignore_all=True)
        )  # in the thread they are in
        self._thread.join(LOOK_SECONDS)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # `::` is every address of the machine, IPv4 included, as elsewhere.
        return socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
    except OSError as error:
        raise ConfigurationError(
            f"STREAM_HTTP_HOST, STREAM_HTTP_PORT: can't listen on {host}, port {port} ({error.strerror}); choose an "
            "address of this machine, and another port, or 0 for any free one"
        ) from None
