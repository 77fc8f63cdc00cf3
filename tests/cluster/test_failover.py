"""Consumers whose MySQL is a group of three servers lose its primary again and again, and find the next."""

from __future__ import annotations

import pytest

from tests.chaos import failovers
from tests.chaos.ordeal import Ordeal
from tests.cluster import networks
from tests.report import tell

ROUNDS = 2


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_a_primary_that_is_gone_is_replaced_within_seconds(failing: Ordeal) -> None:
    strikes = [failovers.kill_the_primary, failovers.freeze_the_primary]
    if networks.can_be_made():
        strikes.append(failovers.cut_the_primary_off)
    else:
        tell("no primary was cut off: networks of their own need root and iproute2")
    failing.undergo(strikes * ROUNDS)
    assert max(failing.group.failovers)[0] <= failovers.AT_WORK_SECONDS_MAX, failing.group.failovers
