"""The stack of `make stack`, left running in the background: Kafka, a database, and a schema registry if asked."""

import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.database import Database
from deploy.local.fallback import choose_database
from deploy.local.kafka import Kafka
from deploy.local.mariadb import MariaDB
from deploy.local.mysql import MySQL
from deploy.local.parts import CHECKOUT, locked, say
from deploy.local.registry import Registry
from deploy.local.server import Server

STACK = CHECKOUT / ".local" / "stack"
DATABASE = "stream"


def start_stack(folder: Path = STACK, flavour: str = "", *, with_registry: bool = False) -> dict[str, str]:
    """Start what is not running yet and return the settings that lead to it, by name.

    `flavour` is `mysql` or `mariadb`; without it the running database, else MySQL, else MariaDB. A schema registry
    that runs already counts as asked for.

    Raises UnavailableError, ServerError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"), ThreadPoolExecutor() as pool:
        wanted: list[Server] = [_kafka(folder)]
        if with_registry or _registry(folder).is_running():
            wanted.append(_registry(folder))
        starting = [pool.submit(_ensure, server) for server in wanted]
        database = _database(folder, flavour)
        _ensure(database)
        for start in starting:
            start.result()
        settings = {
            "STREAM_DATABASE_URL": database.create_database(DATABASE),
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": _kafka(folder).bootstrap_servers,
            "STREAM_HASH_KEY": hash_key(folder),
        }
        if len(wanted) > 1:
            settings["STREAM_SCHEMA_REGISTRY_URL"] = _registry(folder).url
        return settings


def stop_stack(folder: Path = STACK) -> None:
    """Stop what `start_stack` started. Harmless if nothing runs. Raises ServerError."""
    if not folder.exists():
        return
    with locked(folder / "lock"):
        for server in (_kafka(folder), _registry(folder), *_databases(folder)):
            if server.is_running():
                server.stop()
                say(f"{server.name} stopped")


def export_lines(settings: dict[str, str]) -> str:
    """Return the settings as lines for a shell to evaluate."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def hash_key(folder: Path) -> str:
    """The key of hashes that belongs to the data of this folder; made at the first call.

    With another key the same participants would get other hashes.
    """
    file = folder / "hash.key"
    file.touch(mode=0o600)
    if not file.stat().st_size:
        file.write_text(secrets.token_hex(32), encoding="ascii")
    return file.read_text(encoding="ascii")


def _kafka(folder: Path) -> Kafka:
    return Kafka(folder / "kafka", {}, background=True)


def _registry(folder: Path) -> Registry:
    return Registry(folder / "registry", background=True)


def _databases(folder: Path) -> list[Database]:
    return [MySQL(folder / "mysql", background=True), MariaDB(folder / "mariadb", background=True)]


def _database(folder: Path, flavour: str) -> Database:
    for database in _databases(folder):
        if database.flavour == flavour or (not flavour and database.is_running()):
            return database
    return choose_database(folder, background=True)


def _ensure(server: Server) -> None:
    if not server.is_running():
        server.start()
    say(f"{server.name} {server.version} on port {server.port} (process {server.pid}, log {server.log})")
