"""Members of the group that fall silent, are doubled, come and go: nothing is lost, nothing is written twice."""

from __future__ import annotations

import pytest

from tests.balance import assert_drained
from tests.broker import PARTITIONS, Broker
from tests.conftest import StartConsumer
from tests.consumers import Consumer, Running
from tests.databases import Database
from tests.engine.group import EVEN_SHARE, PROTOCOLS, held
from tests.engine.logs import applied, colliding_events, put, some_events, synthetic, wait_applied
from tests.stalling import stalled_main_thread
from tests.waiting import measure, wait_for

Settings = dict[str, str]

SILENT_MS_MAX = 8000
"""What tests allow between two polls: so much that whoever takes over all partitions of a busy machine is not silent
itself."""


@pytest.mark.parametrize("protocol", ["eager", "consumer"])
def test_a_poller_that_falls_silent_loses_its_partitions_and_joins_again(
    broker: Broker, mysql: Database, stream_settings: Settings, start_consumer: StartConsumer, protocol: str
) -> None:
    """Its client's own threads live and send heartbeats: only `max.poll.interval.ms` finds it out."""
    changes = {**PROTOCOLS[protocol], "kafka_max_poll_interval_ms": SILENT_MS_MAX}
    silent = start_consumer(batch_records_max=20, **changes)
    heir = start_consumer(batch_records_max=200, **changes)
    wait_even_shares(silent, heir)
    put(broker, synthetic(1000, seed=51))
    wait_for(lambda: applied(mysql) > 100, "some progress")
    gone_before = times_gone(silent)
    with stalled_main_thread(silent.pid):
        wait_for(lambda: held(heir) == PARTITIONS, "the heir to have all", 60)
        assert heir.get("/livez")[0] == 200
        wait_applied(mysql, 1000)
    measure(lambda: held(silent) == held(heir) == EVEN_SHARE, f"joining again after silence, {protocol}")
    assert "STREAM_KAFKA_MAX_POLL_INTERVAL_MS" in silent.wait_logged("silent for too long")["todo"]
    # The client says one or the other, as its heartbeat or its timer finds out first. Progress is fenced either way.
    assert times_gone(silent) > gone_before
    broker.publish(colliding_events(100, seed=51))
    wait_applied(mysql, 1000 + 100 + 33)
    for one in (silent, heir):
        one.wait_ready()
        assert one.get("/livez")[0] == 200
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def times_gone(consumer: Running) -> float:
    """How often its partitions were taken from it."""
    return sum(consumer.metric("stream_rebalances_total", kind=kind) for kind in ("lost", "revoked"))


def wait_even_shares(*consumers: Running) -> None:
    share = PARTITIONS // len(consumers)
    wait_for(lambda: all(held(one) == share for one in consumers), "even shares", 90)


def test_a_second_process_of_the_same_name_ends_the_older_one(
    broker: Broker, mysql: Database, stream_settings: Settings, start_consumer: StartConsumer
) -> None:
    put(broker, synthetic(1000, seed=52))
    older = start_consumer(kafka_group_instance_id="same", batch_records_max=20)
    wait_for(lambda: applied(mysql) > 100, "some progress")
    younger = start_consumer(kafka_group_instance_id="same", batch_records_max=200)
    measure(lambda: not older.is_running, "the older process's end")
    older.assert_ends(1)
    assert "give each process its own" in older.log_text()
    younger.wait_ready()
    assert held(younger) == PARTITIONS
    wait_applied(mysql, 1000)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_of_the_newer_protocol_a_second_process_of_the_same_name_ends_itself(
    broker: Broker, mysql: Database, stream_settings: Settings, start_consumer: StartConsumer
) -> None:
    """There the broker refuses a name that is in use."""
    put(broker, synthetic(1000, seed=53))
    named = {**PROTOCOLS["consumer"], "kafka_group_instance_id": "same"}
    older = start_consumer(batch_records_max=20, **named)
    wait_for(lambda: applied(mysql) > 100, "some progress")
    younger = start_consumer(**named)
    measure(lambda: not younger.is_running, "the younger process's end")
    younger.assert_ends(1)
    assert "give each process its own" in younger.log_text()
    wait_applied(mysql, 1000)
    assert older.is_running
    assert held(older) == PARTITIONS
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_three_processes_come_and_go_while_topics_drain(
    broker: Broker, mysql: Database, stream_settings: Settings, start_consumer: StartConsumer, protocol: str
) -> None:
    put(broker, synthetic(1500, seed=54))

    def join() -> Consumer:
        return start_consumer(batch_records_max=20, **PROTOCOLS[protocol])

    first = join()
    wait_for(lambda: applied(mysql) > 200, "some progress")
    second, third = join(), join()
    wait_even_shares(first, second, third)
    first.terminate()
    first.assert_ends(0)
    put(broker, synthetic(500, seed=55))
    second.kill()
    measure(lambda: held(third) == PARTITIONS, f"the partitions of one that left and one that was killed, {protocol}")
    fourth = join()
    wait_even_shares(third, fourth)
    third.terminate()
    third.assert_ends(0)
    broker.publish(some_events(10, first=900_000))
    wait_applied(mysql, 1500 + 500 + 30, 90)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
