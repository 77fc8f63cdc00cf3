"""Messages → Kafka: the only part of the synthetic producer that leaves the process."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as DeliveryReport

from stream.errors import ConfigurationError, TerminalError
from stream.kafka.client import client_config, make_client
from stream.produce.plan import Kind, Message

PRODUCER_CONFIG: Mapping[str, Any] = {
    "client.id": "stream-produce",
    # What order and exactly-once need: no gaps and no repetitions but those of the plan.
    "acks": "all",
    "enable.idempotence": True,
    # Java's partitioner, so that a key lands where other producers put it.
    "partitioner": "murmur2_random",
    # Batches worth compressing: 20 ms at 50,000 a second are 1000 records.
    "linger.ms": 20,
    "batch.num.messages": 10_000,
    "batch.size": 1024 * 1024,
    "compression.type": "lz4",
    # As Stream.max_message_bytes: a record that is far too large must reach the broker.
    "message.max.bytes": 4 * 1024 * 1024,
    # The most that waits here, about a second's worth; beyond it publishing waits for the broker.
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 128 * 1024,
    # So that a broker that is away ends in counted failures, and waiting for room has an end.
    "delivery.timeout.ms": 60_000,
    # A report for each success would cost a call into Python each.
    "delivery.report.only.error": True,
}

SLICE_MESSAGES_MAX = 1000
"""The number of messages after which reports are served, progress is told and the clock is read."""

SLICE_SECONDS = 0.05
"""The time into which a slice of messages belongs, where there is a rate: short enough to look even."""

FLUSH_SECONDS_MAX = 65.0
"""The longest wait for deliveries: a little longer than `delivery.timeout.ms`, after which no message can be left."""


@dataclass
class Deliveries:
    """The fate of the messages."""

    sent: Counter[Kind] = field(default_factory=Counter)
    """Messages handed to Kafka's client, by kind."""
    failed: Counter[str] = field(default_factory=Counter)
    """Messages that were handed over and not delivered, by the name of Kafka's error."""
    unconfirmed: int = 0
    """Messages without any report when the wait for deliveries ended."""
    seconds: float = 0.0

    @property
    def sent_count(self) -> int:
        return self.sent.total()

    @property
    def delivered_count(self) -> int:
        return self.sent_count - self.failed.total() - self.unconfirmed


def publish(
    messages: Iterable[Message],
    kafka_config: Mapping[str, object],
    *,
    rate: float | None = None,
    seconds_max: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Deliveries:
    """Publish messages, at most `rate` a second, until they or `seconds_max` end; then wait for the last messages.

    `kafka_config` are librdkafka's properties; they take precedence over PRODUCER_CONFIG. `progress` is told now
    and then how many messages were sent so far. Failed deliveries are counted, not raised.

    Raises ConfigurationError for a rate that is not greater than 0, and TerminalError where Kafka's client can't go
    on at all.
    """
    deliveries = Deliveries()
    producer: Producer = make_client(Producer, {**client_config({}), **PRODUCER_CONFIG, **kafka_config})
    started = time.monotonic()
    pace = _Pace(started, rate, seconds_max)
    try:
        _send_all(messages, producer, deliveries, pace, progress)
    finally:  # also when interrupted: what was handed over is on its way
        deliveries.unconfirmed = producer.flush(FLUSH_SECONDS_MAX)
        deliveries.seconds = time.monotonic() - started
    if progress:
        progress(deliveries.sent_count)
    return deliveries


@dataclass(frozen=True)
class _Pace:
    """The moment for each slice of messages.

    Raises ConfigurationError for a rate at which nothing is ever sent.
    """

    started: float
    rate: float | None
    seconds_max: float | None

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate <= 0:
            raise ConfigurationError("the rate must be greater than 0")

    @property
    def slice_messages(self) -> int:
        in_time = SLICE_MESSAGES_MAX if self.rate is None else int(self.rate * SLICE_SECONDS) + 1
        return min(SLICE_MESSAGES_MAX, in_time)

    def wait_seconds(self, sent_count: int) -> float:
        """Seconds to wait before the next slice, or until the time is over."""
        if self.rate is None:
            return 0.0
        due = min(sent_count / self.rate, self.seconds_max or math.inf)
        return self.started + due - time.monotonic()

    def is_over(self) -> bool:
        return self.seconds_max is not None and time.monotonic() - self.started >= self.seconds_max


def _send_all(
    messages: Iterable[Message],
    producer: Producer,
    deliveries: Deliveries,
    pace: _Pace,
    progress: Callable[[int], None] | None,
) -> None:
    def count_failure(error: KafkaError | None, _report: DeliveryReport) -> None:
        if error is not None:
            deliveries.failed[error.name()] += 1

    slice_messages = pace.slice_messages
    for number, message in enumerate(messages):
        if number % slice_messages == 0:
            producer.poll(0)
            while (seconds := pace.wait_seconds(number)) > 0:
                producer.poll(seconds)  # returns as soon as it has served a report
            if pace.is_over():
                break
            if progress:
                progress(number)
        _send(message, producer, deliveries, count_failure)


def _send(
    message: Message,
    producer: Producer,
    deliveries: Deliveries,
    count_failure: Callable[[KafkaError | None, DeliveryReport], None],
) -> None:
    topic, key, value, headers, kind = message
    while True:
        try:
            producer.produce(topic, value, key, headers=list(headers), on_delivery=count_failure)
        except BufferError:  # the queue is full: wait until something was delivered or given up
            producer.poll(1.0)
            continue
        except KafkaException as error:
            _refused(error.args[0], deliveries)
        deliveries.sent[kind] += 1
        return


def _refused(error: KafkaError, deliveries: Deliveries) -> None:
    """Count a message that the client itself refuses, such as one that is larger than it may send."""
    if error.fatal():
        raise TerminalError(f"Kafka's client can't go on ({error.name()}): start again")
    deliveries.failed[error.name()] += 1
