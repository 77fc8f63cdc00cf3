"""The seed, the ordeal that follows from it, and what the report says of it at its end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from random import SystemRandom

import pytest

from tests.broker import Broker
from tests.chaos.ordeal import Ordeal
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.proxy import LossyProxy
from tests.report import tell

SEED_VARIABLE = "CHAOS_SEED"


@pytest.fixture
def seed(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> int:
    """Another one for each run, unless the environment says which. A failure shows it, and all that was done."""
    given = os.environ.get(SEED_VARIABLE)
    chosen = int(given) if given else SystemRandom().randrange(1_000_000)
    caplog.set_level(logging.INFO, logger="tests.chaos")
    again = f"{SEED_VARIABLE}={chosen} .venv/bin/python -m pytest -m 'chaos or not chaos' '{request.node.nodeid}'"
    logging.getLogger(__name__).info("seed %d; the same messages and strikes again: %s", chosen, again)
    return chosen


@pytest.fixture
def ordeal(
    broker: Broker, database: Database, stream_settings: dict[str, str], start_consumer: StartConsumer, seed: int
) -> Iterator[Ordeal]:
    with LossyProxy(database.server.port) as proxy:
        ordeal = Ordeal(broker, database, proxy, stream_settings, start_consumer, seed)
        yield ordeal
    if ordeal.expected.tables:  # else the failure says more
        tell(str(ordeal))
