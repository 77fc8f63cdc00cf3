"""The consumer's configuration: what the promises depend on can't be overridden."""

from __future__ import annotations

import pytest

from stream.source import consumer_config

OURS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "group.id": "g",
}


@pytest.mark.parametrize("name", sorted(OURS))
def test_what_the_promises_depend_on_cannot_be_overridden(name: str) -> None:
    assert consumer_config({name: "other"}, "g")[name] == OURS[name]


def test_the_session_can_be_set_and_has_a_default() -> None:
    assert consumer_config({}, "g")["session.timeout.ms"] == 6000
    assert consumer_config({"session.timeout.ms": "9000"}, "g")["session.timeout.ms"] == "9000"


def test_the_consumer_protocol_gets_nothing_that_it_refuses() -> None:
    config = consumer_config({"group.protocol": "consumer"}, "g")
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & set(config)


def test_what_is_fetched_ahead_is_bounded() -> None:
    assert consumer_config({}, "g")["queued.max.messages.kbytes"] <= 64 * 1024
