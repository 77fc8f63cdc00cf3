"""The edge to Kafka: one consumer that fetches a partition once it is claimed in MySQL.

Kafka's client is asked for bytes and for who holds what; it never decodes, never commits by itself, and never
decides where to begin: MySQL's progress does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import methodcaller
from typing import Any, NamedTuple

import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import (
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
)
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from stream.errors import ConfigurationError, TerminalError, TransientError
from stream.records import Headers, Record, TopicPartition

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT_SECONDS = 5.0
"""How long a question to the brokers may take: the poller asks them between polls."""

SESSION_TIMEOUT_MS = 6_000
"""A killed process's partitions are at work elsewhere after about this long; the brokers' default minimum."""

QUEUED_KBYTES_MAX = 2 * 1024
"""What librdkafka may fetch ahead: some 20,000 small records. It counts payload only, and keeps 400 bytes beside each
record."""

FETCH_BACKOFF_MS = 20
"""How long it rests when that much is fetched. The default, a second, starves us with so small a queue."""


RECONNECT_BACKOFF_MS_MAX = 1_000
"""The longest wait between attempts to reach a broker. The default, 10 s, leaves us idle that long after it is back."""

ASTRAY = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)
"""What the client reports where a position is not in the log (`auto.offset.reset` is `error`)."""

METADATA_REFRESH_MS = 5_000
"""How soon partitions that were added to a topic are noticed."""


REPORT_SECONDS = 10.0
"""How often the same error of a client is logged: while the brokers are away it comes twenty times a second."""

LOOK_SECONDS = 0.5
"""How long a client that may be cut off is given to show that it isn't, between two polls."""

CUT_OFF_SECONDS = 3.0
"""How long the brokers have to answer others, and not our consumer, until it is replaced."""

CLOSING = "closing"
"""The name of a thread that waits for a client to close."""

CLOSE_SECONDS_MAX = 5.0
"""How long leaving the group may take: while the brokers are away the client waits for them beyond the 30 s that a stop
has. The group misses us after the session's timeout."""


class KafkaUnavailable(TransientError):
    """The brokers did not answer a question in time; polling goes on and it is asked again."""

    reason = "kafka_unavailable"


REMEDIES = {
    KafkaUnavailable.reason: "nothing, unless it lasts: then see that the brokers run and can be reached",
}
"""What a person does about it."""


def client_config(properties: Mapping[str, str]) -> dict[str, Any]:
    """What every client of ours has in common; `properties` come from the settings and win."""
    return {
        "client.id": "stream",
        "logger": _silent_logger(),
        "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MS_MAX,
        **properties,
    }


def consumer_config(properties: Mapping[str, str], group_id: str) -> dict[str, Any]:
    """The consumer's configuration, with nothing that matters left to a default."""
    classic = properties.get("group.protocol", "classic") == "classic"
    group = {
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": SESSION_TIMEOUT_MS // 4,
        "partition.assignment.strategy": "range",
    }
    return {
        # The consumer protocol refuses these three: there the brokers decide.
        **(group if classic else {}),
        "queued.max.messages.kbytes": QUEUED_KBYTES_MAX,
        "fetch.queue.backoff.ms": FETCH_BACKOFF_MS,
        "fetch.wait.max.ms": 100,
        "topic.metadata.refresh.interval.ms": METADATA_REFRESH_MS,
        **client_config(properties),
        # From here on nothing can be overridden: the promises depend on it.
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # where to begin is MySQL's to say; silence would skip records
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }


@dataclass(slots=True)
class Fetched:
    """What a poll brought for one partition."""

    records: list[Record] = field(default_factory=list)
    is_astray: bool = False
    """The log has no record at our position: it was cut, or the topic was made anew."""
    end_offset: int | None = None
    """Where the partition ended when the poll reached its end, behind any gap; None where it did not."""


class Watermarks(NamedTuple):
    """The first offset that a partition still has, and the one after its last."""

    low: int
    high: int


OnPartitions = Callable[[list[TopicPartition]], None]
"""Told of the partitions that the group gives or takes."""


def _ignore(_partitions: list[TopicPartition]) -> None:
    """Nobody has subscribed."""


class Source:
    """The consumer of some topics in a group."""

    def __init__(self, properties: Mapping[str, str], group_id: str) -> None:
        config = consumer_config(properties, group_id)
        self.group_id = group_id
        self.is_incremental = config.get("group.protocol") == "consumer" or "cooperative" in str(
            config.get("partition.assignment.strategy")
        )
        self._on_assign: OnPartitions = _ignore
        self._on_revoke: OnPartitions = _ignore
        self._on_lost: OnPartitions = _ignore
        self._errors = ErrorLog()
        self._config = config
        self._properties = properties
        self._consumer = self._new_consumer()
        self._brokers_down = False
        self._reachable_since: float | None = None
        self._brokers = Brokers(properties)

    def _new_consumer(self) -> Any:
        return make_client(KafkaConsumer, {**self._config, "error_cb": self._note_error})

    def subscribe(
        self, topics: Sequence[str], *, on_assign: OnPartitions, on_revoke: OnPartitions, on_lost: OnPartitions
    ) -> None:
        """Take part in the group. What it says of partitions is passed on inside `poll`."""
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        self._join(topics)

    def _join(self, topics: Sequence[str]) -> None:
        self._consumer.subscribe(list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def poll(self, records_max: int, timeout_seconds: float) -> dict[TopicPartition, Fetched]:
        """The next records, at most `records_max`, each partition's in order.

        Raises TerminalError where the group has shut this member out for good.
        """
        fetched: dict[tuple[str, int], Fetched] = {}
        for message in self._consumer.consume(records_max, timeout_seconds):
            where = (message.topic(), message.partition())
            one = fetched.get(where)
            if one is None:
                one = fetched[where] = Fetched()
            error = message.error()
            if error is None:
                one.records.append(record_of(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                one.end_offset = message.offset()
            elif error.code() in ASTRAY:
                one.is_astray = True
            else:
                self._judge(error, where[0])
        return {TopicPartition(*where): one for where, one in fetched.items()}

    def fetch(self, positions: Mapping[TopicPartition, int], anew: Collection[TopicPartition]) -> None:
        """Fetch these partitions from now on, and no others; `anew` are those that begin, or begin again, at their
        positions. The positions of the others say where they stand.

        A partition that is to rest is left out, not paused: librdkafka may lose what is to pause or resume a partition
        while it is being assigned, or the group rebalances, and then the partition stands still for ever (#5591). Nor
        is it assigned at a logical offset to be sought later: an answer about the end that was under way when the seek
        came overrides it.
        """
        if not self.is_incremental:
            self._consumer.assign([KafkaPartition(*one, offset) for one, offset in positions.items()])
            return
        held = self._fetched()
        undisturbed = held & (positions.keys() - set(anew))
        self._stop_fetching(held - undisturbed)
        begun = positions.keys() - undisturbed
        if begun:
            self._consumer.incremental_assign([KafkaPartition(*one, positions[one]) for one in begun])

    def _fetched(self) -> set[TopicPartition]:
        return set(_ours(self._consumer.assignment()))

    def _stop_fetching(self, partitions: Collection[TopicPartition]) -> None:
        if partitions:
            self._consumer.incremental_unassign([KafkaPartition(*one) for one in partitions])

    def inform(self, offsets: Mapping[TopicPartition, int], *, wait: bool = False) -> None:
        """Commit offsets to Kafka, for tools that show lag; MySQL's progress is what counts."""
        if not offsets:
            return
        positions = [KafkaPartition(*one, offset) for one, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=positions, asynchronous=not wait)
        except KafkaException as error:
            log.info("offsets not committed to kafka", error=error.args[0].name(), effect="lag tools lag behind")

    def watermarks(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Watermarks]:
        """The first offset that each still has and the one after its last, asked of the brokers for all at once.

        Raises KafkaUnavailable.
        """
        with self._brokers.asking() as admin:
            return watermarks(admin, partitions)

    def high_watermarks(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last of each, records of open transactions included, asked for all at once.

        Raises KafkaUnavailable.
        """
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        with self._brokers.asking() as admin:
            return _offsets(admin, partitions, latest, IsolationLevel.READ_UNCOMMITTED) if partitions else {}

    def cached_high_watermark(self, topic_partition: TopicPartition) -> int | None:
        """The partition's end as of the last fetch; None where nothing was fetched."""
        try:
            _, high = self._consumer.get_watermark_offsets(KafkaPartition(*topic_partition), cached=True)
        except KafkaException:
            return None
        return high if high >= 0 else None

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """As `Brokers.topic_ids`; says so where one is gone."""
        wanted = set(topics)
        ids = self._brokers.topic_ids(wanted)
        for topic in sorted(wanted - ids.keys()):
            log.warning("topic is gone", topic=topic, todo="create it again, or leave it out with --topic")
        return ids

    def is_member_holding(self, topic_partition: TopicPartition) -> bool | None:
        """Whether the group says that this member holds the partition; None while it is rebalancing.

        Raises KafkaUnavailable.
        """
        with self._brokers.asking() as admin:
            group = describe_group(admin, self.group_id)
        if group.state is not ConsumerGroupState.STABLE:
            return None
        member_id = self._consumer.memberid()
        wanted = KafkaPartition(*topic_partition)
        return any(
            member.member_id == member_id and wanted in member.assignment.topic_partitions for member in group.members
        )

    def end_offsets(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """Where each partition ends now for readers of committed records."""
        with self._brokers.asking() as admin:
            return end_offsets(admin, topics)

    def is_cut_off(self) -> bool:
        """Whether the consumer has lost sight of the brokers for good, although they answer others.

        A broker that has just started may say that the cluster has no brokers; the client then forgets them all and
        has nobody left to ask (librdkafka #5301).
        """
        if not self._brokers_down:
            return False
        if _does_answer(self._consumer):
            self._brokers_down = False
        if not self._brokers_down or not _does_answer(admin_client(self._properties)):
            self._reachable_since = None
            return False
        now = time.monotonic()
        self._reachable_since = self._reachable_since or now
        return now - self._reachable_since >= CUT_OFF_SECONDS

    def replace(self, topics: Sequence[str]) -> None:
        """Go on with another consumer, in the place of one that is cut off. The caller has forgotten its partitions."""
        cut_off, self._consumer = self._consumer, self._new_consumer()
        self._brokers_down = False
        self._reachable_since = None
        # It may never end: then it waits, without brokers and without work, for the end of the process.
        threading.Thread(target=cut_off.close, name=CLOSING, daemon=True).start()
        self._join(topics)

    def close(self) -> None:
        """Leave the group; the partitions are revoked first. The callbacks run while the caller waits."""
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

    def _assigned(self, consumer: KafkaConsumer, partitions: list[KafkaPartition]) -> None:
        if consumer is not self._consumer:
            return  # one that was replaced
        # Nothing is fetched before the claim says where to begin; but the client waits for an answer.
        if self.is_incremental:
            self._consumer.incremental_assign([])
        else:
            self._consumer.assign([])
        self._on_assign(_ours(partitions))

    def _revoked(self, consumer: KafkaConsumer, partitions: list[KafkaPartition]) -> None:
        if consumer is self._consumer:
            self._on_revoke(_ours(partitions))
            self._let_go(partitions)

    def _lost(self, consumer: KafkaConsumer, partitions: list[KafkaPartition]) -> None:
        if consumer is self._consumer:
            self._on_lost(_ours(partitions))
            self._let_go(partitions)

    def _let_go(self, partitions: Sequence[KafkaPartition]) -> None:
        """What the client would do by itself, and fails to where a partition isn't fetched."""
        if self.is_incremental:
            self._consumer.incremental_unassign(
                [KafkaPartition(*one) for one in self._fetched() & set(_ours(partitions))]
            )


class Brokers:
    """Questions to the brokers, from any thread."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._properties = properties
        self._admin = admin_client(properties)

    @contextmanager
    def asking(self) -> Iterator[AdminClient]:
        """The client that asks; the next question goes to another one where the brokers did not answer this.

        One whose broker restarted may have forgotten it, and then times out for ever.
        """
        try:
            yield self._admin
        except KafkaUnavailable:
            self._admin = admin_client(self._properties)
            raise

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Kafka's own ids of topics, which tell a topic from another one that later took its name; none for a topic
        that is gone.

        Raises KafkaUnavailable.
        """
        with self.asking() as admin:
            described = _descriptions(admin, topics)
        return {topic: str(one.topic_id) for topic, one in described.items() if one is not None}


def _does_answer(client: Any) -> bool:
    """Whether the brokers answer the client."""
    try:
        client.list_topics(timeout=LOOK_SECONDS)
    except KafkaException:
        return False
    return True


def admin_client(properties: Mapping[str, str]) -> AdminClient:
    """Raises ConfigurationError for a property that librdkafka doesn't know."""
    client: AdminClient = make_client(AdminClient, {**client_config(properties), "error_cb": ErrorLog().note})
    return client


def describe_group(admin: AdminClient, group_id: str) -> Any:
    """What the coordinator says of the group. Raises KafkaUnavailable."""
    try:
        described = admin.describe_consumer_groups([group_id], request_timeout=REQUEST_TIMEOUT_SECONDS)[group_id]
        return described.result(REQUEST_TIMEOUT_SECONDS)
    except (KafkaException, TimeoutError):
        raise KafkaUnavailable("the group's coordinator did not answer") from None


def describe_topics(admin: AdminClient, topics: Iterable[str]) -> dict[str, Any]:
    """Kafka's descriptions of topics.

    Raises KafkaUnavailable, and ConfigurationError where a topic doesn't exist.
    """
    described = _descriptions(admin, topics)
    for topic, one in described.items():
        if one is None:
            raise ConfigurationError(f"topic {topic} does not exist: run `stream topics create`")
    return described


def topic_ids(admin: AdminClient, topics: Iterable[str]) -> dict[str, str]:
    """As `Brokers.topic_ids`, but raises ConfigurationError where a topic doesn't exist."""
    return {topic: str(one.topic_id) for topic, one in describe_topics(admin, topics).items()}


def _descriptions(admin: AdminClient, topics: Iterable[str]) -> dict[str, Any]:
    """Kafka's descriptions of topics; None of one that doesn't exist. Raises KafkaUnavailable."""
    futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=REQUEST_TIMEOUT_SECONDS)
    described = {}
    for topic, future in futures.items():
        try:
            described[topic] = future.result(REQUEST_TIMEOUT_SECONDS + 1)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaUnavailable(f"topic {topic} not described: {error.args[0].name()}") from None
            described[topic] = None
        except TimeoutError:
            raise KafkaUnavailable(f"topic {topic} not described: no answer") from None
    return described


def end_offsets(admin: AdminClient, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """Where each partition ends now for readers of committed records.

    Raises KafkaUnavailable, and ConfigurationError where a topic doesn't exist.
    """
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    return _offsets(admin, _partitions(admin, topics), latest, IsolationLevel.READ_COMMITTED)


def offset_ranges(admin: AdminClient, topics: Iterable[str]) -> dict[TopicPartition, Watermarks]:
    """The first offset that each partition still has, and the one behind its last.

    Raises KafkaUnavailable, and ConfigurationError where a topic doesn't exist.
    """
    return watermarks(admin, _partitions(admin, topics))


def watermarks(admin: AdminClient, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Watermarks]:
    """The first offset that each partition still has, and the one behind its last. Raises KafkaUnavailable."""
    if not partitions:
        return {}
    earliest, latest = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
    low = _offsets(admin, partitions, earliest, IsolationLevel.READ_UNCOMMITTED)
    high = _offsets(admin, partitions, latest, IsolationLevel.READ_UNCOMMITTED)
    return {one: Watermarks(low[one], high[one]) for one in low}


def offsets_at(admin: AdminClient, partitions: Iterable[TopicPartition], moment: datetime) -> dict[TopicPartition, int]:
    """The first offset of each partition whose record is of the moment (UTC, without a zone) or younger; partitions
    without such a record are left out.

    Raises KafkaUnavailable.
    """
    milliseconds = round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    at = OffsetSpec.for_timestamp(max(milliseconds, 0))  # less than 0 means something else, such as the end
    found = _offsets(admin, partitions, at, IsolationLevel.READ_UNCOMMITTED)
    return {one: offset for one, offset in found.items() if offset >= 0}


def _partitions(admin: AdminClient, topics: Iterable[str]) -> list[TopicPartition]:
    described = describe_topics(admin, topics)
    return [TopicPartition(topic, partition.id) for topic, one in described.items() for partition in one.partitions]


def _offsets(
    admin: AdminClient, partitions: Iterable[TopicPartition], which: Any, isolation: IsolationLevel
) -> dict[TopicPartition, int]:
    wanted = {KafkaPartition(*one): which for one in partitions}
    futures = admin.list_offsets(wanted, isolation_level=isolation, request_timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        return {
            TopicPartition(one.topic, one.partition): future.result(REQUEST_TIMEOUT_SECONDS + 1).offset
            for one, future in futures.items()
        }
    except (KafkaException, TimeoutError):
        raise KafkaUnavailable("the brokers did not tell where partitions begin and end") from None


def record_of(message: Message) -> Record:
    """What a record that was consumed is to us."""
    # Typed as optional, or as text, for messages that are produced; what was consumed is as Record says.
    offset: Any = message.offset()
    key: Any = message.key()
    value: Any = message.value()
    # _make is a third quicker than the constructor, and this is done for every record.
    return Record._make((offset, message.timestamp()[1], key, value, _headers(message)))


_headers_of = methodcaller("headers")
"""Not `message.headers()`: the client leaves an error behind without saying so, and the interpreter looks for one only
after calls of this kind. Otherwise the next statement fails, or the one after it."""


def _headers(message: Message) -> Headers:
    """The headers; none where the client can't hand them out because one's name is not UTF-8.

    Only dead letters have a use for them: they must not end the process.
    """
    try:
        return _headers_of(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()


class ErrorLog:
    """Logs a client's errors, each kind now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until: dict[int, float] = {}

    def note(self, error: KafkaError, **where: object) -> None:
        if self._clock() >= self._quiet_until.get(error.code(), 0.0):
            self._quiet_until[error.code()] = self._clock() + REPORT_SECONDS
            log.warning(
                "kafka reports", error=error.name(), effect="polling goes on; the client reconnects by itself", **where
            )


def make_client(make: Callable[[dict[str, Any]], Any], config: dict[str, Any]) -> Any:
    """A client of Kafka's. What concerns another kind of client is passed over by librdkafka.

    Raises ConfigurationError for a property that it doesn't know, or a value that it refuses.
    """
    try:
        return make(config)
    except KafkaException as error:
        raise ConfigurationError(f"STREAM_KAFKA_…: librdkafka refuses a property ({error.args[0].str()})") from None


def _ours(partitions: Iterable[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in partitions]


def _silent_logger() -> Any:
    """librdkafka's own lines repeat what its callbacks report, in another format."""
    import logging

    logger = logging.getLogger("librdkafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
