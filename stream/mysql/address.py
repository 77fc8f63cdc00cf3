"""The database's address: STREAM_DATABASE_URL as arguments of the driver. Every connection is opened by these."""

import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pymysql import converters
from pymysql.constants import FIELD_TYPE
from sqlalchemy import URL, exc, make_url

from stream.errors import ConfigurationError

CONVERSIONS = {**converters.conversions, FIELD_TYPE.DATETIME: datetime.fromisoformat}
"""Between the server's values and ours. The driver's own way to read a moment takes twenty times as long: a quarter of
what a report on 50,000 users took."""

TLS_FILES = ("ssl_ca", "ssl_cert", "ssl_key")
TLS_CHECKS = ("ssl_verify_cert", "ssl_verify_identity")
NO_TLS = "ssl_disabled"
OTHERS = (NO_TLS, "charset", "unix_socket", "init_command")

YES, NO = ("true", "1", "yes"), ("false", "0", "no")


def connect_arguments(address: str) -> dict[str, Any]:
    """The driver's arguments for a URL. Raises ConfigurationError for what is none; no message has a part of it."""
    url = _parsed(address)
    options = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if not options.keys() <= {*TLS_FILES, *TLS_CHECKS, *OTHERS}:
        raise ConfigurationError(
            "STREAM_DATABASE_URL has an option that nobody knows; behind the question mark may stand "
            f"{', '.join((*TLS_FILES, *TLS_CHECKS, NO_TLS))}: without them connections are encrypted where the server "
            "can, and nobody's certificate is verified"
        )
    return {
        "host": url.host,
        "port": url.port or 0,
        "user": url.username,
        # The driver would take Latin-1, and the server compares bytes of UTF-8.
        "password": (url.password or "").encode(),
        "database": url.database,
        "unix_socket": options.get("unix_socket"),
        "init_command": options.get("init_command"),
        "ssl": _tls(options),
        "ssl_disabled": _is_yes(NO_TLS, options.get(NO_TLS, "false")),
        "charset": "utf8mb4",
        "autocommit": False,
        "conv": CONVERSIONS,
    }


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
    except (exc.ArgumentError, ValueError, TypeError):
        url = None
    if url is None or url.get_backend_name() not in ("mysql", "mariadb"):
        raise ConfigurationError(
            "STREAM_DATABASE_URL is not a URL like mysql+pymysql://user:password@host:port/database"
        )
    return url


def _tls(options: Mapping[str, str]) -> dict[str, Any] | None:
    """The driver's `ssl`; None where no option speaks of it. A certificate authority that is named is one to verify by,
    the server's name included, unless an option says otherwise."""
    files = {name.removeprefix("ssl_"): _readable(name, options[name]) for name in TLS_FILES if name in options}
    checks = {name: _is_yes(name, options[name]) for name in TLS_CHECKS if name in options}
    if not files and not any(checks.values()):
        return None
    verifies_identity = checks.get("ssl_verify_identity", "ca" in files and "ssl_verify_cert" not in checks)
    verifies = verifies_identity or checks.get("ssl_verify_cert", False)
    if verifies:
        files.setdefault("ca", ssl.get_default_verify_paths().cafile or "")
    return {**files, "verify_mode": verifies, "check_hostname": verifies_identity}


def _readable(name: str, file: str) -> str:
    try:
        with Path(file).open("rb"):
            return file
    except OSError as error:
        raise ConfigurationError(f"STREAM_DATABASE_URL, {name}: the file can't be read ({error.strerror})") from None


def _is_yes(name: str, written: str) -> bool:
    if written.lower() not in (*YES, *NO):
        raise ConfigurationError(f"STREAM_DATABASE_URL, {name}: it is true or false")
    return written.lower() in YES
