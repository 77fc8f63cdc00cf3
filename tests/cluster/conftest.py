"""Three MySQL servers and three Kafka brokers, in the place of one each, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import GROUP_OVERRIDES, Broker
from tests.chaos.ordeal import Ordeal
from tests.cluster import networks
from tests.cluster.kafka import kafka_cluster
from tests.cluster.replicas import MEMBERS, Replicas, replicas
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.proxy import Proxies
from tests.report import tell


@pytest.fixture(scope="session")
def session_broker(data_folder: Path) -> Iterator[Broker]:
    """Three brokers, in the place of the one that other folders have."""
    with kafka_cluster(data_folder / "cluster", **GROUP_OVERRIDES) as cluster:
        yield Broker(cluster)


@pytest.fixture(scope="module")
def replicated(data_folder: Path) -> Iterator[Database]:
    """A database on three servers, with networks of their own where they can be made."""
    with networks.networks(MEMBERS if networks.can_be_made() else 0) as made, replicas(data_folder, made) as group:
        yield Database(group, "stream_test")


@pytest.fixture
def failing(
    broker: Broker, replicated: Database, stream_settings: dict[str, str], start_consumer: StartConsumer, seed: int
) -> Iterator[Ordeal]:
    assert isinstance(replicated.server, Replicas)
    with Proxies(replicated.server.addresses()) as proxies:
        ordeal = Ordeal(broker, replicated, proxies, stream_settings, start_consumer, seed)
        yield ordeal
    if ordeal.expected.tables:
        tell(str(ordeal))
