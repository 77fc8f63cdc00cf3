"""Topics as code: what the catalog declares, brought about in Kafka and compared with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from stream.declaration.streams import Stream
from stream.kafka.source import REQUEST_TIMEOUT_SECONDS, KafkaUnavailable

CREATE_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class TopicDifference:
    """A topic that is not as the catalog declares it."""

    topic: str
    subject: str
    """`missing`, `partitions`, or the name of a topic's setting."""
    declared: str
    found: str


def declared_config(stream: Stream) -> dict[str, str]:
    """Kafka's settings of a stream's topic."""
    return {
        "cleanup.policy": "delete",  # compaction would lose events that share a key
        "retention.ms": str(stream.retention_ms),
        "max.message.bytes": str(stream.max_message_bytes),
    }


def differences(admin: AdminClient, streams: Iterable[Stream]) -> list[TopicDifference]:
    """How Kafka's topics differ from the declared ones.

    Raises KafkaUnavailable.
    """
    existing = _existing_partitions(admin)
    found: list[TopicDifference] = []
    for stream in streams:
        if stream.topic not in existing:
            found.append(TopicDifference(stream.topic, "missing", f"{stream.partitions} partitions", "no such topic"))
            continue
        if existing[stream.topic] != stream.partitions:
            found.append(
                TopicDifference(stream.topic, "partitions", str(stream.partitions), str(existing[stream.topic]))
            )
        config = _config(admin, stream.topic)
        found += [
            TopicDifference(stream.topic, name, value, config.get(name, "not set"))
            for name, value in declared_config(stream).items()
            if config.get(name) != value
        ]
    return found


def create(admin: AdminClient, streams: Sequence[Stream], replication_factor: int) -> list[str]:
    """Create the topics that are missing and return their names; those that exist are left as they are.

    Raises KafkaUnavailable.
    """
    existing = _existing_partitions(admin)
    missing = [stream for stream in streams if stream.topic not in existing]
    _create(
        admin,
        [
            NewTopic(
                stream.topic,
                num_partitions=stream.partitions,
                replication_factor=replication_factor,
                config=declared_config(stream),
            )
            for stream in missing
        ],
    )
    return [stream.topic for stream in missing]


def create_missing(admin: AdminClient, topics: Sequence[NewTopic]) -> list[str]:
    """Create those of some topics that are missing, such as no catalog declares, and return their names.

    Raises KafkaUnavailable.
    """
    existing = _existing_partitions(admin)
    missing = [one for one in topics if one.topic not in existing]
    _create(admin, missing)
    return [one.topic for one in missing]


def _create(admin: AdminClient, topics: Sequence[NewTopic]) -> None:
    if not topics:
        return
    for topic, future in admin.create_topics(list(topics), operation_timeout=CREATE_TIMEOUT_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody was quicker: as good
                raise KafkaUnavailable(f"topic {topic} was not created: {error.args[0].name()}") from None


def _existing_partitions(admin: AdminClient) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise KafkaUnavailable(f"the brokers did not answer ({error.args[0].name()})") from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _config(admin: AdminClient, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_SECONDS)[resource].result()
    except KafkaException as error:
        raise KafkaUnavailable(f"topic {topic} was not described: {error.args[0].name()}") from None
    return {name: str(entry.value) for name, entry in entries.items()}
