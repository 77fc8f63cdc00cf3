"""The fence, with the whole engine around it: who lost a partition without noticing writes nothing and recovers."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition

from stream.catalog import STREAMS
from stream.kafka import topics
from tests.balance import assert_drained
from tests.broker import Broker
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied, put, some_events, synthetic, wait_applied
from tests.waiting import wait_for


def test_a_stolen_claim_is_fenced_and_claimed_again(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """The group says that the partition is still ours: so claim it anew, reread, and go on."""
    consumer = start_service(batch_records_max=50)
    consumer.wait_ready()
    broker.publish(some_events(20))
    wait_for(lambda: applied(mysql) == 60, "the first records")
    mysql.execute("UPDATE progress SET owner_epoch = owner_epoch + 10, owner = 'thief'")
    put(broker, synthetic(600, seed=11))
    consumer.wait_logged("fenced")
    wait_applied(mysql, 60 + 600)
    assert consumer.metric("stream_retries_total", reason="fenced") >= 1
    consumer.wait_ready()
    assert "thief" not in {row["owner"] for row in mysql.rows("progress") if row["records_consumed"]}
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_progress_that_was_set_back_is_read_again(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """A replica that lagged took over: the consumer rewinds by itself, on partitions where nothing comes as well."""
    consumer = start_service()
    consumer.wait_ready()
    put(broker, synthetic(400, seed=12))
    wait_for(lambda: applied(mysql) == 400, "all records")
    mysql.empty()  # the replica is far behind
    broker.publish(some_events(40, first=900_000))
    wait_applied(mysql, 400 + 120)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_an_offset_that_the_log_lost_stops_the_partition(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Nothing is skipped silently: the others go on, this one waits for an operator."""

    broker.publish(some_events(40))
    gone = max(
        ((one.topic, one.partition, end) for one, end in broker.ends().items() if one.topic == "trip"),
        key=lambda one: one[2],
    )
    broker.admin.delete_records([TopicPartition(*gone)])[TopicPartition(*gone)].result()
    mysql.execute(
        "INSERT INTO progress (group_id, topic, kafka_partition, topic_id, owner_epoch, owner, next_offset, "
        "updated_on) VALUES (:group, 'trip', :partition, :topic_id, 1, 'former', 1, NOW(6))",
        group=stream_settings["STREAM_GROUP_ID"],
        partition=gone[1],
        topic_id=_topic_id(broker),
    )
    start_service("--until-caught-up").assert_ends(75)
    consumer = start_service()
    stopped = consumer.wait_logged("partition stopped")
    assert (stopped["partition"], stopped["reason"]) == (gone[1], "retention_overtook")
    wait_for(lambda: f"trip/{gone[1]} rests: retention_overtook" in consumer.get("/readyz")[1], "/readyz to say it")
    assert consumer.get("/livez")[0] == 200
    assert consumer.metric("stream_partitions_stopped", reason="retention_overtook") == 1
    assert mysql.count("bytemark_pass") == 40
    assert mysql.value("SELECT next_offset FROM progress WHERE topic = 'trip' AND kafka_partition = :n", n=gone[1]) == 1


def test_a_log_that_is_shorter_than_progress_stops_the_partition(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.publish(some_events(5))
    start_service("--until-caught-up").assert_ends(0)
    mysql.execute("UPDATE progress SET next_offset = 1000 WHERE topic = 'trip' AND kafka_partition = 3")
    consumer = start_service("--until-caught-up")
    consumer.assert_ends(75)
    assert consumer.logged("partition stopped")[0]["reason"] == "log_is_shorter"


def test_a_recreated_topic_stops_its_partitions(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Another topic of the same name has other records at the same offsets."""
    broker.publish(some_events(30))
    start_service("--until-caught-up").assert_ends(0)
    broker.renew()
    broker.publish(some_events(50, first=500))
    consumer = start_service("--until-caught-up")
    consumer.assert_ends(75)
    assert {line["reason"] for line in consumer.logged("partition stopped")} == {"topic_recreated"}
    assert mysql.count("bytemark_pass") == 30


def test_a_topic_that_does_not_exist_ends_with_78(broker: Broker, start_service: StartService) -> None:
    broker.delete_topics()
    consumer = start_service()
    consumer.assert_ends(78)
    assert "stream topics create" in consumer.log_text()


def test_a_database_that_is_not_migrated_ends_with_78(
    broker: Broker, mysql: Database, start_service: StartService
) -> None:
    mysql.server.create_database("stream_bare")
    try:
        consumer = start_service(database_url=mysql.server.url("stream_bare"))
        consumer.assert_ends(78)
    finally:
        mysql.server.drop_database("stream_bare")
    assert "stream migrate" in consumer.log_text()


def _topic_id(broker: Broker) -> str:

    return broker.brokers.topic_ids(["trip"])["trip"]


@pytest.mark.parametrize("partitions", [STREAMS["trip"].partitions])
def test_the_declared_topics_are_as_declared(broker: Broker, partitions: int) -> None:
    assert topics.differences(broker.brokers, STREAMS.values()) == []
    assert sum(one.topic == "trip" for one in broker.ends()) == partitions
