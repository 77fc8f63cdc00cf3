"""TCP proxies that lose answers or are slow with them, as a network can be."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import ChainMap
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import reduce
from typing import Self

COMMIT = b"\x03COMMIT"
"""COM_QUERY and its text."""

UNENCRYPTED = "&ssl_disabled=true"

CONNECT_SECONDS_MAX = 2.0


class LossyProxy:
    """Passes everything on. When told to, it lets a COMMIT reach the server, waits for the server's answer, and then
    cuts the connection instead of passing the answer on: the client cannot know whether it happened."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.commits_lost = 0
        self.onward: dict[tuple[int, int], int] = {}
        """By the client's port and the proxy's the one that the server sees."""
        self._to_lose = 0
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def lose_commits(self, count: int) -> None:
        """Lose the answers to the next commits."""
        with self._lock:
            self._to_lose = count

    def way_to(self, url: str) -> str:
        """A database's URL by way of this proxy, unencrypted, for it has to recognise a COMMIT."""
        host, port = self._target
        assert url.endswith(UNENCRYPTED) or "ssl_disabled" not in url
        return url.replace(f"{host}:{port}", f"127.0.0.1:{self.port}").removesuffix(UNENCRYPTED) + UNENCRYPTED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._sockets):
            _close(connection)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, (_, client_port) = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, CONNECT_SECONDS_MAX)
                server.settimeout(None)
            except OSError:  # the server is down, or cut off
                _close(client)
                continue
            self.onward[client_port, self.port] = server.getsockname()[1]
            self._sockets |= {client, server}
            lost = threading.Event()
            for target in (self._forward, self._back):
                thread = threading.Thread(target=target, args=(client, server, lost), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                # A commit is a packet of its own, sent when the server has answered all before it.
                if data[4:].startswith(COMMIT) and self._is_to_lose():
                    lost.set()
                server.sendall(data)
        _close(client)
        _close(server)

    def _back(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if lost.is_set():
                    break
                self._pass_back(client, data)
        _close(client)
        _close(server)

    def _pass_back(self, client: socket.socket, data: bytes) -> None:
        client.sendall(data)

    def _is_to_lose(self) -> bool:
        with self._lock:
            if self._to_lose == 0:
                return False
            self._to_lose -= 1
            self.commits_lost += 1
            return True


class Proxies(ExitStack):
    """A proxy for each server of a group, as if they were one."""

    def __init__(self, targets: Iterable[tuple[str, int]]) -> None:
        super().__init__()
        self._proxies = [self.enter_context(LossyProxy(port, host)) for host, port in targets]

    @property
    def onward(self) -> Mapping[tuple[int, int], int]:
        return ChainMap(*(proxy.onward for proxy in self._proxies))

    @property
    def commits_lost(self) -> int:
        return sum(proxy.commits_lost for proxy in self._proxies)

    def lose_commits(self, count: int) -> None:
        """Lose the answers to the next commits, whichever server is the primary."""
        for proxy in self._proxies:
            proxy.lose_commits(count)

    def way_to(self, url: str) -> str:
        return reduce(lambda way, proxy: proxy.way_to(way), self._proxies, url)


class SlowProxy(LossyProxy):
    """Passes everything on, and holds the answers back while `is_flowing` is not set."""

    def __init__(self, port: int) -> None:
        self.is_flowing = threading.Event()
        super().__init__(port)

    def __exit__(self, *arguments: object) -> None:
        self.is_flowing.set()
        super().__exit__(*arguments)

    def _pass_back(self, client: socket.socket, data: bytes) -> None:
        self.is_flowing.wait()
        super()._pass_back(client, data)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
