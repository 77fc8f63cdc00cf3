"""Questions to the coordinator of a consumer group: who is in it, and what it has committed to Kafka. Each raises
KafkaUnavailable where no answer comes in time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.brokers import ANSWER_SECONDS_MAX, Brokers
from stream.kafka.client import REQUEST_TIMEOUT_SECONDS, our_partitions
from stream.records import TopicPartition


@dataclass(frozen=True)
class Member:
    """A process in a consumer group."""

    member_id: str
    name: str
    """Client, host and id, for people."""
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True)
class Group:
    """A consumer group, as its coordinator has it."""

    members: Sequence[Member]
    is_stable: bool
    """Whether all its partitions are given out, and nobody is joining or leaving."""
    is_inactive: bool
    """Whether nobody is in it, nor joining or leaving."""


def group(brokers: Brokers, group_id: str) -> Group:
    """The group, as its coordinator has it; one that never was is empty."""
    with brokers.asking("the group's coordinator did not answer") as admin:
        answers = admin.describe_consumer_groups([group_id], request_timeout=REQUEST_TIMEOUT_SECONDS)
        described = answers[group_id].result(ANSWER_SECONDS_MAX)
    return Group(
        members=[_member(each) for each in described.members],
        is_stable=described.state is ConsumerGroupState.STABLE,
        is_inactive=not described.members and described.state in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD),
    )


def committed(brokers: Brokers, group_id: str, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """The offsets that the group has committed to Kafka, without partitions where it has none."""
    wanted = [ConsumerGroupTopicPartitions(group_id, [KafkaPartition(*each) for each in partitions])]
    with brokers.asking("Kafka did not tell the group's offsets") as admin:
        futures = admin.list_consumer_group_offsets(wanted, request_timeout=REQUEST_TIMEOUT_SECONDS)
        (answer,) = [future.result(ANSWER_SECONDS_MAX) for future in futures.values()]
    known = [each for each in answer.topic_partitions or [] if each.offset >= 0]
    return {TopicPartition(each.topic, each.partition): each.offset for each in known}


def commit(brokers: Brokers, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit a group's offsets to Kafka, while nobody is in the group."""
    positions = [KafkaPartition(*each, offset) for each, offset in offsets.items()]
    wanted = [ConsumerGroupTopicPartitions(group_id, positions)]
    with brokers.asking("Kafka did not take the group's offsets") as admin:
        futures = admin.alter_consumer_group_offsets(wanted, request_timeout=REQUEST_TIMEOUT_SECONDS)
        for future in futures.values():
            future.result(ANSWER_SECONDS_MAX)


def _member(member: Any) -> Member:
    name = f"{member.group_instance_id or member.client_id} on {member.host.lstrip('/')} ({member.member_id})"
    return Member(member.member_id, name, frozenset(our_partitions(member.assignment.topic_partitions)))
