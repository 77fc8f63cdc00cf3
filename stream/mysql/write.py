"""The write: rows, dead letters and progress of a batch in one MySQL transaction, fenced.

The order of effects, numbered here and in `Writer._transact`:

1. lock the progress rows and see that they are ours (fence)
2. upsert each slice's rows; where the database refuses a row, find its record and write the slice without it
3. keep the rejected records as dead letters; of those that pass in a replay, resolve them
4. add to the ledger of rows
5. note the periods that rollups have to sum again, and late dates
6. move progress, only where it is still ours
7. commit
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from stream.errors import DatabaseUnavailable, TransientError
from stream.mysql import dead_letters, progress
from stream.mysql import touched as changes
from stream.mysql.bisect import DecodedSlice, WrittenSlice, write_slice
from stream.mysql.connection import translated_errors
from stream.mysql.progress import Standing
from stream.records import Claim, TopicPartition
from stream.settings import LOOK_BACK_DAYS
from stream.stages.upsert import RowCounts


class Writer:
    """One lane's connection to MySQL and the transactions on it.

    Every method may raise DatabaseUnavailable, after which the connection is gone and the next call opens another.
    """

    def __init__(
        self,
        engine: Engine,
        group_id: str,
        owner: str,
        *,
        resolves: bool = False,
        look_back_days: int = LOOK_BACK_DAYS,
    ) -> None:
        self.engine = engine
        self.group_id = group_id
        self.owner = owner
        self._look_back_days = look_back_days
        self._resolves = resolves
        """Whether records may be among these that were rejected before, as in a replay: then those that pass now
        leave no dead letter waiting."""
        self._connection: Connection | None = None
        self._in_doubt: list[WrittenSlice] = []
        """What the last transaction did whose COMMIT was sent and not answered."""

    def claim(self, topic_partition: TopicPartition, topic_id: str, first_offset: int) -> Claim:
        """Take over a partition, in a transaction of its own: one locked row must not hold up the others."""
        try:
            with translated_errors():
                connection = self._connected()
                with connection.begin():
                    return progress.claim(
                        connection,
                        self.group_id,
                        topic_partition,
                        topic_id=topic_id,
                        first_offset=first_offset,
                        owner=self.owner,
                    )
        except TransientError as error:
            self._drop_after(error)
            raise

    def write(self, slices: Sequence[DecodedSlice]) -> list[WrittenSlice]:
        """Apply the slices, all of them or none, and move their claims on.

        Raises Fenced where a partition is no longer ours, TransactionConflict where the same may simply be tried
        again, and DatabaseUnavailable.
        """
        for each in slices:
            if each.slice.start_offset != each.slice.claim.next_offset:
                raise AssertionError(f"a slice of {each.slice.topic_partition} is missing")
        try:
            with translated_errors():
                written = self._transact(slices)
        except TransientError as error:
            self._drop_after(error)
            raise
        self._in_doubt = []
        for one in written:
            one.slice.claim.next_offset = one.slice.next_offset
        return written

    def stale(self, claims: Sequence[Claim]) -> list[Claim]:
        """Those of our claims that progress no longer bears out. Raises DatabaseUnavailable."""
        try:
            with translated_errors():
                connection = self._connected()
                with connection.begin():
                    return progress.stale(connection, self.group_id, claims)
        except TransientError as error:
            self._drop_after(error)
            raise

    def complete(self, claims: Sequence[Claim], moment_ms: int) -> None:
        """Note that the claims' partitions are complete through a moment. Raises DatabaseUnavailable."""
        try:
            with translated_errors():
                connection = self._connected()
                with connection.begin():
                    progress.complete(connection, self.group_id, claims, moment_ms)
        except TransientError as error:
            self._drop_after(error)
            raise

    def ping(self) -> None:
        """Keep an idle connection from being closed for its silence."""
        if self._connection is None:
            return
        try:
            with translated_errors(), self._connection.begin():
                self._connection.execute(text("SELECT 1"))
        except TransientError as error:
            self._drop_after(error)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _transact(self, slices: Sequence[DecodedSlice]) -> list[WrittenSlice]:
        connection = self._connected()
        with connection.begin():
            # 1. fence
            standing = progress.fence(connection, self.group_id, [one.slice for one in slices])
            if standing is Standing.ALREADY_WRITTEN:
                return self._in_doubt
            # 2. rows
            late_before = changes.late_before(self._look_back_days)
            written = [write_slice(connection, one, late_before=late_before) for one in slices]
            # 3. dead letters
            dead_letters.keep(connection, [letter for one in written for letter in one.dead_letters])
            if self._resolves:
                for one in written:
                    rejected = [record.offset for record, _ in one.rejected]
                    dead_letters.resolve_slice(connection, one.slice, rejected)
            # 4. the ledger of rows
            progress.record_rows(connection, self.group_id, _rows_by_table(written))
            # 5. changes
            changes.note(connection, [one.changes for one in written])
            # 6. progress
            for one in written:
                progress.advance(connection, self.group_id, one.slice, one.records)
            self._in_doubt = written
            # 7. commit, by leaving the block
        return written

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self.engine.connect()
        return self._connection

    def _drop_after(self, error: TransientError) -> None:
        """After a conflict or a fence the connection is sound; after anything else nothing is known of it."""
        if isinstance(error, DatabaseUnavailable):
            self.close()


def _rows_by_table(written: Sequence[WrittenSlice]) -> dict[tuple[TopicPartition, str], RowCounts]:
    return {
        (one.slice.topic_partition, table_name): counts for one in written for table_name, counts in one.rows.items()
    }
