"""Consumers whose MySQL is a group of three servers lose its primary again and again, and find the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import networks
from tests.broker import Broker
from tests.chaos import failovers
from tests.chaos.ordeal import Ordeal
from tests.conftest import StartConsumer, settings_for
from tests.databases import Database
from tests.proxy import Proxies
from tests.replicas import MEMBERS, Replicas, replicas
from tests.report import tell

ROUNDS = 2


@pytest.fixture(scope="module")
def replicated(data_folder: Path) -> Iterator[Database]:
    """A database on three servers, with networks of their own where they can be made."""
    with networks.networks(MEMBERS if networks.can_be_made() else 0) as made, replicas(data_folder, made) as group:
        yield Database(group, "stream_test")


@pytest.fixture
def failing(broker: Broker, replicated: Database, start_consumer: StartConsumer, seed: int) -> Iterator[Ordeal]:
    assert isinstance(replicated.server, Replicas)
    with Proxies(replicated.server.addresses()) as proxies:
        ordeal = Ordeal(broker, replicated, proxies, settings_for(broker, replicated), start_consumer, seed)
        yield ordeal
    if ordeal.expected.tables:
        tell(str(ordeal))


@pytest.mark.failover
@pytest.mark.timeout(900)
def test_a_primary_that_is_gone_is_replaced_within_seconds(failing: Ordeal) -> None:
    strikes = [failovers.kill_the_primary, failovers.freeze_the_primary]
    if networks.can_be_made():
        strikes.append(failovers.cut_the_primary_off)
    else:
        tell("no primary was cut off: networks of their own need root and iproute2")
    failing.undergo(strikes * ROUNDS)
    assert max(failing.group.failovers)[0] <= failovers.AT_WORK_SECONDS_MAX, failing.group.failovers
