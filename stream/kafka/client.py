"""Kafka's client: its configuration, its errors, and its messages as records. All of `kafka/` shares these."""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from stream.errors import ConfigurationError, Trouble
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

FETCHED_BYTES_MAX = 512 * 1024
"""The most of one partition that a fetch brings: some 5,000 small records. Fetches of several partitions come
one partition after the other, and a lane has nothing to do until one of its own is polled: with the default, 1 MiB, two
of them fill the queue."""

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

TROUBLES = {
    KafkaError._SSL: Trouble.KAFKA_TLS,
    KafkaError._AUTHENTICATION: Trouble.KAFKA_LOGIN_REFUSED,
    KafkaError.SASL_AUTHENTICATION_FAILED: Trouble.KAFKA_LOGIN_REFUSED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: Trouble.KAFKA_LOGIN_REFUSED,
    KafkaError.ILLEGAL_SASL_STATE: Trouble.KAFKA_LOGIN_REFUSED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: Trouble.KAFKA_ACCESS_DENIED,
    KafkaError.GROUP_AUTHORIZATION_FAILED: Trouble.KAFKA_ACCESS_DENIED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: Trouble.KAFKA_ACCESS_DENIED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Trouble.KAFKA_ACCESS_DENIED,
}
"""The troubles that librdkafka's codes mean; the others are those of brokers that are away."""

FILES = ("ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location")

CLOSED_AT_ONCE = re.compile(r"connection closed by peer.*\(after \d{1,3}ms in state (APIVERSION_QUERY|UP)\)")
TROUBLE_SECONDS = 30.0
"""The time for which a trouble is told after it was last met: while it lasts, the client meets it every second."""

Client = TypeVar("Client")


def client_config(properties: Mapping[str, str]) -> dict[str, Any]:
    """The configuration that all our clients share; `properties` come from the settings and win."""
    return {"client.id": "stream", "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MS_MAX, **properties}


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
        "max.partition.fetch.bytes": FETCHED_BYTES_MAX,
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


def make_client(
    make: Callable[[dict[str, Any]], Client], config: Mapping[str, Any], errors: "ErrorLog | None" = None
) -> Client:
    """A client of Kafka's, which reports to `errors`. librdkafka passes over properties of another kind of client.
    Raises ConfigurationError for a property that it doesn't know, or a value that it refuses."""
    heard = errors or ErrorLog()
    for name in FILES:
        _require_readable(name, config.get(name, "probe"))
    try:
        return make({"error_cb": heard.note, "logger": heard.logger, **config})
    except KafkaException as error:
        raise ConfigurationError(f"STREAM_KAFKA_…: librdkafka refuses a property ({error.args[0].str()})") from None


def _require_readable(name: str, path: str) -> None:
    if path != "probe":  # librdkafka's word for the usual places
        try:
            Path(path).stat()
        except OSError as error:
            setting = f"STREAM_KAFKA_{name.replace('.', '_').upper()}"
            raise ConfigurationError(f"{setting}: the file can't be read ({error.strerror})") from None


def admin_client(properties: Mapping[str, str], errors: "ErrorLog | None" = None) -> AdminClient:
    """A client for questions. Raises ConfigurationError for a property that librdkafka doesn't know."""
    return make_client(AdminClient, client_config(properties), errors)


def does_answer(client: Any) -> bool:
    """Whether the brokers answer the client."""
    try:
        client.list_topics(timeout=LOOK_SECONDS)
    except KafkaException:
        return False
    return True


class ErrorLog:
    """Logs a client's errors, each kind now and then, and remembers the trouble that they speak of. A client calls it
    while it is polled."""

    def __init__(self, clock: Clock = time.monotonic, *, was_answered: bool = False) -> None:
        self.was_answered = was_answered
        """Whether brokers ever answered: then their port speaks our protocol."""
        self.logger = logging.Logger("librdkafka")
        self.logger.addHandler(_Listener(self._note_line))
        self._clock = clock
        self._reports = defaultdict[int, Every](lambda: Every(REPORT_SECONDS, clock))
        self._trouble: Trouble | None = None
        self._told_at = 0.0

    @property
    def trouble(self) -> Trouble | None:
        """The trouble of late that a person has to end; None while there is none. From any thread."""
        return self._trouble if self._clock() - self._told_at < TROUBLE_SECONDS else None

    def note(self, error: KafkaError, **where: object) -> None:
        trouble = TROUBLES.get(error.code())
        if trouble is None and "broker listener?" in error.str():  # librdkafka's guess, which has no code of its own
            trouble = Trouble.KAFKA_PROTOCOL
        self._remember(trouble)
        if self._reports[error.code()].take():
            todo = {} if trouble is None else {"trouble": trouble.value, "todo": trouble.note}
            log.warning("kafka reports", error=error.name(), effect="the client tries again by itself", **todo, **where)

    def note_answer(self) -> None:
        """The brokers did answer."""
        self._trouble, self.was_answered = None, True

    def _remember(self, trouble: Trouble | None) -> None:
        if trouble is not None:
            self._trouble, self._told_at = trouble, self._clock()

    def _note_line(self, line: str) -> None:
        """Notice a port that speaks another protocol: it takes connections and closes each at once. librdkafka has no
        error for that, only these lines; what else it logs repeats its errors."""
        if not self.was_answered and CLOSED_AT_ONCE.search(line):
            self._remember(Trouble.KAFKA_PROTOCOL)


class _Listener(logging.Handler):
    """Passes a logger's lines on, and prints none: they may hold names of hosts and accounts."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def emit(self, line: logging.LogRecord) -> None:
        self._note(line.getMessage())


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
