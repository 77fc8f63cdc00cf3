"""Fixtures of all tests on a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import Database
from tests.sql.applying import Applier


@pytest.fixture
def applier(database: Database) -> Iterator[Applier]:
    made = Applier(database)
    yield made
    made.close()
