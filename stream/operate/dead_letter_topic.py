"""Publishing dead letters: copies of those that wait, for people whose tools expect a topic.

They go to `<topic>.dlq`, which is no part of the catalog: key, value and headers as they came, then Kafka Connect's
headers (KIP-298) and ours. Published at least once: the note that a copy is there follows the copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]
from sqlalchemy import Engine, RowMapping, func, or_, select

from stream import moments
from stream.catalog import STREAMS
from stream.declaration.service_tables import DEAD_LETTER
from stream.errors import Stage
from stream.kafka import topics
from stream.kafka.source import KafkaUnavailable, admin_client, client_config, make_client
from stream.mysql import selection as selected
from stream.mysql.connection import read_connection, translated_errors
from stream.mysql.dead_letters import IS_WAITING, LogPart, headers_from_text, note_published
from stream.mysql.selection import Selection

SUFFIX = ".dlq"
CONNECT = "__connect.errors."
OURS = "stream.dead-letter."

CONNECT_STAGES = {
    Stage.DECODE: "VALUE_CONVERTER",
    Stage.VALIDATE: "TRANSFORMATION",
    Stage.WRITE: "TASK_PUT",
}
"""What Kafka Connect calls ours."""

RECORDS_MAX = 500
BYTES_MAX = 16 * 1024 * 1024
"""What is in memory at once, unless a single record is larger."""

HEADERS_BYTES_MAX = 64 * 1024
"""What our headers may add to the largest record of a topic."""

DELIVERY_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Published:
    """How many dead letters were copied to a topic."""

    topic: str
    records: int


class Publisher:
    """Publishes selected dead letters that wait: new ones alone, or again all."""

    def __init__(self, database: Engine, properties: Mapping[str, str], selection: Selection, *, again: bool) -> None:
        self._database = database
        self._properties = properties
        self._selection = selection
        is_new = DEAD_LETTER.c.published_on.is_(None)
        now = moments.now()
        self._wanted = or_(is_new, DEAD_LETTER.c.published_on < now) if again else is_new

    def create_topics(self, replication_factor: int, retention_days: int) -> list[str]:
        """Create the topics that are missing; their names. Raises KafkaUnavailable."""
        names = {part.topic for part in self._parts()}
        wanted = [
            NewTopic(
                name + SUFFIX,
                num_partitions=1,
                replication_factor=replication_factor,
                config={
                    "retention.ms": str(retention_days * 24 * 3600 * 1000),  # no longer than the row keeps it
                    "max.message.bytes": str(_record_bytes_max(name)),
                },
            )
            for name in sorted(names)
        ]
        return topics.create_missing(admin_client(self._properties), wanted)

    def count(self) -> int:
        """How many there are to publish. Raises DatabaseUnavailable."""
        query = select(func.count()).where(IS_WAITING, self._selection.condition(), self._wanted)
        with read_connection(self._database) as connection:
            return int(connection.execute(query.select_from(DEAD_LETTER)).scalar_one())

    def run(self) -> Iterator[Published]:
        """Publish, and tell of it batch by batch. Raises KafkaUnavailable and DatabaseUnavailable."""
        for part in self._parts():
            producer = self._producer(part.topic)
            after = -1
            while rows := self._next(part, after):
                _deliver(producer, part.topic + SUFFIX, rows)
                offsets = [row["kafka_offset"] for row in rows]
                self._note_published(part, offsets)
                after = offsets[-1]
                yield Published(part.topic + SUFFIX, len(rows))

    def _parts(self) -> list[LogPart]:
        with read_connection(self._database) as connection:
            return selected.parts_waiting(connection, self._selection)

    def _next(self, part: LogPart, after: int) -> Sequence[RowMapping]:
        with read_connection(self._database) as connection:
            offsets = selected.offsets_waiting(
                connection,
                self._selection,
                part,
                after=after,
                records_max=RECORDS_MAX,
                bytes_max=BYTES_MAX,
                also=self._wanted,
            )
            query = select(DEAD_LETTER).where(part.holds_at(offsets))
            return connection.execute(query.order_by(DEAD_LETTER.c.kafka_offset)).mappings().all() if offsets else []

    def _note_published(self, part: LogPart, offsets: Sequence[int]) -> None:
        with translated_errors(), self._database.begin() as connection:
            note_published(connection, part, offsets)

    def _producer(self, topic: str) -> Producer:
        largest = {"message.max.bytes": _record_bytes_max(topic)}
        safe = {"acks": "all", "enable.idempotence": True}
        producer: Producer = make_client(Producer, {**largest, **client_config(self._properties), **safe})
        return producer


def headers_of(row: RowMapping) -> list[tuple[str, str | bytes | None]]:
    """The record's own headers, and behind them what tells where it was and why it was rejected.

    There is no stack trace: the reason is a code of the runbook, and a trace could hold values.
    """
    reason = f"{row['stage']}: {row['reason']}" + (f" (field {row['field']})" if row["field"] else "")
    connect = {
        "topic": row["topic"],
        "partition": row["kafka_partition"],
        "offset": row["kafka_offset"],
        "connector.name": "stream",
        "task.id": 0,
        "stage": CONNECT_STAGES[Stage(row["stage"])],
        "class.name": f"stream.{row['stage']}",
        "exception.class.name": "stream.errors.Rejection",
        "exception.message": reason,
    }
    ours = {
        "stage": row["stage"],
        "reason": row["reason"],
        "field": row["field"],
        "topic-id": row["topic_id"],
        "record-time": row["record_time"].isoformat(),
        "first-rejected-on": row["first_rejected_on"].isoformat(),
        "last-rejected-on": row["last_rejected_on"].isoformat(),
        "attempts": row["attempts"],
        # Where it is false, key and value are null although the record had some: read it from the topic.
        "has-content": str(row["record_headers"] is not None).lower(),
    }
    added = {CONNECT + name: text for name, text in connect.items()} | {
        OURS + name: text for name, text in ours.items()
    }
    told = [(name, str(text).encode()) for name, text in added.items() if text is not None]
    return [*headers_from_text(row["record_headers"]), *told]


def _deliver(producer: Producer, topic: str, rows: Sequence[RowMapping]) -> None:
    """Raises KafkaUnavailable where not all are known to have arrived."""
    failed: list[str] = []

    def note(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failed.append(error.name())

    for row in rows:
        # Without the record's own time, by which Kafka would remove an old one at once; a header tells it.
        producer.produce(topic, row["record_value"], row["record_key"], headers=headers_of(row), on_delivery=note)
    if producer.flush(DELIVERY_SECONDS_MAX) or failed:
        codes = f" ({', '.join(sorted(set(failed)))})" if failed else ""
        raise KafkaUnavailable(f"{topic} did not take all records{codes}: run it again, which publishes the rest")


def _record_bytes_max(topic: str) -> int:
    stream = STREAMS.get(topic)
    return (stream.max_message_bytes if stream else 4 * 1024 * 1024) + HEADERS_BYTES_MAX
