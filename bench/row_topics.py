"""Topics of preformatted rows, for a peer that knows our tables but not our events: one topic for each table, of the
same name, whose records are the rows that `stream` would write, duplicates too, in the log's order and partitions.

They are in Avro with Confluent's framing, their schemas in a registry; moments say that they are microseconds in the
way that Debezium's connectors say it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fastavro import parse_schema, schemaless_writer
from sqlalchemy import Column, Table
from sqlalchemy.dialects import mysql

from bench.ground import Ground
from bench.origins import Row, row_columns, row_values, topic_origins
from bench.workload import Tell, Workload
from deploy.local import Registry
from stream.kafka.client import admin_client
from stream.produce import Kind, Message, publish
from stream.schemas.framing import confluent_header

MOMENT: Mapping[str, Any] = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp", "connect.version": 1}

Maker = Callable[[Any], Any]


def publish_rows(ground: Ground, workload: Workload, registry: Registry, tell: Tell) -> None:
    """Publish the workload's rows into topics made anew, and their schemas. Raises RuntimeError where some got lost."""
    ground.empty_topics(workload.table_names)
    topics = [NewTopic(name, workload.stream.partitions, 1) for name in workload.table_names]
    admin = admin_client({"bootstrap.servers": ground.kafka.bootstrap_servers})
    for made in admin.create_topics(topics).values():
        made.result()
    writers = {feed.table.name: _Writer.of(feed.table, row_columns(feed), registry) for feed in workload.route.feeds}
    wanted = workload.count * len(writers)
    properties = {"bootstrap.servers": ground.kafka.bootstrap_servers}
    published = publish(
        _messages(ground, workload, writers), properties, progress=lambda sent: tell(sent // len(writers))
    )
    if published.delivered_count != wanted:
        raise RuntimeError(f"only {published.delivered_count} of {wanted} rows reached Kafka")


def _messages(ground: Ground, workload: Workload, writers: Mapping[str, _Writer]) -> Iterator[Message]:
    """The rows under the keys of their records, which lead them into the same partitions."""
    for origins in topic_origins(ground, workload):
        for feed in workload.route.feeds:
            name = feed.table.name
            for origin in origins:
                value = writers[name].encoded(row_values(feed, origin))
                yield Message(name, origin.record.key, value, [], Kind.EVENT)


@dataclass(frozen=True)
class _Writer:
    """The Avro of one table's rows."""

    header: bytes
    schema: Any
    makers: Mapping[str, Maker]

    @classmethod
    def of(cls, table: Table, names: tuple[str, ...], registry: Registry) -> _Writer:
        """The writer of rows with these columns, whose schema is registered for the table's topic."""
        forms = {name: _form(table.c[name]) for name in names}
        fields = [{"name": name, "type": kind} for name, (kind, _) in forms.items()]
        schema = {"type": "record", "name": table.name, "fields": fields}
        client = SchemaRegistryClient({"url": registry.url})
        schema_id = client.register_schema(f"{table.name}-value", Schema(json.dumps(schema), "AVRO"))
        return cls(confluent_header(schema_id), parse_schema(schema), {name: make for name, (_, make) in forms.items()})

    def encoded(self, row: Row) -> bytes:
        datum = {
            name: None if value is None else maker(value)
            for (name, maker), value in zip(self.makers.items(), row, strict=True)
        }
        content = BytesIO()
        content.write(self.header)
        schemaless_writer(content, self.schema, datum)
        return content.getvalue()


def _form(column: Column[Any]) -> tuple[Any, Maker]:
    """A column's Avro type, and the maker of a datum from a row's value, in which bytes are hexadecimal digits."""
    kind: Any
    make: Maker
    if isinstance(column.type, mysql.DATETIME):
        kind, make = MOMENT, int
    elif isinstance(column.type, mysql.BINARY):
        kind, make = "bytes", bytes.fromhex
    elif column.type.python_type is int:
        kind, make = "long", int
    else:
        kind, make = "string", str
    return (["null", kind] if column.nullable else kind), make
