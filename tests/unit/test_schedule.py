"""Files of tests that need a scarce server meet on the workers that may have it, and all files are run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.schedule import NEEDS, WORKERS_MAX, Scheduling, check, needs

WORKERS = 4
FILES = [
    *(f"tests/engine/test_{number}.py" for number in range(9)),
    *(f"tests/{path}" for path in NEEDS if path.endswith(".py")),
    *(f"tests/{folder}/test_{number}.py" for folder in ("sql", "unit", "reports", "local") for number in range(5)),
]
TESTS = [f"{file}::test_{number}[a::b]" for file in FILES for number in range(3)]


class Worker:
    """A worker as xdist's distribution sees it; it runs nothing."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.waiting: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.waiting += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run_all() -> dict[str, str]:
    """Let all workers run all tests in turn; return each test's worker."""
    options = SimpleNamespace(loadscopereorder=True)
    scheduling: Any = Scheduling(SimpleNamespace(getvalue=lambda _tx: [f"{WORKERS}*popen"], option=options))
    workers = [Worker(f"gw{number}") for number in range(WORKERS)]
    for worker in workers:
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, TESTS)
    scheduling.schedule()
    ran: dict[str, str] = {}
    for _ in TESTS:
        for worker in workers:
            # A worker keeps its last test until it knows the next, or that there is none.
            if len(worker.waiting) > (0 if worker.shutting_down else 1):
                index = worker.waiting.pop(0)
                ran[TESTS[index]] = worker.gateway.id
                scheduling.mark_test_complete(worker, index)
    return ran


def workers_with(ran: dict[str, str], need: str) -> set[str]:
    return {worker for test, worker in ran.items() if need in needs(test)}


def test_no_more_workers_have_a_scarce_thing_than_may() -> None:
    ran = run_all()
    assert set(ran) == set(TESTS)
    for need, workers_max in WORKERS_MAX.items():
        assert 1 <= len(workers_with(ran, need)) <= workers_max, need
    assert set(ran.values()) == {f"gw{number}" for number in range(WORKERS)}, "all have something to do"


def test_a_file_runs_on_one_worker() -> None:
    ran = run_all()
    assert len({(test.partition("::")[0], worker) for test, worker in ran.items()}) == len(FILES)


def test_a_use_that_nobody_declared_is_refused() -> None:
    check("tests/engine/test_new.py::test_it", ["kafka_server", "tmp_path"])
    with pytest.raises(pytest.UsageError, match="'kafka'"):
        check("tests/sql/test_new.py::test_it", ["kafka_server"])
    with pytest.raises(pytest.UsageError, match="'registry'"):
        check("tests/engine/test_new.py::test_it", ["kafka_server", "registry_server"])
