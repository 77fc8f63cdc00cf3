"""ARCHITECTURE.md names code and tests that there are, and so does the page of limits."""

from __future__ import annotations

import re

import pytest

from tests.consumers import CHECKOUT

TEXT = (CHECKOUT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`([a-z_]+/[a-z_]+\.py):(\w+)`", TEXT)))
FILES = sorted(set(re.findall(r"`((?:stream|tests|docs)/[\w/.-]+\.\w+)`", TEXT)))
TESTS = {
    name for path in (CHECKOUT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
}


@pytest.mark.parametrize(("file", "function"), PLACES)
def test_the_code_that_it_names_is_there(file: str, function: str) -> None:
    assert re.search(rf"^ *def {function}\(", (CHECKOUT / "stream" / file).read_text(), re.MULTILINE)


def test_the_files_that_it_names_are_there() -> None:
    assert [file for file in FILES if not (CHECKOUT / file).exists()] == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "docs/limits.md"])
def test_the_tests_that_it_names_are_there(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (CHECKOUT / page).read_text(encoding="utf-8")))
    assert named
    assert named - TESTS == set()


def test_what_is_not_obvious_has_a_test() -> None:
    entries = re.split(r"^- ", TEXT.partition("## Not obvious")[2], flags=re.MULTILINE)[1:]
    assert [entry for entry in entries if "`test_" not in entry and "`make " not in entry] == []
