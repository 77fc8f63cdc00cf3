"""Topics as code: what the catalog declares, brought about in Kafka and compared with what is there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic  # type: ignore[attr-defined]

from stream.declaration.streams import Stream
from stream.kafka.brokers import Brokers
from stream.kafka.client import REQUEST_TIMEOUT_SECONDS

CREATE_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class TopicDifference:
    """A topic that is not as the catalog declares it."""

    topic: str
    subject: str
    """`missing`, `partitions`, or the name of a topic's setting."""
    declared: str
    actual: str


@dataclass(frozen=True)
class TopicPlan:
    """A topic as it is to be created."""

    name: str
    partitions: int
    config: dict[str, str]


def declared_config(stream: Stream) -> dict[str, str]:
    """Kafka's settings of a stream's topic."""
    return {
        "cleanup.policy": "delete",  # compaction would lose events that share a key
        "retention.ms": str(stream.retention_ms),
        "max.message.bytes": str(stream.max_message_bytes),
    }


def differences(brokers: Brokers, streams: Iterable[Stream]) -> list[TopicDifference]:
    """The differences of Kafka's topics from the declared ones. Raises KafkaUnavailable."""
    existing = _existing_partitions(brokers)
    return [difference for stream in streams for difference in _differences(brokers, existing, stream)]


def by_producers_clocks(brokers: Brokers, streams: Iterable[Stream]) -> list[str]:
    """The topics whose records have the timestamps of their producers, and not of the brokers. Raises
    KafkaUnavailable."""
    existing = _existing_partitions(brokers)
    names = [stream.topic for stream in streams if stream.topic in existing]
    return [name for name in names if _config(brokers, name)["message.timestamp.type"] == "CreateTime"]


def _differences(brokers: Brokers, existing: Mapping[str, int], stream: Stream) -> list[TopicDifference]:
    if stream.topic not in existing:
        return [TopicDifference(stream.topic, "missing", f"{stream.partitions} partitions", "no such topic")]
    declared = {"partitions": str(stream.partitions), **declared_config(stream)}
    there = {"partitions": str(existing[stream.topic]), **_config(brokers, stream.topic)}
    return [
        TopicDifference(stream.topic, name, value, there.get(name, "not set"))
        for name, value in declared.items()
        if there.get(name) != value
    ]


def create(brokers: Brokers, streams: Iterable[Stream], replication_factor: int) -> list[str]:
    """Create the declared topics that are missing, as `create_missing`. Raises KafkaUnavailable."""
    plans = [TopicPlan(stream.topic, stream.partitions, declared_config(stream)) for stream in streams]
    return create_missing(brokers, plans, replication_factor)


def create_missing(brokers: Brokers, plans: Sequence[TopicPlan], replication_factor: int) -> list[str]:
    """Create the missing topics and return their names; others stay as they are. Raises KafkaUnavailable."""
    existing = _existing_partitions(brokers)
    missing = {plan.name: plan for plan in plans if plan.name not in existing}
    new = [NewTopic(name, plan.partitions, replication_factor, config=plan.config) for name, plan in missing.items()]
    if not new:
        return []
    with brokers.asking(f"not all topics were created: {', '.join(missing)}") as admin:
        futures = admin.create_topics(new, operation_timeout=CREATE_TIMEOUT_SECONDS)
        return [name for name, future in futures.items() if _is_created(future)]


def _is_created(future: Any) -> bool:
    """Whether it was us: brokers may list a topic a moment after it was created."""
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise
    return True


def _existing_partitions(brokers: Brokers) -> dict[str, int]:
    """The number of partitions of each topic that exists."""
    with brokers.asking("the brokers did not answer") as admin:
        metadata = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _config(brokers: Brokers, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    with brokers.asking(f"topic {topic} was not described") as admin:
        entries = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_SECONDS)[resource].result()
    return {name: str(entry.value) for name, entry in entries.items()}
