"""The ordeal that follows from a seed, and what the report says of it at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker import Broker
from tests.chaos.ordeal import Ordeal
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.proxy import LossyProxy
from tests.report import tell


@pytest.fixture
def ordeal(
    broker: Broker, database: Database, stream_settings: dict[str, str], start_consumer: StartConsumer, seed: int
) -> Iterator[Ordeal]:
    with LossyProxy(database.server.port) as proxy:
        ordeal = Ordeal(broker, database, proxy, stream_settings, start_consumer, seed)
        yield ordeal
    if ordeal.expected.tables:  # else the failure says more
        tell(str(ordeal))
