"""A Kafka for tests: its topics made anew, records put into them and read back as they lie there."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourcePatternType,
    ResourceType,
)

from deploy.local import Kafka
from stream.catalog import STREAMS
from stream.errors import KafkaUnavailable
from stream.kafka import topics
from stream.kafka.brokers import Brokers
from tests.cluster.kafka import Cluster
from tests.events import TOPICS, Datum, encode, key_of
from tests.model import LogRecord
from tests.rawclient import put_with_header
from tests.waiting import wait_for

RECORD_BYTES_MAX = 4 * 1024 * 1024
QUIET = {"log_level": 0, "reconnect.backoff.max.ms": 500}
PARTITIONS = sum(stream.partitions for stream in STREAMS.values())
"""Of all topics together."""

SESSION_TIMEOUT_MS = 2000
"""A third of the product's: a killed member is missed sooner. The broker is told to allow it."""

GROUP_OVERRIDES = {
    "group.min.session.timeout.ms": str(SESSION_TIMEOUT_MS // 2),
    # Of the newer protocol the broker decides: a killed member is missed as soon as with the older one.
    "group.consumer.min.session.timeout.ms": str(SESSION_TIMEOUT_MS // 2),
    "group.consumer.session.timeout.ms": str(SESSION_TIMEOUT_MS),
    "group.consumer.min.heartbeat.interval.ms": str(SESSION_TIMEOUT_MS // 4),
    "group.consumer.heartbeat.interval.ms": str(SESSION_TIMEOUT_MS // 4),
}
"""The properties with which a broker does."""


class Broker:
    """One Kafka; `renew` gives each test topics of its own, though their names are fixed."""

    def __init__(self, server: Kafka | Cluster) -> None:
        self.server = server
        self._replication_factor = 1 if isinstance(server, Kafka) else server.replication_factor
        self._changed: set[str] = set()
        """Topics that were altered: they are made anew even where they are empty."""
        self._connect()

    def _connect(self) -> None:
        self.admin = AdminClient(self.config)
        self.brokers = Brokers({"bootstrap.servers": self.server.bootstrap_servers})

    @property
    def config(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.server.bootstrap_servers, **QUIET}

    def renew(self) -> None:
        """Make the topics anew of which a test has made use; most tests use few, and all take a second."""
        self._connect()  # a client may forget a broker that was restarted
        self.delete_topics(self._used())
        topics.create(self.brokers, STREAMS.values(), replication_factor=self._replication_factor)
        wait_for(lambda: self.are_all_led(), "the new topics' leaders")

    def _used(self) -> set[str]:
        """Those that have records, or had, or are otherwise not as they were made."""
        there = set(STREAMS) & set(self._existing())
        try:
            logs = self.brokers.logs(there) if there else {}
        except KafkaUnavailable:
            return there  # one is half made, or half gone
        return self._changed | {where.topic for where, log in logs.items() if log.high}

    def delete_topics(self, names: Collection[str] = STREAMS) -> None:
        existing = [name for name in self._existing() if name in names]
        for future in self.admin.delete_topics(existing).values() if existing else ():
            future.result()
        wait_for(lambda: not set(names) & set(self._existing()), "the old topics to go")
        self._changed -= set(names)

    def create_topic(self, topic: str) -> None:
        topics.create(self.brokers, [STREAMS[topic]], replication_factor=self._replication_factor)
        wait_for(lambda: self.are_all_led(), "the new topic's leaders")

    def delete_topic(self, topic: str) -> None:
        self.admin.delete_topics([topic])[topic].result()
        wait_for(lambda: topic not in self._existing(), "the topic to go")

    def add_partition(self, topic: str) -> int:
        """The new partition's number, once it can be written to."""
        self._changed.add(topic)
        number = len(self.admin.list_topics(topic, timeout=10).topics[topic].partitions)
        self.admin.create_partitions([NewPartitions(topic, number + 1)])[topic].result()
        wait_for(lambda: (topic, number) in self._ends_or_none(), "the new partition's leader")
        return number

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """What retention does, at once."""
        where = TopicPartition(topic, partition, before)
        self.admin.delete_records([where])[where].result()

    def alter_topic(self, topic: str, settings: Mapping[str, str]) -> None:
        self._changed.add(topic)
        set_to = AlterConfigOpType.SET
        entries = [ConfigEntry(name, value, incremental_operation=set_to) for name, value in settings.items()]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result()

    @contextmanager
    def denied(self, topic: str, operation: str) -> Iterator[None]:
        """Within the block nobody may do this to the topic."""
        everybody = ("User:*", "*")
        topic_alone = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL)
        denial = AclBinding(*topic_alone, *everybody, AclOperation[operation], AclPermissionType.DENY)
        # A topic with any rule is closed to who isn't named in one.
        others = AclBinding(*topic_alone, *everybody, AclOperation.ALL, AclPermissionType.ALLOW)
        for created in self.admin.create_acls([denial, others]).values():
            created.result()
        try:
            yield
        finally:
            anybody: list[Any] = [None, None, AclOperation.ANY, AclPermissionType.ANY]
            named = AclBindingFilter(*topic_alone, *anybody)
            for removed in self.admin.delete_acls([named]).values():
                removed.result()

    def _existing(self) -> list[str]:
        return list(self.admin.list_topics(timeout=10).topics)

    def are_all_led(self) -> bool:
        return len(self._ends_or_none()) == PARTITIONS

    def _ends_or_none(self) -> Mapping[Any, int]:
        try:
            partitions = [
                each for topic in self.brokers.describe(STREAMS).readable.values() for each in topic.partitions
            ]
            return self.brokers.high_watermarks(partitions)
        except KafkaUnavailable:
            return {}

    def ends(self) -> Mapping[Any, int]:
        """Where each partition ends, for readers of committed records."""
        return self.brokers.end_offsets(STREAMS)

    def producer(self, **config: Any) -> Producer:
        return Producer(
            {
                **self.config,
                "acks": "all",
                "message.max.bytes": RECORD_BYTES_MAX,
                "partitioner": "murmur2_random",
                **config,
            }
        )

    def publish(self, events: Iterable[tuple[str, Datum]]) -> None:
        """Publish sound events: (record's name, datum)."""
        self.put((TOPICS[name], key_of(name, datum), encode(name, datum)) for name, datum in events)

    def put(self, messages: Iterable[Sequence[Any]], **config: Any) -> None:
        """Put (topic, key, value[, headers]) into the log and wait until all are there."""
        producer = self.producer(**{"linger.ms": 5, **config})
        failed: list[str] = []

        def note(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failed.append(error.name())

        for topic, key, value, *headers in messages:
            while True:
                try:
                    producer.produce(topic, value, key, headers=(headers or [None])[0] or None, on_delivery=note)
                except BufferError:
                    producer.poll(0.1)
                    continue
                break
            producer.poll(0)
        assert producer.flush(60) == 0, "records were not delivered"
        assert not failed, failed

    def put_with_header(self, topic: str, key: bytes, value: bytes, name: bytes) -> None:
        """Put a record with a header of any name: Python's client writes UTF-8 alone, other clients anything."""
        put_with_header(self.server.bootstrap_servers, topic, key, value, name)

    def abort(self, messages: Iterable[Sequence[Any]]) -> None:
        """Put (topic, key, value) into the log in a transaction that is then aborted: offsets that nobody reads."""
        with self.transaction(is_aborted=True) as producer:
            for topic, key, value in messages:
                producer.produce(topic, value, key)

    @contextmanager
    def transaction(self, *, is_aborted: bool = False) -> Iterator[Producer]:
        producer = self.producer(**{"transactional.id": uuid.uuid4().hex})
        producer.init_transactions(30)
        producer.begin_transaction()
        yield producer
        producer.flush(30)
        if is_aborted:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)

    def records(self) -> list[LogRecord]:
        """All that readers of committed records find now, partition by partition."""
        consumer = Consumer(
            {
                **self.config,
                "group.id": f"reader-{uuid.uuid4().hex}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.message.max.bytes": RECORD_BYTES_MAX,
            }
        )
        try:
            begins = [TopicPartition(one.topic, one.partition, OFFSET_BEGINNING) for one in self.ends()]
            return sorted(_read_all(consumer, begins))
        finally:
            consumer.close()


def _read_all(consumer: Consumer, partitions: list[TopicPartition]) -> Iterator[LogRecord]:
    consumer.assign(partitions)
    unfinished = {(one.topic, one.partition) for one in partitions}
    deadline = time.monotonic() + 120
    while unfinished:
        assert time.monotonic() < deadline, f"not read to the end: {unfinished}"
        for message in consumer.consume(10_000, 0.2):
            error = message.error()
            topic: Any = message.topic()
            partition: Any = message.partition()
            if error is None:
                yield _log_record(message, topic, partition)
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard((topic, partition))
            else:
                raise KafkaException(error)


def _log_record(message: Any, topic: str, partition: int) -> LogRecord:
    headers = tuple(message.headers() or ())
    return LogRecord(
        topic, partition, message.offset(), message.timestamp()[1], message.key(), message.value(), headers
    )
