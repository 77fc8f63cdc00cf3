"""The servers of a test run: a folder for their data, and a MySQL and a MariaDB that all workers share.

The process that distributes the tests starts the two, so that they end with it: after its last worker, on Ctrl-C, and
when it is killed. A run without workers starts each when a test asks for it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from deploy.local import Database, LocalError, start_database, start_mariadb
from deploy.local.fallback import choose_database
from deploy.local.mariadb import MariaDB
from deploy.local.parts import CHECKOUT
from tests import report
from tests.schedule import WORKERS_MAX

DATA = CHECKOUT / ".local" / "tests"
START: dict[str, Callable[[Path], Database]] = {"mysql": start_database, "mariadb": start_mariadb}
FIND: dict[str, Callable[[Path], Database]] = {"mysql": choose_database, "mariadb": MariaDB}
SHARED = "shared databases"
"""The worker's input that says where they are."""

_SERVERS = pytest.StashKey[ExitStack]()


@contextmanager
def data_folder() -> Iterator[Path]:
    """A folder for the servers of this process; what dead runs left is removed."""
    DATA.mkdir(parents=True, exist_ok=True)
    for left in DATA.iterdir():
        if not (left.name.isdecimal() and Path(f"/proc/{left.name}").exists()):
            shutil.rmtree(left, ignore_errors=True)
    folder = DATA / str(os.getpid())
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def start_shared(config: pytest.Config) -> None:
    """Start both databases, for workers that are about to be started."""
    stack = config.stash[_SERVERS] = ExitStack()
    folder = stack.enter_context(data_folder())
    # Where one can't be had, the tests that need it say so: each worker then tries for itself.
    with suppress(LocalError), ThreadPoolExecutor() as pool:
        for server in pool.map(lambda name: START[name](folder / name), START):
            stack.enter_context(server)


def tell_worker(worker_input: dict[str, object]) -> None:
    """Let a worker know where the shared databases are."""
    worker_input[SHARED] = str(DATA / str(os.getpid()))


def stop_shared(config: pytest.Config) -> None:
    """Stop both databases, if this process started them."""
    config.stash.get(_SERVERS, ExitStack()).close()


@contextmanager
def shared(config: pytest.Config, name: str, folder: Path) -> Iterator[Database]:
    """Find the database that all workers share, or start another one in the folder where there is none."""
    given = getattr(config, "workerinput", {}).get(SHARED)
    server = FIND[name](Path(given) / name) if given else None
    if server and server.is_running():
        yield _told(server, name)
    else:
        with own(name, folder) as server:
            yield server


def claim(config: pytest.Config, need: str) -> None:
    """Fail where more workers than may have a scarce thing: then the distribution by needs does not work."""
    if SHARED not in getattr(config, "workerinput", {}):
        return
    claims = Path(config.workerinput[SHARED]) / "claims" / need  # type: ignore[attr-defined]
    claims.mkdir(parents=True, exist_ok=True)
    (claims / str(os.getpid())).touch()
    holders = [each.name for each in claims.iterdir() if Path(f"/proc/{each.name}").exists()]
    assert len(holders) <= WORKERS_MAX[need], f"{len(holders)} workers have {need!r}: see tests/schedule.py"


@contextmanager
def own(name: str, folder: Path) -> Iterator[Database]:
    """Start a database in the folder, for this process alone."""
    with START[name](folder / name) as server:
        yield _told(server, name)


def _told(server: Database, name: str) -> Database:
    instead = "" if server.flavour == name else " IN THE PLACE OF MySQL, which can't be had here"
    report.tell(f"tested on {name}: {server.name} {server.version}{instead}")
    return server


def worker_of(config: pytest.Config) -> str:
    """Return the name of this worker; "" where this process is none."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


def database_name(name: str, config: pytest.Config) -> str:
    """Return a name that no other worker gives to a database of the same server."""
    worker = worker_of(config)
    return f"{name}_{worker}" if worker else name
