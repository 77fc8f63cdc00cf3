"""The producer of single records that must arrive: deletion events, and copies of dead letters."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from stream.errors import KafkaUnavailable, Trouble
from stream.kafka.client import ErrorLog, client_config, make_client

DELIVERY_SECONDS_MAX = 60.0
"""The longest wait for the brokers to have all records of a call."""

SAFE = {"acks": "all", "enable.idempotence": True}


class Outgoing(NamedTuple):
    """A record to publish."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]] = []  # noqa: RUF012 - nobody changes it


class Publisher:
    """A producer whose records are known to have arrived, each at least once."""

    def __init__(self, properties: Mapping[str, str], *, record_bytes_max: int | None = None) -> None:
        """`record_bytes_max` of None leaves librdkafka's default, 1 MB; the settings win over it. Raises
        ConfigurationError for a property that librdkafka doesn't know."""
        largest = {} if record_bytes_max is None else {"message.max.bytes": record_bytes_max}
        self._errors = ErrorLog()
        self._producer: Any = make_client(Producer, {**largest, **client_config(properties), **SAFE}, self._errors)

    def publish(self, topic: str, records: Iterable[Outgoing]) -> None:
        """Publish records and wait until all are there; Kafka gives each the time of its arrival. Raises
        KafkaUnavailable where not all are known to have arrived; to publish them again does no harm."""
        failed: set[str] = set()

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.add(error.name())
                self._errors.note(error)

        for record in records:
            self._producer.produce(topic, record.value, record.key, headers=record.headers, on_delivery=note)
        if self._producer.flush(DELIVERY_SECONDS_MAX) or failed:
            codes = f" ({', '.join(sorted(failed))})" if failed else ""
            reason = self._errors.trouble or Trouble.KAFKA_UNAVAILABLE
            raise KafkaUnavailable(f"{topic} is not known to have taken all records{codes}: try again", reason)
