"""Topics of preformatted rows, for a peer that knows our tables but not our events: one topic for each table, of the
same name, whose records are the rows that `stream` would write, duplicates too, in the log's order and partitions.

They are in Avro with Confluent's framing, their schemas in a registry; moments say that they are microseconds in the
way that Debezium's connectors say it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from confluent_kafka import Producer
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
from stream.produce.publish import PRODUCER_CONFIG
from stream.schemas.framing import confluent_header

MOMENT: Mapping[str, Any] = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp", "connect.version": 1}

FLUSH_SECONDS_MAX = 60.0


def publish_rows(ground: Ground, workload: Workload, registry: Registry, tell: Tell) -> None:
    """Publish the workload's rows into topics made anew, and their schemas. Raises RuntimeError where some got lost."""
    ground.empty_topics(workload.table_names)
    topics = [NewTopic(name, workload.stream.partitions, 1) for name in workload.table_names]
    admin = admin_client({"bootstrap.servers": ground.kafka.bootstrap_servers})
    for made in admin.create_topics(topics).values():
        made.result()
    writers = {feed.table.name: _Writer.of(feed.table, row_columns(feed), registry) for feed in workload.route.feeds}
    producer = Producer({"bootstrap.servers": ground.kafka.bootstrap_servers, **PRODUCER_CONFIG})
    published = 0
    for origins in topic_origins(ground, workload):
        for feed in workload.route.feeds:
            writer = writers[feed.table.name]
            for origin in origins:
                value = writer.encoded(row_values(feed, origin))
                producer.produce(feed.table.name, value, origin.record.key, partition=origin.partition)
            producer.flush(FLUSH_SECONDS_MAX)
        tell(published := published + len(origins))
    if producer.flush(FLUSH_SECONDS_MAX) or published != workload.count:
        raise RuntimeError(f"not all {workload.count} rows reached Kafka")


@dataclass(frozen=True)
class _Writer:
    """The Avro of one table's rows."""

    header: bytes
    schema: Any
    makers: Mapping[str, Callable[[Any], Any]]

    @classmethod
    def of(cls, table: Table, names: tuple[str, ...], registry: Registry) -> _Writer:
        """The writer of rows with these columns, whose schema is registered for the table's topic."""
        fields = [{"name": name, "type": _avro_type(table.c[name])} for name in names]
        schema = {"type": "record", "name": table.name, "fields": fields}
        client = SchemaRegistryClient({"url": registry.url})
        schema_id = client.register_schema(f"{table.name}-value", Schema(json.dumps(schema), "AVRO"))
        makers = {name: _maker(table.c[name]) for name in names}
        return cls(confluent_header(schema_id), parse_schema(schema), makers)

    def encoded(self, row: Row) -> bytes:
        datum = {
            name: None if value is None else maker(value)
            for (name, maker), value in zip(self.makers.items(), row, strict=True)
        }
        content = BytesIO()
        content.write(self.header)
        schemaless_writer(content, self.schema, datum)
        return content.getvalue()


def _avro_type(column: Column[Any]) -> Any:
    kind: Any = "string"
    if isinstance(column.type, mysql.DATETIME):
        kind = MOMENT
    elif isinstance(column.type, mysql.BINARY):
        kind = "bytes"
    elif column.type.python_type is int:
        kind = "long"
    return ["null", kind] if column.nullable else kind


def _maker(column: Column[Any]) -> Callable[[Any], Any]:
    """The maker of a column's datum from a row's value, in which bytes are hexadecimal digits."""
    if isinstance(column.type, mysql.BINARY):
        return bytes.fromhex
    if column.type.python_type is int or isinstance(column.type, mysql.DATETIME):
        return int
    return str
