"""Kafka's client: its configuration, its errors, and its messages as records. All of `kafka/` shares these."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import methodcaller
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from stream.errors import ConfigurationError
from stream.every import Clock, Every
from stream.records import Headers, Record, TopicPartition

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT_SECONDS = 5.0
"""The most that a question to the brokers may take: the poller asks them between polls."""

SESSION_TIMEOUT_MS = 6_000
"""A killed process's partitions are at work elsewhere after about this long; the brokers' default minimum."""

SESSION_TIMEOUT_MS_NAMED = 30_000
"""The same of a process with a `group.instance.id`: a restart within this time disturbs nobody. `stream` is back after
3 to 7 s; the rest is for whoever restarts it. The partitions of one that is gone for good wait as long."""

QUEUED_KBYTES_MAX = 2 * 1024
"""The most that librdkafka fetches ahead: some 20,000 small records. It counts payload only, and keeps 400 bytes beside
each record."""

FETCH_BACKOFF_MS = 20
"""The rest that librdkafka takes when that much is fetched. The default, a second, starves us with so small a queue."""

RECONNECT_BACKOFF_MS_MAX = 1_000
"""The longest wait between attempts to reach a broker. The default, 10 s, leaves us idle that long after it is back."""

METADATA_REFRESH_MS = 5_000
"""The time after which partitions that were added to a topic are noticed."""

REPORT_SECONDS = 60.0
"""The rest between two log lines about the same error: while the brokers are away it comes twenty times a second."""

LOOK_SECONDS = 0.5
"""The time that a client is given to show that the brokers answer it, between two polls."""

SILENT = logging.getLogger("librdkafka")
"""librdkafka's own lines repeat what its callbacks report, in another format."""
SILENT.disabled = True

Client = TypeVar("Client")


def client_config(properties: Mapping[str, str]) -> dict[str, Any]:
    """The configuration that all our clients share; `properties` come from the settings and win."""
    return {"client.id": "stream", "logger": SILENT, "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MS_MAX, **properties}


def consumer_config(properties: Mapping[str, str], group_id: str) -> dict[str, Any]:
    """The configuration of a consumer, with nothing that matters left to a default."""
    classic = properties.get("group.protocol", "classic") == "classic"
    group = {
        "session.timeout.ms": SESSION_TIMEOUT_MS_NAMED if properties.get("group.instance.id") else SESSION_TIMEOUT_MS,
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


def make_client(make: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    """A client of Kafka's. librdkafka passes over properties of another kind of client. Raises ConfigurationError for a
    property that it doesn't know, or a value that it refuses."""
    try:
        return make(config)
    except KafkaException as error:
        raise ConfigurationError(f"STREAM_KAFKA_…: librdkafka refuses a property ({error.args[0].str()})") from None


def admin_client(properties: Mapping[str, str]) -> AdminClient:
    """A client for questions. Raises ConfigurationError for a property that librdkafka doesn't know."""
    return make_client(AdminClient, {**client_config(properties), "error_cb": ErrorLog().note})


def does_answer(client: Any) -> bool:
    """Whether the brokers answer the client."""
    try:
        client.list_topics(timeout=LOOK_SECONDS)
    except KafkaException:
        return False
    return True


class ErrorLog:
    """Logs a client's errors, each kind now and then."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._reports = defaultdict[int, Every](lambda: Every(REPORT_SECONDS, clock))

    def note(self, error: KafkaError, **where: object) -> None:
        if self._reports[error.code()].take():
            effect = "polling goes on; the client reconnects by itself"
            log.warning("kafka reports", error=error.name(), effect=effect, **where)


def record_of(message: Message) -> Record:
    """The record of a message that was consumed."""
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
    """The headers, which only dead letters use; none where the client can't hand them out, for a name is not UTF-8."""
    try:
        return _headers_of(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()


def our_partitions(partitions: Iterable[KafkaPartition]) -> list[TopicPartition]:
    """The partitions that Kafka's client names, in our own words."""
    return [TopicPartition(each.topic, each.partition) for each in partitions]
