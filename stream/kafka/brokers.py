"""Questions to the brokers: their topics, and where the logs begin and end."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_INVALID, IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AclOperation, AdminClient, OffsetSpec  # type: ignore[attr-defined]

from stream import moments
from stream.errors import ConfigurationError, KafkaUnavailable, Trouble, release_frames
from stream.kafka.client import REQUEST_TIMEOUT_SECONDS, TROUBLES, ErrorLog, admin_client, does_answer, our_partitions
from stream.kafka.topic_ids import topic_id_of
from stream.records import TopicPartition

ANSWER_SECONDS_MAX = REQUEST_TIMEOUT_SECONDS + 1
"""The client gives up by itself a second before."""

FIRST_TRY_SHARE = 0.4
"""The share of the time that a broker has which the client picks by chance: the pick may have died, and the others not
know it yet. Another client picks anew."""

NO_LEADER = (KafkaError._NOENT, KafkaError.LEADER_NOT_AVAILABLE)
"""The codes for a partition without a leader; the first where no partition of a question has one."""

DENIED = "may not be read: grant our Kafka account READ on it"
UNREADABLE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "does not exist: run `stream topics create`",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: DENIED,
}
"""The brokers' codes that speak of one topic alone."""

EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Topic:
    """A topic as the brokers have it."""

    topic_id: str
    """Kafka's own id, which tells a topic from another one that later takes its name."""
    partitions: Sequence[TopicPartition]


@dataclass(frozen=True)
class Topics:
    """The answer about some topics, by name."""

    readable: Mapping[str, Topic]
    unreadable: Mapping[str, str]
    """The reason why we can't read it, and the remedy."""

    def required(self) -> Mapping[str, Topic]:
        """All of them. Raises ConfigurationError where any can't be read."""
        if self.unreadable:
            whys = "; ".join(f"{name} {why}" for name, why in self.unreadable.items())
            raise ConfigurationError(f"not all topics can be read: {whys}")
        return self.readable


class Watermarks(NamedTuple):
    """The first offset that a partition still has, and the one after its last."""

    low: int
    high: int


class Log(NamedTuple):
    """The log of one partition, as the brokers have it."""

    topic_id: str
    low: int
    """The first offset that is still there."""
    high: int
    """The offset behind the last record, those of open transactions included."""
    committed_end: int
    """The end for readers of committed records: an open transaction's records are yet to come."""


class Brokers:
    """Questions to the brokers, from any thread. Each raises KafkaUnavailable where no answer comes in time."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        """Raises ConfigurationError for a property that librdkafka doesn't know."""
        self._properties = properties
        self._errors = ErrorLog()
        self._admin: AdminClient | None = admin_client(properties, self._errors)

    @contextmanager
    def asking(self, complaint: str) -> Iterator[AdminClient]:
        """The client for a question. Where no answer comes, it raises KafkaUnavailable with the complaint. Another
        client asks the next question then: a client whose broker restarted may have forgotten that broker, and times
        out for ever (librdkafka's issue 5301); and another one reads its secrets anew."""
        admin, errors = self._client(complaint), self._errors
        try:
            yield admin
        except (KafkaException, TimeoutError) as error:
            release_frames(error)
            self._admin = None
            refusal = error.args[0] if isinstance(error, KafkaException) else None
            code = "" if refusal is None else f" ({refusal.name()})"
            raise KafkaUnavailable(complaint + code, _reason(admin, errors, refusal)) from None
        errors.note_answer()

    def _client(self, complaint: str) -> AdminClient:
        admin = self._admin
        if admin is None:
            self._errors = ErrorLog(was_answered=self._errors.was_answered)
            try:
                admin = self._admin = admin_client(self._properties, self._errors)
            except ConfigurationError as error:  # a file that was there when we started
                raise KafkaUnavailable(f"{complaint} ({error})") from None
        return admin

    def describe(self, names: Collection[str], *, with_rights: bool = True) -> Topics:
        """Topics by name: those that we may read, and those that we can't. Without our rights it is a quicker question,
        and a topic that we see counts as one that we may read."""
        try:
            return self._describe(names, with_rights, FIRST_TRY_SHARE * REQUEST_TIMEOUT_SECONDS)
        except KafkaUnavailable:
            return self._describe(names, with_rights, (1 - FIRST_TRY_SHARE) * REQUEST_TIMEOUT_SECONDS)

    def _describe(self, names: Collection[str], with_rights: bool, timeout_seconds: float) -> Topics:
        with self.asking(f"the brokers did not describe {', '.join(names)}") as admin:
            futures = admin.describe_topics(
                TopicCollection(list(names)), include_authorized_operations=with_rights, request_timeout=timeout_seconds
            )
            answers = {name: _topic(name, future) for name, future in futures.items()}
        return Topics(
            readable={name: answer for name, answer in answers.items() if isinstance(answer, Topic)},
            unreadable={name: answer for name, answer in answers.items() if isinstance(answer, str)},
        )

    def topic_ids(self, names: Collection[str]) -> dict[str, str]:
        """Kafka's own ids of topics, without those that we don't see."""
        return {name: topic.topic_id for name, topic in self.describe(names, with_rights=False).readable.items()}

    def logs(self, names: Collection[str]) -> dict[TopicPartition, Log]:
        """The logs of topics, in the order of topics and partitions. Raises ConfigurationError for a topic that can't
        be read, and KafkaUnavailable where a partition has no leader as well."""
        logs = self.logs_or_none(names)
        require_leaders([each for each, log in logs.items() if log is None])
        return {each: log for each, log in logs.items() if log is not None}

    def logs_or_none(self, names: Collection[str]) -> dict[TopicPartition, Log | None]:
        """The same, with None for a partition that has no leader."""
        topics = self.describe(names).required()
        partitions = sorted(each for topic in topics.values() for each in topic.partitions)
        watermarks = self.watermarks(partitions)
        ends = self._offsets(partitions, LATEST, IsolationLevel.READ_COMMITTED)
        return {
            each: Log(topics[each.topic].topic_id, *watermarks[each], ends[each])
            if each in watermarks and each in ends
            else None
            for each in partitions
        }

    def watermarks(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Watermarks]:
        """The first offset that each partition still has, and the one after its last; without partitions that no
        broker answers for, such as those without a leader."""
        low, high = self._offsets(partitions, EARLIEST), self.high_watermarks(partitions)
        return {each: Watermarks(low[each], high[each]) for each in low if each in high}

    def high_watermarks(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last of each partition, records of open transactions included; likewise."""
        return self._offsets(partitions, LATEST)

    def end_offsets(self, names: Collection[str]) -> dict[TopicPartition, int]:
        """The ends of topics' partitions, for readers of committed records. Raises what `logs` does."""
        return {partition: log.committed_end for partition, log in self.logs(names).items()}

    def offsets_at(self, partitions: Collection[TopicPartition], moment: datetime) -> dict[TopicPartition, int]:
        """The first offset of each partition whose record is of the moment (UTC, without a zone) or younger; partitions
        without such a record are left out.
        """
        at = OffsetSpec.for_timestamp(max(moments.to_millis(moment), 0))  # less means something else, such as the end
        return self._offsets(partitions, at)

    def _offsets(
        self,
        partitions: Collection[TopicPartition],
        at: Any,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[TopicPartition, int]:
        """The offsets, by partition, where there are any. Raises KafkaUnavailable where no broker answers."""
        if not partitions:
            return {}
        wanted = {KafkaPartition(*each): at for each in partitions}
        with self.asking("the brokers did not tell where partitions begin and end") as admin:
            futures = admin.list_offsets(wanted, isolation_level=isolation, request_timeout=REQUEST_TIMEOUT_SECONDS)
            answers = dict(zip(our_partitions(futures), map(_offset_or_error, futures.values()), strict=True))
            errors = [answer for answer in answers.values() if isinstance(answer, Exception)]
            if len(errors) == len(answers) and not (all(map(_is_leaderless, errors)) and does_answer(admin)):
                raise errors[0]
        if TimeoutError in map(type, errors):  # a leader is gone, and this client hasn't heard of it
            self._admin = None
        return {each: answer for each, answer in answers.items() if isinstance(answer, int) and answer >= 0}


def require_leaders(leaderless: Collection[TopicPartition]) -> None:
    """Raises KafkaUnavailable where any partition has no leader, which is what these have not."""
    if leaderless:
        names = ", ".join(map(str, leaderless))
        raise KafkaUnavailable(f"no broker tells where {names} begins and ends: bring back a broker that leads it")


def _reason(admin: AdminClient, errors: ErrorLog, refusal: KafkaError | None) -> Trouble:
    """A question that isn't answered times out, whatever is wrong; what is wrong the client has reported."""
    admin.poll(0)
    told = None if refusal is None else TROUBLES.get(refusal.code())
    return told or errors.trouble or Trouble.KAFKA_UNAVAILABLE


def _topic(name: str, future: Any) -> Topic | str:
    """A topic that was asked for; else the reason why it can't be read, and the remedy."""
    try:
        topic = future.result(ANSWER_SECONDS_MAX)
    except KafkaException as error:
        remedy = UNREADABLE.get(error.args[0].code())
        if remedy is None:
            raise
        release_frames(error)
        return remedy
    operations = topic.authorized_operations
    if operations and AclOperation.READ not in operations:
        return DENIED
    return Topic(topic_id_of(topic), [TopicPartition(name, each.id) for each in topic.partitions])


def _offset_or_error(future: Any) -> int | KafkaException | TimeoutError:
    try:
        offset = int(future.result(ANSWER_SECONDS_MAX).offset)
    except KafkaException as error:
        release_frames(error)
        return error
    return TimeoutError() if offset == OFFSET_INVALID else offset


def _is_leaderless(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in NO_LEADER
