"""A schema registry that refuses us: its certificate, and a password that is renewed."""

from __future__ import annotations

import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from stream import settings as config
from stream.errors import RegistryUnavailable, Trouble
from stream.schemas.registry import Registry
from tests.certificates import write_certificates

RIGHT = b64encode(b"me:right").decode()
SCHEMA = b'{"schema": "\\"string\\"", "id": 1}'


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_right = self.headers.get("Authorization") == f"Basic {RIGHT}"
        self.send_response(200 if is_right else 401)
        self.end_headers()
        self.wfile.write(SCHEMA if is_right else b"{}")

    def log_message(self, *_: object) -> None:
        """A test prints nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def refusal(registry: Registry) -> Trouble:
    with pytest.raises(RegistryUnavailable) as refused:
        registry.schema(1)
    return refused.value.reason


def test_a_password_that_is_renewed_in_its_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with serving() as port:
        file.write_text(f"http://me:wrong@127.0.0.1:{port}")
        settings = config.load({"STREAM_SCHEMA_REGISTRY_URL_FILE": str(file)})
        with Registry(settings.required_registry_url) as registry:
            assert refusal(registry) is Trouble.REGISTRY_ACCESS_DENIED
            file.write_text(f"http://me:right@127.0.0.1:{port}\n")
            assert refusal(registry) is Trouble.REGISTRY_ACCESS_DENIED, "the question that was refused"
            assert registry.schema(1) == '"string"'


def test_a_certificate_that_nobody_vouches_for_has_a_reason(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serving(context) as port, Registry(f"https://127.0.0.1:{port}") as registry:
        assert refusal(registry) is Trouble.REGISTRY_TLS
