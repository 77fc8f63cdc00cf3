"""Redrive: dead letters go through the same line again, and are resolved in the transaction that writes their rows.

Each transaction takes some dead letters of one partition. Kafka's log and the schema registry are asked before it, for
nobody is to wait for its locks meanwhile. Its order of effects, numbered here, in `_transact` and in `apply_again`:

1. lock the partition's ledger of redriven records, for which an erasure's sweep waits
2. lock the dead letters; those that no longer wait are left alone
3. decode, validate, compact and upsert, as a lane does
4. keep what is rejected again: the same row, an attempt more, the newest reason; resolve the others
5. add to the ledger of rows of group `(redrive)`
6. note the periods that rollups have to sum again, and late dates
7. add to the ledger of records
8. commit

So it can be killed, repeated, and run beside consumers: the version guard decides which event's state stays.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, Engine

from stream.errors import TransactionConflict
from stream.mysql import dead_letters, progress, touched
from stream.mysql.connection import read_connection, translated_errors
from stream.mysql.dead_letters import LogPart
from stream.mysql.selection import Selection, offsets_waiting, parts_waiting
from stream.mysql.write import settle, write_rows
from stream.records import Claim, Record, Slice
from stream.schemas.decoder import Decoder
from stream.schemas.readers import Readers
from stream.settings import LOOK_BACK_DAYS
from stream.stages.decode import decode_slice

ATTEMPTS_MAX = 10
RETRY_WAIT_SECONDS = 0.5
"""A transaction that meets others is tried again; after five seconds of it the person who asked gets to know."""

ReadLog = Callable[[LogPart, Sequence[int]], Mapping[int, Record]]
"""Reads records from Kafka's log; those that it no longer has are missing from the answer."""


@dataclass(frozen=True)
class Redriven:
    """Redriven dead letters by their outcome."""

    topic: str
    resolved: int = 0
    rejected_again: int = 0
    gone_from_log: int = 0
    """Nothing but their coordinates is kept, and the log no longer has them: they can only be discarded."""

    @property
    def records(self) -> int:
        return self.resolved + self.rejected_again + self.gone_from_log

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.topic,
            self.resolved + other.resolved,
            self.rejected_again + other.rejected_again,
            self.gone_from_log + other.gone_from_log,
        )


@dataclass(frozen=True)
class Redrive:
    """Redrives selected dead letters, each at most once."""

    database: Engine
    selection: Selection
    decoder: Decoder
    read_log: ReadLog
    look_back_days: int = LOOK_BACK_DAYS

    def run(self, records_max: int | None = None) -> Iterator[Redriven]:
        """Redrive at most so many, and tell what became of them batch by batch. Raises DatabaseUnavailable,
        TransactionConflict and KafkaUnavailable; what was told of is done by then."""
        left = sys.maxsize if records_max is None else records_max
        with read_connection(self.database) as connection:
            parts = parts_waiting(connection, self.selection)
        for part in parts:
            if part.topic not in self.decoder.readers:
                continue  # no longer in the catalog: nobody knows its events
            for offsets in offsets_waiting(self.database, self.selection, part, records_max=left):
                yield self._redrive(part, offsets)
                left -= len(offsets)

    def _redrive(self, part: LogPart, offsets: Sequence[int]) -> Redriven:
        with read_connection(self.database) as connection:
            without_content = dead_letters.without_content(connection, part, offsets)
        # Read before the transaction, whose locks are not to wait for Kafka.
        from_log = self.read_log(part, without_content) if without_content else {}
        readers = self._readers(part, offsets, from_log)
        for _ in range(ATTEMPTS_MAX - 1):
            with suppress(TransactionConflict):
                return self._transact(part, offsets, from_log, readers)
            time.sleep(RETRY_WAIT_SECONDS)
        return self._transact(part, offsets, from_log, readers)

    def _readers(self, part: LogPart, offsets: Sequence[int], from_log: Mapping[int, Record]) -> Readers:
        records = list(from_log.values())
        if self.decoder.registry is not None:
            with read_connection(self.database) as connection:
                rows = dead_letters.waiting(connection, part, offsets, is_locking=False)
            records += [record for row in rows if (record := dead_letters.record_of(row)) is not None]
        return self.decoder.readers_for(part.topic, records)

    def _transact(
        self, part: LogPart, offsets: Sequence[int], from_log: Mapping[int, Record], readers: Readers
    ) -> Redriven:
        with translated_errors(), self.database.begin() as connection:
            # 1. the ledger of redriven records
            progress.lock_redrive(connection, part.topic_partition, part.topic_id)
            # 2. the dead letters
            rows = dead_letters.waiting(connection, part, offsets, is_locking=True)
            read = (dead_letters.record_of(row) or from_log.get(row["kafka_offset"]) for row in rows)
            records = [record for record in read if record is not None]
            gone = len(rows) - len(records)
            if not records:
                return Redriven(part.topic, gone_from_log=gone)
            # 3. to 7.
            rejected = apply_again(connection, part, records, readers, self.look_back_days)
            # 8. commit, by leaving the block
            return Redriven(part.topic, len(records) - rejected, rejected, gone)


def apply_again(
    connection: Connection,
    part: LogPart,
    records: list[Record],
    readers: Readers,
    look_back_days: int,
    *,
    is_restoring: bool = False,
) -> int:
    """Apply records again, in the order of the log, within the caller's transaction, which has locked the partition's
    ledger of redriven records; the number of those that are rejected. `is_restoring` as in `settle`."""
    # 3. rows
    slice_ = Slice(Claim(part.topic_partition, part.topic_id), records[0].offset, records[-1].offset + 1, records)
    decoded = decode_slice(slice_, readers)
    (written,) = write_rows(connection, [decoded], late_before=touched.late_before(look_back_days))
    # 4. to 6. as a lane does
    resolve = dead_letters.resolve_records
    settle(connection, progress.REDRIVE_GROUP_ID, [written], resolve, is_restoring=is_restoring)
    # 7. the ledger of records
    progress.count_redriven(connection, part.topic_partition, written.records)
    return len(written.rejected)
