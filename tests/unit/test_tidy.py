"""Rules of style that a linter does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consumers import CHECKOUT

FOLDERS = ("stream", "deploy", "bench", "migrations", "tests")
FILES = sorted(path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py"))
NAMES_WITHOUT_MEANING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
FUNCTION_LINES_MAX = 70


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_has_a_name_without_meaning() -> None:
    found = [path for path in FILES if NAMES_WITHOUT_MEANING & set(path.relative_to(CHECKOUT).with_suffix("").parts)]
    assert not found


def test_functions_fit_on_a_screen() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not found


@pytest.mark.parametrize("path", [path for path in FILES if "stream" in path.relative_to(CHECKOUT).parts[:1]])
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_tests_are_sentences() -> None:
    names = [node.name for path in FILES if path.name.startswith("test_") for node in functions(path)]
    found = [name for name in names if name.startswith("test_") and name.count("_") < 3]
    assert not found


def test_nothing_sleeps_in_tests_but_the_wait_for_a_condition() -> None:
    calls = re.compile(r"\btime\.sleep\(")
    found = [
        path.relative_to(CHECKOUT)
        for path in (CHECKOUT / "tests").rglob("*.py")
        if path.parent.name != "local"
        and path.name not in ("waiting.py", Path(__file__).name)
        and calls.search(path.read_text())
    ]
    assert not found


def test_nothing_prints_a_drivers_own_text() -> None:
    """A driver's message holds values: no error of ours may be made from one."""
    suspicious = re.compile(r"\{(error|exception|exc|err)(\.args\[1\]|\.orig|!r)?\}")
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}"
        for folder in ("mysql", "engine")
        for path in (CHECKOUT / "stream" / folder).glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if suspicious.search(line)
    ]
    assert not found
