"""The consumer's configuration: what the promises depend on can't be overridden."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from stream.source import REPORT_SECONDS, ErrorLog, consumer_config

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


def test_an_error_that_comes_again_and_again_is_logged_now_and_then() -> None:
    now = [100.0]
    errors = ErrorLog(lambda: now[0])
    with capture_logs() as lines:
        for _ in range(100):
            errors.note(KafkaError(KafkaError._TRANSPORT))
            errors.note(KafkaError(KafkaError._ALL_BROKERS_DOWN))
            now[0] += REPORT_SECONDS / 40
    assert [line["error"] for line in lines] == ["_TRANSPORT", "_ALL_BROKERS_DOWN"] * 3
