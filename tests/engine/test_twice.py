"""The same events in two orders, drained in two ways into two databases, give the same tables, byte by byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom
from typing import Any

import pymysql
import pytest
from sqlalchemy import Table, make_url
from sqlalchemy.dialects import mysql

from stream.catalog import STREAMS
from stream.declaration.persons import PersonKind
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import LINEAGE_COLUMNS
from stream.produce import Framing, Message, Plan, synthesize
from tests.balance import assert_row_ledger
from tests.broker import Broker
from tests.databases import Database
from tests.engine.conftest import StartService

UNTIL = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
"""Not long ago: Kafka would delete older records at once."""

PUBLISHED_FROM_MS = int(UNTIL.timestamp() * 1000)
FETCH_ROWS = 10_000
RECORDS_A_SECOND_MIN = 1000
"""Far less than it takes, for a busy machine."""

NAMED = f"person_kind <> '{PersonKind.RESEARCH}'"
"""The markers of those whom events name."""

REASON_HEADER = "synthetic-reason"

FIRST_WAY = {"lanes": 2}
SECOND_WAY = {"lanes": 5, "batch_records_max": 777}


def mixture(count: int, seed: int) -> list[Message]:
    plan = Plan(
        seed=seed,
        until=UNTIL,
        count=count,
        duplicate_share=0.05,
        late_share=0.05,
        broken_share=0.01,
        older_version_share=0.1,
        framing=Framing.MIXED,
    )
    return list(synthesize(plan))


def publish(broker: Broker, numbered: Sequence[tuple[int, Message]]) -> None:
    """Each with Kafka's timestamp from its number, for a tombstone's moment is that."""
    producer = broker.producer(**{"linger.ms": 20, "compression.type": "lz4"})
    for number, one in numbered:
        while True:
            try:
                headers: Any = one.headers or None
                producer.produce(one.topic, one.value, one.key, headers=headers, timestamp=PUBLISHED_FROM_MS + number)
            except BufferError:
                producer.poll(0.1)
                continue
            break
    assert producer.flush(120) == 0


def fingerprints(database: Database) -> dict[str, str]:
    """A hash of each table's rows, but for where events came from and when they were loaded. A sweep marks the hashes
    that the erased have in the studies known by then, so these markers depend on the order."""
    tables = [table for stream in STREAMS.values() for table in stream.tables]
    found = {table.name: fingerprint(database, table, hidden=LINEAGE_COLUMNS) for table in tables}
    return {**found, ERASURE.name: fingerprint(database, ERASURE, hidden=("swept_on",), where=NAMED)}


def fingerprint(database: Database, table: Table, hidden: Sequence[str], where: str = "TRUE") -> str:
    """The bytes of each column, for a float's text would hide its last digits."""
    columns = [column for column in table.columns if column.name not in hidden]
    shown = ", ".join(
        f"HEX(CAST(`{one.name}` AS CHAR CHARACTER SET utf8mb4))"
        if not isinstance(one.type, mysql.BINARY)
        else f"HEX(`{one.name}`)"
        for one in columns
    )
    key = ", ".join(f"`{one.name}`" for one in table.primary_key)
    digest = hashlib.sha256()
    count = 0
    for row in _rows(database, f"SELECT {shown} FROM `{table.name}` WHERE {where} ORDER BY {key}"):
        digest.update(repr(row).encode())
        count += 1
    return f"{count} rows {digest.hexdigest()}"


def _rows(database: Database, query: str) -> Iterator[tuple[Any, ...]]:
    """Unbuffered: a million rows need not be here at once."""
    url = make_url(database.server.admin_url(database.name))
    connection = pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        charset="utf8mb4",
        cursorclass=pymysql.cursors.SSCursor,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(FETCH_ROWS):
            yield from rows


def dead_letters(database: Database) -> Counter[tuple[Any, ...]]:
    """But for their attempts: one that was emptied before its person's return came is tried again."""
    names = ("topic", "stage", "reason", "field", "status", "record_key", "record_value")
    return Counter(tuple(row[name] for name in names) for row in database.rows("dead_letter"))


def assert_ledgers_balance(database: Database, group_id: str, count: int) -> None:
    progress = [row for row in database.rows("progress") if row["group_id"] == group_id]
    for row in progress:
        parts = row["records_written"] + row["records_superseded"] + row["records_dead_lettered"]
        assert row["records_consumed"] == parts, row
    assert sum(row["records_consumed"] for row in progress) == count
    assert_row_ledger(database, group_id)


def assert_the_broken_are_dead_letters(database: Database, messages: Sequence[Message]) -> None:
    announced = Counter((one.topic, reason) for one in messages if (reason := dict(one.headers).get(REASON_HEADER)))
    found = Counter((row["topic"], row["reason"].encode()) for row in database.rows("dead_letter"))
    assert found == announced


@pytest.mark.parametrize(
    "count", [pytest.param(3_000), pytest.param(1_000_000, marks=[pytest.mark.million, pytest.mark.timeout(3600)])]
)
def test_two_orders_give_the_same_bytes(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService, count: int
) -> None:
    seed = SystemRandom().randrange(1_000_000)
    numbered = list(enumerate(mixture(count, seed)))
    other = Database(mysql.server, "stream_twice")
    found = []
    try:
        for database, way in ((mysql, FIRST_WAY), (other, SECOND_WAY)):
            publish(broker, numbered)
            consumer = start_service("--until-caught-up", database_url=database.url, **way)
            consumer.assert_ends(0, 60 + count / RECORDS_A_SECOND_MIN)
            assert_ledgers_balance(database, stream_settings["STREAM_GROUP_ID"], count)
            assert_the_broken_are_dead_letters(database, [message for _, message in numbered])
            found.append((fingerprints(database), dead_letters(database)))
            Random(seed).shuffle(numbered)
            broker.renew()
    finally:
        mysql.server.drop_database("stream_twice")
    (tables, letters), (other_tables, other_letters) = found
    assert [name for name, bytes_ in tables.items() if bytes_ != other_tables[name]] == [], f"seed {seed}"
    assert letters == other_letters, f"seed {seed}"
