"""Contender (b): the batch loop that people usually write, as well as it is usually written.

    consume 1000 records → fastavro, with logical types → one `executemany` upsert per table → commit → commit offsets

It keeps none of our promises: whatever arrives last wins, one bad record stops it, and offsets are committed after
the rows. It checks nothing but what Avro and MySQL check. Run as `python -m bench.usual`, so that its CPU time and
memory are its own.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, KafkaException, Message
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form
from sqlalchemy import create_engine
from sqlalchemy.dialects.mysql import Insert, insert

from bench.ground import CHECKOUT, Ground
from bench.process import heard_lines, running_module
from bench.run import Observation, Run
from bench.workload import Tell, Workload

BATCH_RECORDS = 1000
POLL_SECONDS = 1.0
HEADER_BYTES = 10

Datum = dict[str, Any]
Row = dict[str, Any]


def main() -> None:
    """Drain a topic and print, after each batch, the number of records in the database."""
    options = json.loads(sys.stdin.readline())
    workload = Workload(options["count"], options["record_name"])
    engine = create_engine(options["url"])
    upserts = [(upsert(table), ROWS[table.name]) for table in workload.tables]
    readers = load_readers(workload.topic)
    consumer = Consumer(
        {
            "bootstrap.servers": options["bootstrap_servers"],
            "group.id": options["group_id"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([workload.topic])
    applied = 0
    while applied < workload.count:
        messages = consumer.consume(BATCH_RECORDS, POLL_SECONDS)
        if not messages:
            continue
        data = [(message, decode(message, readers)) for message in messages]
        with engine.begin() as connection:
            for statement, row_of in upserts:
                connection.execute(statement, [{**row_of(datum), **origin(message, datum)} for message, datum in data])
        consumer.commit(asynchronous=False)
        applied += len(messages)
        print(applied, flush=True)  # noqa: T201 - to the process that measures
    consumer.close()


def load_readers(topic: str) -> dict[bytes, Any]:
    """The topic's schemas by fingerprint."""
    schemas = [json.loads(path.read_text()) for path in (CHECKOUT / "schemas" / topic).glob("*.avsc")]
    return {
        bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")): parse_schema(schema)
        for schema in schemas
    }


def decode(message: Message, readers: dict[bytes, Any]) -> Datum:
    error, value = message.error(), message.value()
    if error is not None:
        raise KafkaException(error)
    assert isinstance(value, bytes)
    datum = schemaless_reader(BytesIO(value[HEADER_BYTES:]), readers[value[2:HEADER_BYTES]], None)
    assert isinstance(datum, dict)
    return datum


def upsert(table: Any) -> Insert:
    statement = insert(table)
    keys = {column.name for column in table.primary_key}
    return statement.on_duplicate_key_update(
        {column.name: statement.inserted[column.name] for column in table.columns if column.name not in keys}
    )


def origin(message: Message, datum: Datum) -> Row:
    """The columns that every table has."""
    event_id: UUID = datum["event_id"]
    return {
        "created_on": datum["occurred_at"],
        "modified_on": datum["occurred_at"],
        "event_time": datum["occurred_at"],
        "event_id": event_id.bytes,
        "kafka_partition": message.partition(),
        "kafka_offset": message.offset(),
        "loaded_on": datetime.now(UTC),
    }


def rating_row(datum: Datum) -> Row:
    return {
        "id": datum["rating_id"],
        "user_id": datum["user_id"],
        "trip_id": datum["trip_id"],
        "rating": datum["rating"],
        "feedback": datum["feedback"],
    }


def hntb_bytemark_pass_row(datum: Datum) -> Row:
    return {
        "bytemark_pass_id": datum["bytemark_pass_id"],
        "user_id": datum["user_id"],
        "logged_on": datum["logged_on"] or datum["occurred_at"],
    }


def bytemark_pass_row(datum: Datum) -> Row:
    return {**hntb_bytemark_pass_row(datum), "interaction": datum["interaction"]}


ROWS = {"user_rating": rating_row, "hntb_bytemark_pass": hntb_bytemark_pass_row, "bytemark_pass": bytemark_pass_row}


def drain_as_usual(contender: str, ground: Ground, workload: Workload, tell: Tell) -> Run:
    """Run the loop in a process of its own on fresh tables."""
    url = ground.fresh_database()
    options = {
        "record_name": workload.record_name,
        "count": workload.count,
        "url": url,
        "bootstrap_servers": ground.kafka.bootstrap_servers,
        "group_id": f"usual-{datetime.now(UTC).isoformat()}",
    }
    with running_module("bench.usual", options) as process:
        applied = map(int, heard_lines(process))
        return Observation(contender, ground, workload, [process.pid]).follow(applied, tell)


if __name__ == "__main__":
    main()
