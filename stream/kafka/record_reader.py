"""Reads single records of Kafka's log by their offsets, outside any consumer group."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, Message
from confluent_kafka import TopicPartition as KafkaPartition

from stream.errors import KafkaUnavailable
from stream.kafka.brokers import Brokers
from stream.kafka.client import consumer_config, make_client, record_of
from stream.records import Record, TopicPartition

GROUP_ID = "(log reader)"
"""librdkafka wants one. It is never joined, and nothing is committed to it."""

SILENCE_SECONDS_MAX = 10.0

JUMP_OFFSETS = 1000
"""Up to so many records are read over; what lies farther away is asked for anew."""


class RecordReader:
    """A client that reads records at given offsets."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._brokers = Brokers(properties)
        self._consumer: Any = make_client(KafkaConsumer, consumer_config(properties, GROUP_ID))

    def close(self) -> None:
        self._consumer.close()

    def read(self, topic_id: str, where: TopicPartition, offsets: Sequence[int]) -> dict[int, Record]:
        """The records at these offsets; those that the log no longer has are left out. A topic that was made anew has
        none of the older one's. Raises KafkaUnavailable, and ConfigurationError where the topic doesn't exist."""
        if self._brokers.describe([where.topic]).required()[where.topic].topic_id != topic_id:
            return {}
        low, high = self._brokers.watermarks([where])[where]
        wanted = sorted(offset for offset in offsets if low <= offset < high)
        records: dict[int, Record] = {}
        position = -JUMP_OFFSETS - 1
        for offset in wanted:
            if offset - position > JUMP_OFFSETS:
                self._consumer.assign([KafkaPartition(*where, offset)])
                position = offset
            while position <= offset:
                message = self._next(where)
                if message is None:
                    return records
                record = record_of(message)
                records[record.offset] = record
                position = record.offset + 1
        return {offset: records[offset] for offset in wanted if offset in records}

    def _next(self, where: TopicPartition) -> Message | None:
        """The next record; None at the partition's end."""
        deadline = time.monotonic() + SILENCE_SECONDS_MAX
        while time.monotonic() < deadline:
            message: Message | None = self._consumer.poll(1.0)
            error = message.error() if message is not None else None
            if message is None or (error is not None and error.code() != KafkaError._PARTITION_EOF):
                continue  # the client connects again by itself
            return message if error is None else None
        raise KafkaUnavailable(f"{where} can't be read: the brokers don't answer")
