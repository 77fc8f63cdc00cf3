"""Fixtures of all tests on a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stream.mysql import send
from tests.databases import Database
from tests.sql.applying import Applier


@pytest.fixture
def loads_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """New rows are loaded however few they are: the laws' slices are small."""
    monkeypatch.setattr(send, "LOADED_ROWS_MIN", 1)


@pytest.fixture
def applier(database: Database) -> Iterator[Applier]:
    made = Applier(database)
    yield made
    made.close()
