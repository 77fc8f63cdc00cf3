"""The consumer's configuration: what the promises depend on can't be overridden."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, TopicPartition
from structlog.testing import capture_logs

from stream.kafka.client import REPORT_SECONDS, ErrorLog, consumer_config
from stream.kafka.ranges import RangeSource
from stream.kafka.source import CUT_OFF_SECONDS, Source
from stream.records import Range

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


def test_a_process_with_a_name_has_time_for_a_restart() -> None:
    named = {"group.instance.id": "stream-0"}
    assert consumer_config(named, "g")["session.timeout.ms"] == 30_000
    assert consumer_config({**named, "session.timeout.ms": "9000"}, "g")["session.timeout.ms"] == "9000"


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


# --- A client that lost sight of the brokers


@pytest.fixture
def lonely() -> Source:
    """A source whose consumer has reported that it sees no broker."""
    source = Source({"bootstrap.servers": "127.0.0.1:1"}, "unit")
    source._note_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    return source


def answering(monkeypatch: pytest.MonkeyPatch, source: Source, *, consumer: bool, others: bool) -> None:
    """Whether the brokers answer our consumer, and others."""
    monkeypatch.setattr(
        "stream.kafka.source.does_answer", lambda client: consumer if client is source._consumer else others
    )


def test_a_consumer_to_whom_alone_nobody_answers_for_a_while_is_cut_off(
    lonely: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, lonely, consumer=False, others=True)
    heard: list[object] = []
    now = [100.0]
    monkeypatch.setattr("stream.kafka.source.time.monotonic", lambda: now[0])
    assert not lonely.is_cut_off()
    now[0] += CUT_OFF_SECONDS
    assert lonely.is_cut_off()
    before = lonely._consumer
    lonely.subscribe(["trip"], on_assign=heard.append, on_revoke=heard.append, on_lost=heard.append)
    lonely.replace()
    assert lonely._consumer is not before
    assert not lonely.is_cut_off(), "the new one is given its time"


@pytest.mark.parametrize(("consumer", "others"), [(True, True), (False, False)])
def test_brokers_that_answer_all_or_nobody_cut_nobody_off(
    lonely: Source, monkeypatch: pytest.MonkeyPatch, consumer: bool, others: bool
) -> None:
    answering(monkeypatch, lonely, consumer=consumer, others=others)
    now = [100.0]
    monkeypatch.setattr("stream.kafka.source.time.monotonic", lambda: now[0])
    assert not lonely.is_cut_off()
    now[0] += 10 * CUT_OFF_SECONDS
    assert not lonely.is_cut_off()


def test_a_consumer_that_was_replaced_has_no_say_any_more() -> None:
    heard: list[object] = []
    source = Source({"bootstrap.servers": "127.0.0.1:1"}, "unit")
    source.subscribe(["trip"], on_assign=heard.append, on_revoke=heard.append, on_lost=heard.append)
    former = source._consumer
    source.replace()
    for event in ("on_assign", "on_revoke", "on_lost"):
        source._subscription[event](former, [TopicPartition("trip", 0)])
    assert heard == []


def test_a_source_of_ranges_that_lost_sight_of_the_brokers_gives_out_its_partitions_once_more() -> None:
    assigned: list[object] = []
    source = RangeSource(
        {"bootstrap.servers": "127.0.0.1:1"},
        "unit",
        [Range("trip", 3, "id", 0, 10)],
        holds=lambda _: True,
        is_held_back=lambda: True,
    )
    source.subscribe(["trip"], on_assign=assigned.append, on_revoke=assigned.append, on_lost=assigned.append)
    source.poll(1, 0.0)
    source.replace()
    source.poll(1, 0.0)
    source.poll(1, 0.0)
    assert assigned == [[("trip", 3)]] * 2
