"""Three brokers, of which one is gone: the partitions that have a leader go on, and those that lost records stop."""

from __future__ import annotations

import json

import pytest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from stream.catalog import STREAMS
from tests.broker import Broker
from tests.chaos import brokers
from tests.chaos.ordeal import Ordeal
from tests.cluster.kafka import Cluster, Node
from tests.commands import run_command
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.events import encode, trip, uuid_text
from tests.proxy import LossyProxy
from tests.report import tell
from tests.waiting import measure, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

TURNS = 3
TRIPS = 20


def place(broker: Broker, replicas: list[list[int]], **config: str) -> None:
    """Make topic `trip` anew, each of its partitions on these brokers."""
    broker.delete_topic("trip")
    topic = NewTopic("trip", len(replicas), replica_assignment=replicas, config={"min.insync.replicas": "1", **config})
    broker.admin.create_topics([topic])["trip"].result()
    wait_for(broker.are_all_led, "the leaders of trip")


def put_trips(broker: Broker, partitions: list[int], first: int) -> None:
    """Some trips into each of these partitions, numbered from `first`."""
    producer = broker.producer()
    for offset, partition in enumerate(partitions * TRIPS):
        number = first + offset
        event = trip(trip_id=number, event_id=uuid_text(number))
        producer.produce("trip", encode("TripRecorded", event), str(number).encode(), partition=partition)
    assert producer.flush(60) == 0


def node(broker: Broker, node_id: int) -> Node:
    assert isinstance(broker.server, Cluster)
    return broker.server.node(node_id)


@pytest.mark.parametrize("database", ["mysql"], indirect=True)
def test_brokers_that_go_by_turns_cost_nothing(
    broker: Broker, database: Database, stream_settings: dict[str, str], start_consumer: StartConsumer, seed: int
) -> None:
    with LossyProxy(database.server.port) as proxy:
        ordeal = Ordeal(broker, database, proxy, stream_settings, start_consumer, seed)
        ordeal.undergo([brokers.kill_the_broker, brokers.restart_the_broker] * TURNS)
    tell(str(ordeal))


def test_a_partition_without_a_leader_holds_up_nobody_else(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_consumer: StartConsumer
) -> None:
    """From the start, and while it is read."""
    place(broker, [[1], [2], [3], [1], [2], [3]])
    led, lost = [0, 1, 3, 4], [2, 5]
    node(broker, 3).kill()
    consumer = start_consumer()
    put_trips(broker, led, first=1)
    measure(lambda: mysql.count("trip") == len(led) * TRIPS, "the trips of partitions that have a leader")
    assert "trip/2" in consumer.get("/readyz")[1]
    told = json.loads(run_command(stream_settings, "lag", "--topic", "trip", "--format", "json").stdout)
    assert [lag["partition"] for lag in told if lag["end_offset"] is None] == lost
    assert [lag["lag_records"] for lag in told if lag["end_offset"] is not None] == [0] * len(led)
    shown = json.loads(run_command(stream_settings, "offsets", "show", "--topic", "trip", "--format", "json").stdout)
    assert [(each["partition"], each["latest"]) for each in shown if each["state"] == "no_leader"] == [
        (each, None) for each in lost
    ]
    accepted = run_command(stream_settings, "offsets", "accept")
    assert accepted.returncode == 0
    assert "trip/2 has no leader" in accepted.stderr
    assert "trip/2, trip/5" in run_command(stream_settings, "verify", "--topic", "trip").stderr
    node(broker, 3).start()
    put_trips(broker, lost, first=1000)
    measure(lambda: mysql.count("trip") == 6 * TRIPS, "the trips of partitions that have a leader again", 60)
    node(broker, 3).kill()
    put_trips(broker, led, first=2000)
    measure(lambda: mysql.count("trip") == 10 * TRIPS, "more trips, while two partitions lost their leader")
    node(broker, 3).start()
    consumer.wait_ready(60)


def test_records_lost_in_an_unclean_election_stop_the_partition(
    broker: Broker, mysql: Database, start_consumer: StartConsumer
) -> None:
    place(broker, [[1, 2]] * STREAMS["trip"].partitions, **{"unclean.leader.election.enable": "true"})
    consumer = start_consumer()
    put_trips(broker, [0], first=1)
    wait_for(lambda: mysql.count("trip") == TRIPS, "the first trips")
    node(broker, 2).kill()
    put_trips(broker, [0], first=1000)
    wait_for(lambda: mysql.count("trip") == 2 * TRIPS, "trips that only the leader has")
    node(broker, 1).kill()
    node(broker, 2).start()
    stopped = consumer.wait_logged("partition stopped", 60)
    assert stopped["reason"] == "log_is_shorter"
    wait_for(lambda: "rests: log_is_shorter" in consumer.get("/readyz")[1], "/readyz to say it")
    assert (mysql.count("trip"), mysql.count("dead_letter")) == (2 * TRIPS, 0)
    node(broker, 1).start()
