"""A workload: one record type's events in its topic, published once and read by every contender."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from confluent_kafka import Consumer, KafkaException, TopicPartition
from sqlalchemy import Table

from bench.ground import HASH_KEY, Ground
from stream.catalog import STREAMS
from stream.declaration.routes import Route
from stream.declaration.streams import Stream
from stream.hashing import Hasher
from stream.kafka.brokers import Brokers
from stream.kafka.topics import create
from stream.produce import Message, Plan, publish, synthesize
from stream.produce.plan import record_names
from stream.records import Record
from stream.schemas.readers import Readers
from stream.schemas.store import SchemaStore

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
"""A fixed moment, so that two runs have the same events. All business dates are late, as in a backfill."""

REPEATED_AFTER = 20_000
"""Messages between an event and its duplicate: a batch or two."""

SEED = 1
MORE_SEED = 2
QUIET_SEED = 3
BUSY_SEED = 4
OTHERS_SEED = 5
"""Another seed: different seeds are about different entities."""

ALL_TOPICS = "all topics"

READ_RECORDS_MAX = 5000
READ_SECONDS_MAX = 30.0

Tell = Callable[[int], None]
"""A function that is told the number of records that are done."""


@dataclass(frozen=True)
class Workload:
    """`count` events of one record type, each about an entity of its own, so that each becomes new rows; but for
    duplicates, which are a part of them."""

    count: int
    record_name: str
    duplicates_percent: int = 0
    is_recent: bool = False
    """Whether business dates lie in the days before now, as in live operation."""

    @property
    def title(self) -> str:
        """The workload's name in the results."""
        duplicates = [f"{self.duplicates_percent} % duplicates"] if self.duplicates_percent else []
        return ", ".join([self.record_name, *duplicates, *(["recent dates"] if self.is_recent else [])])

    @cached_property
    def stream(self) -> Stream:
        return next(stream for stream in STREAMS.values() if self.record_name in record_names([stream.topic]))

    @cached_property
    def route(self) -> Route:
        return next(route for route in self.stream.bound_routes if route.record_name == self.record_name)

    @property
    def topic(self) -> str:
        return self.stream.topic

    def readers(self) -> Readers:
        """The readers that decode the topic's records."""
        return SchemaStore(hasher=Hasher.parse(HASH_KEY)).readers(self.topic)

    @property
    def tables(self) -> list[Table]:
        return [feed.table for feed in self.route.feeds]

    @property
    def table_names(self) -> list[str]:
        return [table.name for table in self.tables]

    @property
    def streams(self) -> list[Stream]:
        return [self.stream]

    def row_count(self, _ground: Ground) -> int:
        """The number of rows that the workload's records become."""
        return (self.count - self._duplicates) * len(self.tables)

    @property
    def _duplicates(self) -> int:
        return self.count * self.duplicates_percent // 100

    def messages(self, seed: int = SEED) -> Iterator[Message]:
        until = datetime.now(UTC) if self.is_recent else UNTIL
        count = self.count - self._duplicates
        plan = Plan(seed=seed, until=until, count=count, records=(self.record_name,))
        repeated: deque[tuple[int, Message]] = deque()
        for number, message in enumerate(synthesize(plan)):
            yield message
            if number * self._duplicates // count < (number + 1) * self._duplicates // count:
                repeated.append((number + REPEATED_AFTER, message))
            if repeated and repeated[0][0] <= number:
                yield repeated.popleft()[1]
        yield from (message for _, message in repeated)

    def publish(self, ground: Ground, tell: Tell, seed: int = SEED) -> None:
        """Make the topic where it is missing and fill it."""
        properties = {"bootstrap.servers": ground.kafka.bootstrap_servers}
        create(Brokers(properties), self.streams, replication_factor=1)
        published = publish(self.messages(seed), properties, progress=tell)
        if published.delivered_count != self.count:
            raise RuntimeError(f"only {published.delivered_count} of {self.count} records reached Kafka")

    def read(self, ground: Ground) -> Iterator[tuple[int, list[Record]]]:
        """The records back from Kafka: pieces of partitions, each with the partition's number."""
        consumer = Consumer(
            {
                "bootstrap.servers": ground.kafka.bootstrap_servers,
                "group.id": "bench-reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
            }
        )
        consumer.assign([TopicPartition(self.topic, number, 0) for number in range(self.stream.partitions)])
        remaining = self.count
        while remaining:
            messages = consumer.consume(min(READ_RECORDS_MAX, remaining), READ_SECONDS_MAX)
            if not messages:
                raise RuntimeError(f"Kafka gives no more records of {self.topic}: {remaining} are missing")
            remaining -= len(messages)
            pieces: dict[int, list[Record]] = {}
            for message in messages:
                if message.error() is not None:
                    raise KafkaException(message.error())
                pieces.setdefault(message.partition() or 0, []).append(
                    Record(message.offset() or 0, message.timestamp()[1], message.key(), message.value())
                )
            yield from pieces.items()
        consumer.close()


@dataclass(frozen=True)
class Mixture(Workload):
    """`count` events of all topics, as riders' days bring them about."""

    record_name: str = ALL_TOPICS

    @property
    def streams(self) -> list[Stream]:
        return list(STREAMS.values())

    def row_count(self, ground: Ground) -> int:
        return ground.count_rows_sent()

    def messages(self, seed: int = SEED) -> Iterator[Message]:
        return synthesize(Plan(seed=seed, until=UNTIL, count=self.count))
