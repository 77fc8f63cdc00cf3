"""Several processes that share the partitions: nothing twice, nothing lost, whoever comes and goes."""

from __future__ import annotations

import pytest

from tests.balance import assert_drained
from tests.broker import PARTITIONS, Broker
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.group import EVEN_SHARE, PROTOCOLS, held
from tests.engine.logs import applied, colliding_events, put, some_events, synthetic, wait_applied
from tests.events import NOON, trip, uuid_text
from tests.waiting import measure, wait_for


def owners(database: Database) -> set[str]:
    return {row["owner"] for row in database.rows("progress")}


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_two_processes_share_and_hand_over(
    broker: Broker,
    mysql: Database,
    stream_settings: dict[str, str],
    start_consumer: StartConsumer,
    protocol: dict[str, str],
) -> None:
    first = start_consumer(batch_records_max=20, **protocol)
    first.wait_ready()
    assert held(first) == PARTITIONS
    put(broker, synthetic(1500, seed=5))
    wait_for(lambda: applied(mysql) > 200, "some progress")
    second = start_consumer(batch_records_max=20, **protocol)
    wait_for(lambda: (held(first), held(second)) == (EVEN_SHARE, EVEN_SHARE), "an even share", 60)
    put(broker, synthetic(600, seed=6))
    first.terminate()
    first.assert_ends(0)
    wait_for(lambda: held(second) == PARTITIONS, "the rest", 60)
    broker.publish(some_events(30, first=900_000))
    wait_applied(mysql, 1500 + 600 + 90)
    second.terminate()
    second.assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_killed_processs_partitions_go_to_the_other(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    consumers = [start_consumer(batch_records_max=20) for _ in range(2)]
    wait_for(lambda: all(held(one) == EVEN_SHARE for one in consumers), "an even share")
    put(broker, synthetic(2000, seed=7))
    wait_for(lambda: applied(mysql) > 200, "some progress")
    consumers[0].kill()
    wait_applied(mysql, 2000)
    assert held(consumers[1]) == PARTITIONS
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    names = ("member-a", "member-b")
    usual = {"kafka_session_timeout_ms": "", "kafka_heartbeat_interval_ms": ""}  # and not the tests' short session
    consumers = [start_consumer(kafka_group_instance_id=name, **usual) for name in names]
    wait_for(lambda: all(held(one) == EVEN_SHARE for one in consumers), "an even share", 60)
    rebalances = consumers[1].metric("stream_rebalances_total")
    consumers[0].kill()
    back = start_consumer(kafka_group_instance_id=names[0], **usual)
    measure(lambda: held(back) == EVEN_SHARE, "its partitions, after a kill and a restart under the same name")
    broker.publish(some_events(50))
    wait_for(lambda: applied(mysql) == 150, "all records")
    assert consumers[1].metric("stream_rebalances_total") == rebalances
    assert owners(mysql) == set(names)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_two_that_run_until_caught_up_both_end(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Each sees the other's partitions applied in MySQL."""
    put(broker, synthetic(1000, seed=8))
    consumers = [start_service("--until-caught-up", batch_records_max=30) for _ in range(2)]
    for one in consumers:
        one.assert_ends(0)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_frozen_process_that_wakes_up_writes_nothing_and_goes_on(
    broker: Broker,
    mysql: Database,
    stream_settings: dict[str, str],
    start_consumer: StartConsumer,
    protocol: dict[str, str],
) -> None:
    """The group has given its partitions to the other one; only the fence keeps its batches out."""
    frozen = start_consumer(batch_records_max=20, **protocol)
    frozen.wait_ready()
    put(broker, synthetic(1500, seed=9))
    wait_for(lambda: applied(mysql) > 100, "some progress")
    frozen.freeze()
    heir = start_consumer(batch_records_max=200, **protocol)
    wait_applied(mysql, 1500, 90)
    frozen.thaw()
    wait_for(lambda: (held(frozen), held(heir)) == (EVEN_SHARE, EVEN_SHARE), "an even share", 60)
    broker.publish(colliding_events(100, seed=9))
    total = 1500 + 100 + 33
    wait_applied(mysql, total)
    assert frozen.is_running
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_busy_consumer_does_not_starve_a_partition(
    broker: Broker, mysql: Database, start_service: StartService
) -> None:
    """One partition with nearly everything, and a lone event in another."""
    versions = (trip(trip_id=1, occurred_at=NOON - n, event_id=uuid_text(n)) for n in range(1, 3001))
    broker.publish(("TripRecorded", version) for version in versions)
    consumer = start_service(batch_records_max=100)
    consumer.wait_ready()
    broker.publish(some_events(1, first=77))
    wait_for(lambda: mysql.value("SELECT COUNT(*) FROM bytemark_pass WHERE bytemark_pass_id = 77"), "the lone event")
