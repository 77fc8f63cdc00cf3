"""The distribution of test files over workers: files that need a scarce server meet on the few workers that have it.

xdist's own groups are marks that it writes into the names of tests; pytest 9.2 ignores them there. So the groups are
paths here, which the process that distributes knows without collecting.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

OWN_DATABASE = "database of its own"
WORKERS_MAX = {
    # Topics have the catalog's names, so two workers can't share a broker. Its tests wait more than they compute: with
    # two workers for them, the last two minutes would be half idle.
    "kafka": 3,
    "registry": 1,
    # A MySQL and a MariaDB beside those that all workers share, for tests that stop them or change global variables.
    OWN_DATABASE: 2,
    # Databases with rows that are made up once.
    "reports": 1,
    # Tests of the servers themselves share folders.
    "local": 1,
}
"""The workers that may have each scarce thing."""

NEEDS = {
    "engine/": {"kafka"},
    "chaos/": {"kafka", OWN_DATABASE},
    "cluster/": {"kafka", "registry", OWN_DATABASE},
    "engine/test_commands.py": {"kafka", OWN_DATABASE},
    "engine/test_database_faults.py": {"kafka", OWN_DATABASE},
    "engine/test_outages.py": {"kafka", OWN_DATABASE},
    "engine/test_unfit_database.py": {"kafka", OWN_DATABASE},
    "engine/test_help_examples.py": {"kafka", "registry"},
    "engine/test_schema_registry.py": {"kafka", "registry"},
    "local/": {"local"},
    "produce/test_publish.py": {"kafka"},
    "reports/": {"reports"},
    "sql/test_read_only.py": {"kafka", OWN_DATABASE},
    "test_registry.py": {"kafka", "registry"},
}
"""The needs of a file of tests/, or of all files of a folder.

Who needs a scarcer thing says "kafka" as well, used or not: else a file with both needs might find one here and the
other there.
"""

FIXTURES = {"kafka_server": "kafka", "registry_server": "registry", "filled_databases": "reports"}
"""The fixtures that start or fill a scarce thing."""

FIRST = ("chaos", "engine", "reports", "local", "sql", "alerts")
"""Folders with long files come first, so that no worker is left alone with one at the end."""

TESTS = "tests/"


def needs(nodeid: str) -> frozenset[str]:
    """Return what a test needs, by its name or its file's."""
    path = _path(nodeid)
    return frozenset(NEEDS.get(path) or NEEDS.get(f"{folder_of(nodeid)}/") or ())


def folder_of(nodeid: str) -> str:
    """Return the folder of tests/ that a test is in; "" for the files of tests/ itself."""
    return _path(nodeid).rpartition("/")[0].partition("/")[0]


def _path(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix(TESTS)


def check(nodeid: str, fixtures: Iterable[str]) -> None:
    """Raise UsageError where a test uses a scarce thing that its file is not said to need."""
    for need in {FIXTURES[name] for name in fixtures if name in FIXTURES} - needs(nodeid):
        raise pytest.UsageError(f"{nodeid} uses {need!r}: say so of its file in tests/schedule.py")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """xdist's distribution by scope, where a scope is a file and waits for a worker that may have what it needs."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        fitting = [file for file in self.workqueue if self._may_run(node, file)]
        if fitting:
            self.workqueue.move_to_end(min(fitting, key=_rank), last=False)
            super()._assign_work_unit(node)
        else:
            node.shutdown()

    def _may_run(self, node: WorkerController, file: str) -> bool:
        return all(node in holders or len(holders) < WORKERS_MAX[need] for need, holders in self._holders(file))

    def _holders(self, file: str) -> list[tuple[str, list[WorkerController]]]:
        """Return the needs of a file, each with the workers that already have had it."""
        return [
            (need, [node for node, files in self.assigned_work.items() if any(need in needs(each) for each in files)])
            for need in needs(file)
        ]


def _rank(file: str) -> tuple[int, int]:
    """Scarce things first, then the folders in their order."""
    folder = folder_of(file)
    return -len(needs(file)), FIRST.index(folder) if folder in FIRST else len(FIRST)
