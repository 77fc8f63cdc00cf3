"""The write: rows, dead letters and progress of a batch in one MySQL transaction, fenced.

The order of effects, numbered here and in `Writer.write`:

1. lock the progress rows and see that they are ours (fence)
2. write the slices' rows; where the database refuses a row, reject its record and write its slice without it
3. keep the rejected records as dead letters; in a replay, resolve those that pass now; note which records were left
   out that a return may bring back
4. add to the ledger of rows
5. note the periods that rollups have to sum again, and late dates
6. move progress, only where it is still ours
7. commit
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, Engine, text

from stream.counts import RecordCounts
from stream.errors import DatabaseUnavailable, DataRefused
from stream.mysql import dead_letters, markers, progress, returns, touched
from stream.mysql.bisect import find_refused
from stream.mysql.connection import roll_back_to, set_savepoint, translated_errors
from stream.mysql.part import Inseparable
from stream.mysql.progress import Standing
from stream.mysql.rows import Mark, Upserted, WrittenSlice, upsert
from stream.mysql.touched import NEVER_LATE
from stream.records import Claim, Slice
from stream.settings import LOOK_BACK_DAYS
from stream.stages.compact import Compacted, compact
from stream.stages.decode import DecodedSlice

Resolve = Callable[[Connection, Slice, Collection[int]], None]
"""Resolves the dead letters of a slice's records, but for those at these offsets: they are rejected again."""


class Writer:
    """One lane's connection to MySQL and the transactions on it. Every method may raise DatabaseUnavailable, after
    which the connection is gone and the next call opens another."""

    def __init__(
        self,
        engine: Engine,
        group_id: str,
        owner: str,
        *,
        resolves: bool = False,
        rewrites: bool = False,
        look_back_days: int = LOOK_BACK_DAYS,
    ) -> None:
        """`resolves` says that records may have been rejected before, as in a replay; `rewrites`, that an event may
        change the row that it wrote before."""
        self.engine = engine
        self.group_id = group_id
        self.owner = owner
        self._rewrites = rewrites
        self._look_back_days = look_back_days
        self._resolve = dead_letters.resolve_span if resolves else None
        self._connection: Connection | None = None
        self._in_doubt: list[WrittenSlice] = []
        """The effects of the last transaction whose COMMIT was sent and not answered."""

    def write(self, slices: Sequence[DecodedSlice]) -> list[WrittenSlice]:
        """Apply the slices, all of them or none, and move their claims on. Raises Fenced where a partition is no longer
        ours, TransactionConflict where the same may simply be tried again, and DatabaseUnavailable."""
        if not slices:  # given up in this very moment; a fence of nothing would lock every row
            return []
        for decoded in slices:
            if decoded.slice.start_offset != decoded.slice.claim.next_offset:
                raise AssertionError(f"a slice of {decoded.slice.topic_partition} is missing")
        with self._transaction() as connection:
            # 1. fence
            standing = progress.fence(connection, self.group_id, [decoded.slice for decoded in slices])
            if standing is Standing.ALREADY_WRITTEN:
                written = self._in_doubt
            else:
                # 2. rows
                late_before = touched.late_before(self._look_back_days)
                written = write_rows(connection, slices, late_before=late_before, rewrites=self._rewrites)
                # 3. to 5.
                settle(connection, self.group_id, written, self._resolve)
                # 6. progress
                progress.advance(connection, self.group_id, [(each.slice, each.records) for each in written])
                self._in_doubt = written
            # 7. commit, by leaving the block
        self._in_doubt = []
        for each in written:
            each.slice.claim.move_on(each.slice.next_offset, each.slice.complete_through_ms)
        return written

    def claim(self, claim: Claim) -> None:
        """Take over a partition, in a transaction of its own: one locked row must not hold up the others."""
        with self._transaction() as connection:
            granted = progress.claim(connection, self.group_id, claim, self.owner)
        claim.grant(*granted)

    def review(self, claims: Sequence[Claim], at_end: Sequence[Claim], moment_ms: int) -> list[Claim]:
        """Those of our claims that progress no longer bears out; note that those at the partition's end are complete
        through a moment (Kafka's milliseconds)."""
        with self._transaction() as connection:
            progress.complete(connection, self.group_id, at_end, moment_ms)
            stale = progress.stale(connection, self.group_id, claims)
        for claim in at_end:
            claim.move_on(claim.next_offset, moment_ms)
        return stale

    def ping(self) -> None:
        """See that the server answers; an idle connection is not closed for its silence then."""
        with self._transaction() as connection:
            connection.execute(text("SELECT 1"))

    def keep_alive(self) -> None:
        """Keep the connection, if there is one, from being closed for its silence."""
        if self._connection is not None:
            self.ping()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A transaction on the kept connection. After a conflict or a fence the connection is sound; after anything
        else nothing is known of it."""
        try:
            with translated_errors():
                if self._connection is None:
                    self._connection = self.engine.connect()
                with self._connection.begin():
                    yield self._connection
        except DatabaseUnavailable:
            self.close()
            raise


def write_rows(
    connection: Connection,
    slices: Sequence[DecodedSlice],
    mark: Mark = markers.mark,
    late_before: int = NEVER_LATE,
    *,
    rewrites: bool = False,
) -> list[WrittenSlice]:
    """Write the rows of slices within the caller's transaction; records that the database refuses are rejected. Where
    it refuses any, each slice is written by itself, and its own as a whole without them, for what a refused record had
    superseded takes its place. Business dates are late before `late_before` (microseconds). Where it `rewrites`, an
    event may change the row that it wrote before."""
    while True:
        compacted = [compact(each.accepted, each.slice.topic_partition.partition) for each in slices]
        set_savepoint(connection, "before_rows")
        try:
            upserted = upsert(connection, compacted, mark, late_before, rewrites=rewrites)
            return list(map(_written, slices, compacted, upserted))
        except (DataRefused, Inseparable):
            roll_back_to(connection, "before_rows")
        if len(slices) > 1:
            alone = partial(write_rows, connection, mark=mark, late_before=late_before, rewrites=rewrites)
            return [written for each in slices for written in alone([each])]
        slices = [_without_refused(connection, slices[0], compacted[0], rewrites=rewrites)]


def _written(decoded: DecodedSlice, compacted: Compacted, upserted: Upserted) -> WrittenSlice:
    counts = RecordCounts(
        consumed=len(decoded.slice.records),
        written=compacted.written_count,
        superseded=compacted.superseded_count,
        dead_lettered=len(decoded.rejected),
    )
    return WrittenSlice(decoded.slice, counts, upserted, decoded.rejected)


def _without_refused(
    connection: Connection, decoded: DecodedSlice, compacted: Compacted, *, rewrites: bool
) -> DecodedSlice:
    """The slice with the records rejected that the database refuses."""
    partition = decoded.slice.topic_partition.partition
    refused = find_refused(connection, partition, compacted.tables, decoded.accepted, rewrites=rewrites)
    for record, _, route in decoded.accepted:
        if record.offset in refused:
            refused[record.offset][1].event_name = route.record_name
    accepted = [each for each in decoded.accepted if each[0].offset not in refused]
    return DecodedSlice(decoded.slice, accepted, [*decoded.rejected, *refused.values()])


def settle(
    connection: Connection,
    group_id: str,
    written: Sequence[WrittenSlice],
    resolve: Resolve | None = None,
    *,
    is_restoring: bool = False,
) -> None:
    """Effects 3 to 5, which a redrive has in common with a lane. `is_restoring` says that the records were left out
    before, of persons who came back (`returns`)."""
    # 3. dead letters, and what is left out for now
    emptied = dead_letters.keep(connection, [letter for each in written for letter in each.dead_letters])
    returns.note(connection, written, emptied, is_restoring=is_restoring)
    if resolve is not None:
        for each in written:
            resolve(connection, each.slice, {record.offset for record, _ in each.rejected})
    # 4. the ledger of rows
    counts = {(each.slice.topic_partition, table): rows for each in written for table, rows in each.rows.items()}
    progress.record_rows(connection, group_id, counts)
    # 5. changes
    touched.note(connection, [each.upserted.changes for each in written])
