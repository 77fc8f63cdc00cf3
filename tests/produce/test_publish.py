"""Publishing on a real Kafka: what the plan says arrives, unchanged and in order; what fails is counted."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local import Kafka
from stream.catalog import STREAMS
from stream.errors import ConfigurationError
from stream.produce import Kind, Message, Plan, publish, synthesize

PARTITIONS = 3
PLAN = Plan(
    seed=4, until=datetime(2026, 11, 21, tzinfo=UTC), count=1500, duplicate_share=0.1, late_share=0.1, broken_share=0.2
)

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
"""Nobody listens on port 1."""


@pytest.fixture
def topic(kafka_server: Kafka) -> Iterator[str]:
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap_servers})
    name = f"publish-{uuid.uuid4().hex}"
    largest = max(stream.max_message_bytes for stream in STREAMS.values())
    wanted = NewTopic(name, PARTITIONS, 1, config={"max.message.bytes": str(largest)})
    admin.create_topics([wanted])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


def published_on(kafka: Kafka, topic: str) -> dict[int, list[tuple[object, object, object]]]:
    """Key, value and headers of all records, in the order of each partition."""
    consumer = Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": "unused", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    by_partition: dict[int, list[tuple[object, object, object]]] = defaultdict(list)
    ended: set[int | None] = set()
    while len(ended) < PARTITIONS:
        for record in consumer.consume(1000, timeout=0.5):
            error = record.error()
            if error is None:
                by_partition[record.partition() or 0].append((record.key(), record.value(), record.headers() or []))
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                ended.add(record.partition())
    consumer.close()
    return by_partition


def murmur2(key: bytes) -> int:
    """The hash of Java's default partitioner, from its definition."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    state = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for start in range(0, whole, 4):
        part = int.from_bytes(key[start : start + 4], "little") * multiplier & mask
        state = state * multiplier & mask ^ (part ^ part >> 24) * multiplier & mask
    if whole < len(key):
        state = (state ^ int.from_bytes(key[whole:], "little")) * multiplier & mask
    state = (state ^ state >> 13) * multiplier & mask
    return (state ^ state >> 15) & 0x7FFFFFFF


def test_messages_arrive_unchanged_in_order_and_where_java_would_put_them(kafka_server: Kafka, topic: str) -> None:
    messages = [message._replace(topic=topic) for message in synthesize(PLAN)]
    told: list[int] = []

    published = publish(messages, {"bootstrap.servers": kafka_server.bootstrap_servers}, progress=told.append)

    by_partition = published_on(kafka_server, topic)
    expected = defaultdict(list)
    for message in messages:
        if message.key:  # those without are spread by chance
            expected[murmur2(message.key) % PARTITIONS].append((message.key, message.value, message.headers))
    keyed = {partition: [record for record in records if record[0]] for partition, records in by_partition.items()}
    assert keyed == expected
    assert sum(map(len, by_partition.values())) == published.sent_count == published.delivered_count == 1500
    assert published.sent[Kind.BROKEN] == sum(message.kind is Kind.BROKEN for message in messages)
    assert told == sorted(told)
    assert told[-1] == 1500


def test_rate_is_not_exceeded(kafka_server: Kafka, topic: str) -> None:
    messages = (message._replace(topic=topic) for message in synthesize(PLAN))
    started = time.monotonic()

    published = publish(messages, {"bootstrap.servers": kafka_server.bootstrap_servers}, rate=400, seconds_max=0.5)

    assert 0 < published.sent_count <= 400 * (time.monotonic() - started) + 21


def test_rate_at_which_nothing_is_sent_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        publish([], NOWHERE, rate=0)


def test_undelivered_messages_are_counted_by_error() -> None:
    published = publish(synthesize(PLAN), {**NOWHERE, "delivery.timeout.ms": 200})

    assert published.failed == {"_MSG_TIMED_OUT": 1500}
    assert (published.sent_count, published.delivered_count, published.unconfirmed) == (1500, 0, 0)


def test_full_queue_is_waited_for() -> None:
    published = publish(synthesize(PLAN), {**NOWHERE, "delivery.timeout.ms": 200, "queue.buffering.max.messages": 500})

    assert published.failed == {"_MSG_TIMED_OUT": 1500}


def test_message_that_the_client_refuses_is_counted() -> None:
    message = Message("any", b"1", b"x" * 2000, [], Kind.BROKEN)

    published = publish([message], {**NOWHERE, "message.max.bytes": 1000})

    assert published.failed == {"MSG_SIZE_TOO_LARGE": 1}
    assert (published.sent_count, published.delivered_count) == (1, 0)
