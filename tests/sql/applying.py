"""The product's line without Kafka: records of made-up partitions, decoded and written to a real database."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Table

from stream.errors import TransactionConflict
from stream.mysql import part, send
from stream.mysql.look import look
from stream.mysql.rows import WrittenSlice
from stream.mysql.write import Writer
from stream.records import Claim, Record, Slice, TopicPartition
from stream.schemas.decoder import Decoder
from stream.stages.decode import DecodedSlice, decode_slice
from stream.stages.upsert import upsert_statement
from tests import events
from tests.databases import Database
from tests.events import RECORDED_MS, TOPICS, Datum
from tests.model import LogRecord
from tests.stores import STORE

READERS = {topic: STORE.readers(topic) for topic in set(TOPICS.values())}
DECODER = Decoder(READERS)
GROUP_ID = "sql"
TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"

law = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""For a property that holds for any log. Each example takes a database some tenths of a second, on both servers; each
run of the tests draws others."""


class Applier:
    """Appends records to partitions and applies them, in transactions as the caller cuts them."""

    def __init__(
        self,
        database: Database,
        owner: str = "tester",
        group_id: str = GROUP_ID,
        *,
        resolves: bool = False,
        rewrites: bool = False,
    ) -> None:
        engine = database.engine(for_lane=True)
        self.writer = Writer(engine, group_id, owner, resolves=resolves, rewrites=rewrites)
        self.claims: dict[TopicPartition, Claim] = {}
        self.log: list[LogRecord] = []
        self._ends: dict[TopicPartition, int] = defaultdict(int)

    def claim(self, topic: str, partition: int = 0) -> Claim:
        where = TopicPartition(topic, partition)
        if where not in self.claims:
            self.claims[where] = Claim(where, TOPIC_ID)
            self.writer.claim(self.claims[where])
        return self.claims[where]

    def slice(self, topic: str, records: Iterable[Record], partition: int = 0) -> DecodedSlice:
        """Append records (their offsets are set here) and decode them."""
        claim = self.claim(topic, partition)
        start = self._ends[claim.topic_partition]
        appended = [record._replace(offset=start + number) for number, record in enumerate(records)]
        self._ends[claim.topic_partition] = start + len(appended)
        self.log += [
            LogRecord(topic, partition, record.offset, record.timestamp_ms, record.key, record.value)
            for record in appended
        ]
        piece = Slice(claim, start, start + len(appended), appended, complete_through_ms=RECORDED_MS)
        return decode_slice(piece, READERS[topic])

    def write(self, *slices: DecodedSlice) -> list[WrittenSlice]:
        return self.writer.write(slices)

    def persist(self, *slices: DecodedSlice) -> list[WrittenSlice]:
        """Write as a lane does it: again where another transaction was in the way."""
        while True:
            with contextlib.suppress(TransactionConflict):
                return self.write(*slices)

    def apply(self, *data: tuple[str, Datum], partition: int = 0) -> WrittenSlice:
        """Append events of one topic and apply them in one transaction."""
        (topic,) = {TOPICS[name] for name, _ in data}
        return self.write(self.slice(topic, [events.record(name, datum) for name, datum in data], partition))[0]

    def close(self) -> None:
        self.writer.close()


def come_between(monkeypatch: pytest.MonkeyPatch, database: Database, *data: tuple[str, Datum]) -> None:
    """Have another process apply events right behind the next look at what is stored."""

    def look_and_others(*about: Any) -> Any:
        seen = look(*about)
        monkeypatch.setattr(part, "look", look)
        other = Applier(database, "other", "another group")
        other.apply(*data)
        other.close()
        return seen

    monkeypatch.setattr(part, "look", look_and_others)


def upserts_sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that are upserted from here on, statement by statement."""
    sent: list[int] = []

    def noted(table: Table, rows_json: bytes, *, rewrites: bool) -> bytes:
        sent.append(len(json.loads(rows_json)))
        return upsert_statement(table, rows_json, rewrites=rewrites)

    monkeypatch.setattr(send, "upsert_statement", noted)
    return sent


def outcomes(written: WrittenSlice, table: str) -> Sequence[int]:
    """inserted, updated, unchanged, suppressed of a table."""
    rows = written.rows[table]
    assert rows.sent == rows.inserted + rows.updated + rows.unchanged + rows.suppressed
    return (rows.inserted, rows.updated, rows.unchanged, rows.suppressed)
