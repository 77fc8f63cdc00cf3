"""Publishing dead letters: copies of those that wait, for people whose tools expect a topic.

They go to `<topic>.dlq`, which is no part of the catalog: key, value and headers as they came, then Kafka Connect's
headers (KIP-298) and ours. Published at least once: the note that a copy is there follows the copy.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Engine, RowMapping, func, or_, select

from stream import moments
from stream.catalog import STREAMS
from stream.declaration import Stream
from stream.declaration.service_tables import DEAD_LETTER
from stream.errors import Stage
from stream.kafka import topics
from stream.kafka.brokers import Brokers
from stream.kafka.publisher import Outgoing, Publisher
from stream.kafka.topics import TopicPlan
from stream.mysql import selection as selected
from stream.mysql.connection import read_connection, translated_errors
from stream.mysql.dead_letters import IS_WAITING, LogPart, headers_from_text, note_published
from stream.mysql.selection import Selection

SUFFIX = ".dlq"
CONNECT = "__connect.errors."
OURS = "stream.dead-letter."

CONNECT_STAGES = {Stage.DECODE: "VALUE_CONVERTER", Stage.VALIDATE: "TRANSFORMATION", Stage.WRITE: "TASK_PUT"}
"""Kafka Connect's names for our stages."""

HEADERS_BYTES_MAX = 64 * 1024
"""The most that our headers add to the largest record of a topic."""


class DeadLetterTopics:
    """The topics `<topic>.dlq`, filled with selected dead letters that wait: new ones alone, or again all."""

    def __init__(self, database: Engine, properties: Mapping[str, str], selection: Selection, *, again: bool) -> None:
        self._database = database
        self._properties = properties
        self._selection = selection
        is_new = DEAD_LETTER.c.published_on.is_(None)
        now = moments.now()
        self._wanted = or_(is_new, DEAD_LETTER.c.published_on < now) if again else is_new

    def create(self, replication_factor: int, retention_days: int) -> list[str]:
        """Create the topics that are missing and return their names. Raises KafkaUnavailable."""
        kept = {"retention.ms": str(retention_days * 24 * 3600 * 1000)}  # no longer than the row keeps it
        plans = [
            TopicPlan(name + SUFFIX, 1, {**kept, "max.message.bytes": str(_record_bytes_max(name))})
            for name in sorted({part.topic for part in self._parts()})
        ]
        return topics.create_missing(Brokers(self._properties), plans, replication_factor)

    def count(self) -> int:
        """The number of dead letters to publish. Raises DatabaseUnavailable."""
        query = select(func.count()).where(IS_WAITING, self._selection.condition(), self._wanted)
        with read_connection(self._database) as connection:
            return int(connection.execute(query.select_from(DEAD_LETTER)).scalar_one())

    def fill(self) -> Iterator[tuple[str, int]]:
        """Publish, and tell batch by batch how many copies a topic got. Raises KafkaUnavailable and
        DatabaseUnavailable."""
        for part in self._parts():
            publisher = Publisher(self._properties, record_bytes_max=_record_bytes_max(part.topic))
            for offsets in selected.offsets_waiting(self._database, self._selection, part, also=self._wanted):
                query = select(DEAD_LETTER).where(part.holds_at(offsets), IS_WAITING)
                with read_connection(self._database) as connection:
                    rows = connection.execute(query.order_by(DEAD_LETTER.c.kafka_offset)).mappings().all()
                # Without the record's own time, by which Kafka would remove an old one at once; a header tells it.
                copies = [Outgoing(row["record_key"], row["record_value"], headers_of(row)) for row in rows]
                publisher.publish(part.topic + SUFFIX, copies)
                with translated_errors(), self._database.begin() as connection:
                    note_published(connection, part, [row["kafka_offset"] for row in rows])
                yield part.topic + SUFFIX, len(rows)

    def _parts(self) -> list[LogPart]:
        with read_connection(self._database) as connection:
            return selected.parts_waiting(connection, self._selection)


def headers_of(row: RowMapping) -> list[tuple[str, str | bytes | None]]:
    """The record's own headers, and behind them what tells where it was and why it was rejected. There is no stack
    trace: the reason is a code of the runbook, and a trace could hold values."""
    reason = f"{row['stage']}: {row['reason']}" + (f" (field {row['field']})" if row["field"] else "")
    added = {
        f"{CONNECT}topic": row["topic"],
        f"{CONNECT}partition": row["kafka_partition"],
        f"{CONNECT}offset": row["kafka_offset"],
        f"{CONNECT}connector.name": "stream",
        f"{CONNECT}task.id": 0,
        f"{CONNECT}stage": CONNECT_STAGES[Stage(row["stage"])],
        f"{CONNECT}class.name": f"stream.{row['stage']}",
        f"{CONNECT}exception.class.name": "stream.errors.Rejection",
        f"{CONNECT}exception.message": reason,
        f"{OURS}stage": row["stage"],
        f"{OURS}reason": row["reason"],
        f"{OURS}field": row["field"],
        f"{OURS}topic-id": row["topic_id"],
        f"{OURS}record-time": row["record_time"].isoformat(),
        f"{OURS}first-rejected-on": row["first_rejected_on"].isoformat(),
        f"{OURS}last-rejected-on": row["last_rejected_on"].isoformat(),
        f"{OURS}attempts": row["attempts"],
        # Where it is false, key and value are null although the record had some: read it from the topic.
        f"{OURS}has-content": str(row["record_headers"] is not None).lower(),
    }
    told = [(name, str(text).encode()) for name, text in added.items() if text is not None]
    return [*headers_from_text(row["record_headers"]), *told]


def _record_bytes_max(topic: str) -> int:
    return STREAMS.get(topic, Stream).max_message_bytes + HEADERS_BYTES_MAX
