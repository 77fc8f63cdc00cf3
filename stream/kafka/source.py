"""The edge to Kafka: one consumer that fetches a partition once it is claimed in MySQL.

Kafka's client is asked for bytes and for who holds what; it never decodes, never commits by itself, and never
decides where to begin: MySQL's progress does.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.errors import TerminalError
from stream.kafka import groups
from stream.kafka.brokers import Brokers
from stream.kafka.client import (
    ErrorLog,
    admin_client,
    consumer_config,
    does_answer,
    make_client,
    our_partitions,
    record_of,
)
from stream.records import Record, TopicPartition

log = structlog.get_logger(__name__)

ASTRAY = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)
"""The codes that the client reports where a position is not in the log (`auto.offset.reset` is `error`)."""

CUT_OFF_SECONDS = 3.0
"""The time for which the brokers have to answer others, and not our consumer, until it is replaced."""

CLOSING = "closing"
"""The name of the threads that wait for clients to close."""

CLOSE_SECONDS_MAX = 5.0
"""The most that leaving the group may take: while the brokers are away the client waits for them beyond the 30 s that a
stop has. The group misses us after the session's timeout."""

OnPartitions = Callable[[list[TopicPartition]], None]
"""Told of the partitions that the group gives or takes."""


@dataclass(slots=True)
class Fetched:
    """The yield of one poll for one partition."""

    records: list[Record] = field(default_factory=list)
    is_astray: bool = False
    """The log has no record at our position: it was cut, or the topic was made anew."""
    end_offset: int | None = None
    """The partition's end, behind any gap, as of the poll that reached it; None where the poll did not."""


class Source:
    """The consumer of some topics in a group."""

    def __init__(self, properties: Mapping[str, str], group_id: str) -> None:
        self._group_id = group_id
        self._properties = properties
        config = self._config()
        is_cooperative = "cooperative" in str(config.get("partition.assignment.strategy"))
        self.is_incremental = is_cooperative or config.get("group.protocol") == "consumer"
        self.brokers = Brokers(properties)
        self._on_assign: OnPartitions
        self._subscription: dict[str, Any] = {}
        self._errors = ErrorLog()
        self._consumer: Any = self._make_consumer()
        self._brokers_down = False
        self._is_refused = False
        """Whether brokers refused our login since the last poll."""
        self._reachable_since: float | None = None
        self._rest_at = 0.0
        """The moment, in `time.monotonic()` seconds, until which messages are gathered behind those that came last."""

    def subscribe(
        self, topics: Sequence[str], *, on_assign: OnPartitions, on_revoke: OnPartitions, on_lost: OnPartitions
    ) -> None:
        """Take part in the group. What it says of partitions is passed on inside `poll`."""
        self._on_assign = on_assign
        taken = {"on_revoke": partial(self._taken, on_revoke), "on_lost": partial(self._taken, on_lost)}
        self._subscription = {"topics": list(topics), "on_assign": self._assigned, **taken}
        self._join()

    def _make_consumer(self) -> Any:
        return make_client(KafkaConsumer, {**self._config(), "error_cb": self._note_error}, self._errors)

    def _config(self) -> dict[str, Any]:
        return consumer_config(self._properties, self._group_id)

    @property
    def trouble(self) -> str | None:
        """The trouble that keeps the consumer from the brokers or its group until a person ends it; from any thread."""
        trouble = self._errors.trouble
        return None if trouble is None else f"{trouble}: {trouble.note}"

    def _join(self) -> None:
        self._consumer.subscribe(**self._subscription)

    def poll(self, records_max: int, linger_seconds: float) -> dict[TopicPartition, Fetched]:
        """The next records, at most `records_max`, each partition's in order; none where none comes for a while. Raises
        TerminalError where the group has shut this member out for good."""
        fetched: defaultdict[tuple[str, int], Fetched] = defaultdict(Fetched)
        for message in self._gathered(records_max, linger_seconds):
            where = (message.topic(), message.partition())
            brought = fetched[where]
            error = message.error()
            if error is None:
                brought.records.append(record_of(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                brought.end_offset = message.offset()
            elif error.code() in ASTRAY:
                brought.is_astray = True
            else:
                self._judge(error, where[0])
        if self._is_refused:
            self._renew_password()
        return {TopicPartition(*where): brought for where, brought in fetched.items()}

    def _gathered(self, messages_max: int, linger_seconds: float) -> list[Any]:
        """The next messages: after a rest the first at once, and those that follow soon together. So an event of a
        quiet topic is not kept waiting, and those of a busy one are few transactions."""
        messages: list[Any] = self._consumer.consume(messages_max, max(0.0, self._rest_at - time.monotonic()))
        if not messages:
            messages = self._consumer.consume(1, linger_seconds)
            if messages and messages_max > 1:
                messages += self._consumer.consume(messages_max - 1, 0)
        if messages:
            self._rest_at = time.monotonic() + linger_seconds
        return messages

    def fetch(self, positions: Mapping[TopicPartition, int], anew: Collection[TopicPartition]) -> None:
        """Fetch these partitions from now on, and no others; `anew` are those that begin, or begin again, at their
        positions. The positions of the others say where they stand.

        A partition that is to rest is left out, not paused: librdkafka may lose what is to pause or resume a partition
        while it is being assigned, or the group rebalances, and then the partition stands still for ever (#5591). Nor
        is it assigned at a logical offset to be sought later: an answer about the end that was under way when the seek
        came overrides it.
        """
        if not self.is_incremental:
            self._consumer.assign([KafkaPartition(*each, offset) for each, offset in positions.items()])
            return
        held = set(our_partitions(self._consumer.assignment()))
        undisturbed = held & (positions.keys() - set(anew))
        self._stop_fetching(self._consumer, held - undisturbed)
        begun = positions.keys() - undisturbed
        if begun:
            self._consumer.incremental_assign([KafkaPartition(*each, positions[each]) for each in begun])

    @staticmethod
    def _stop_fetching(consumer: KafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Those of them that are fetched, if any."""
        held = our_partitions(consumer.assignment())
        consumer.incremental_unassign([KafkaPartition(*each) for each in held if each in partitions])

    def inform(self, offsets: Mapping[TopicPartition, int], *, wait: bool = False) -> None:
        """Commit offsets to Kafka, for tools that show lag; MySQL's progress is what counts."""
        if not offsets:
            return
        positions = [KafkaPartition(*each, offset) for each, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=positions, asynchronous=not wait)
        except KafkaException as error:
            log.info("offsets not committed to kafka", error=error.args[0].name(), effect="lag tools lag behind")

    # Questions to the brokers, which raise KafkaUnavailable. A source of ranges answers these by itself.

    def end_offsets(self, topics: Collection[str]) -> dict[TopicPartition, int]:
        return self.brokers.end_offsets(topics)

    def is_member_holding(self, topic_partition: TopicPartition) -> bool | None:
        """Whether the group says that this member holds the partition; None while it is rebalancing."""
        group = groups.group(self.brokers, self._group_id)
        if not group.is_stable:
            return None
        member_id = self._consumer.memberid()
        return any(each.member_id == member_id and topic_partition in each.partitions for each in group.members)

    # A client that may be cut off, and the end.

    def is_cut_off(self) -> bool:
        """Whether the consumer has lost sight of the brokers for good, although they answer others. A broker that has
        just started may say that the cluster has no brokers; the client then forgets them all and has nobody left to
        ask (librdkafka #5301)."""
        if not self._brokers_down:
            return False
        if does_answer(self._consumer):
            self._brokers_down = False
        if not self._brokers_down or not does_answer(admin_client(self._properties)):
            self._reachable_since = None
            return False
        self._reachable_since = self._reachable_since or time.monotonic()
        return time.monotonic() - self._reachable_since >= CUT_OFF_SECONDS

    def replace(self) -> None:
        """Go on with another consumer, in the place of one that is cut off. The caller has forgotten its partitions."""
        cut_off, self._consumer = self._consumer, self._make_consumer()
        self._brokers_down = False
        self._reachable_since = None
        # It may never end: then it waits, without brokers and without work, for the end of the process.
        threading.Thread(target=cut_off.close, name=CLOSING, daemon=True).start()
        self._join()

    def close(self) -> None:
        """Leave the group; the partitions are revoked first, in callbacks that run while the caller waits."""
        closing = threading.Thread(target=self._consumer.close, name=CLOSING, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS_MAX)
        if closing.is_alive():
            log.warning("group not left", effect="it gives our partitions away after the session's timeout")

    def _judge(self, error: KafkaError, topic: str | None) -> None:
        # The client hands a fatal error out inside one that isn't marked as such.
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise TerminalError(
                f"Kafka shut this consumer out ({error.name()}): another process has the same group.instance.id, "
                "or the group was changed; give each process its own and start again"
            )
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:
            log.warning(
                "silent for too long",
                effect="the group gave our partitions to others, and gives some back now; nothing is lost",
                todo="find what held this process up, or raise STREAM_KAFKA_MAX_POLL_INTERVAL_MS",
            )
        else:
            self._errors.note(error, topic=topic)

    def _note_error(self, error: KafkaError) -> None:
        self._brokers_down |= error.code() == KafkaError._ALL_BROKERS_DOWN
        self._errors.note(error)
        self._is_refused |= error.code() == KafkaError._AUTHENTICATION

    def _renew_password(self) -> None:
        """Log in by the password that its file holds now. Not where the error is noted: the client takes no calls from
        within a callback."""
        self._is_refused = False
        name, password = self._properties.get("sasl.username"), self._properties.get("sasl.password")
        if name and password:
            self._consumer.set_sasl_credentials(name, password)

    def _assigned(self, consumer: KafkaConsumer, partitions: list[KafkaPartition]) -> None:
        if consumer is not self._consumer:
            return  # a consumer that was replaced
        self._errors.note_answer()
        # Nothing is fetched before the claim says where to begin; but the client waits for an answer.
        if self.is_incremental:
            self._consumer.incremental_assign([])
        else:
            self._consumer.assign([])
        self._on_assign(our_partitions(partitions))

    def _taken(self, tell: OnPartitions, consumer: KafkaConsumer, partitions: list[KafkaPartition]) -> None:
        taken = our_partitions(partitions)
        if consumer is self._consumer:
            tell(taken)
        if self.is_incremental:
            # Of no partition as well: without an answer the client takes all of them by itself, and fails where one is
            # not fetched. What the poll had brought was lost then, and a callback later in the same poll met the error
            # of the one before as a `SystemError`.
            self._stop_fetching(consumer, taken)
