"""Shadow tables: what records would make of empty tables, worked out by the server, beside the live ones.

They are temporary tables that have the names of the live ones, for one connection alone. So the statements are those
of the writer; nobody else sees them, no live row is locked, and they go with the connection, however it ends.
Erasures that are known count here too, by the live markers. Those that the records themselves ask
for are kept apart, returns as well.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, select, text

from stream import moments
from stream.counts import Reached, RowCounts, Tell
from stream.declaration.persons import Person
from stream.kafka.ranges import Pieces, read
from stream.mysql.connection import translated_errors
from stream.mysql.digests import Digest, bucket_of, digests
from stream.mysql.markers import Marker, Marks
from stream.mysql.rows import WrittenSlice
from stream.mysql.write import write_rows
from stream.records import Claim, Range, Slice
from stream.schemas.decoder import Decoder
from stream.stages.compact import Row
from stream.stages.decode import DecodedSlice, decode_slice
from stream.stages.values import places_of

ROWS_AT_ONCE = 1_000
"""Rows that are fetched, or looked up, at a time."""

IDLE_SECONDS_MAX = 24 * 3600
"""The longest silence of a connection while the log is read: some servers close it after minutes by default."""


Key = tuple[Any, ...]


class Shadow:
    """Shadow tables. Every method may raise DatabaseUnavailable, after which nothing is left: begin anew."""

    def __init__(self, connection: Connection) -> None:
        self.markers: dict[Person, Marker] = {}
        """The persons that the records erase. There are few, so they are kept in memory."""
        self.claimed: dict[str, set[Key]] = {}
        """By table the keys of rows that were left out, for their persons are erased: others may claim these too."""
        self._returned: dict[Person, set[datetime]] = {}
        self._connection = connection

    def apply(self, batches: Iterable[Pieces], decoder: Decoder) -> Iterator[WrittenSlice]:
        """Apply pieces of the log, those of a batch together, and tell of each what became of it. While the server
        writes a batch, the next is read and decoded. Raises what reading and decoding raise, too."""
        with ThreadPoolExecutor(1, "shadow") as server:
            writing: list[Future[list[WrittenSlice]]] = []
            for pieces in batches:
                decoded = [
                    decode_slice(Slice(Claim(each, ""), 0, 0, records), decoder.readers_for(each.topic, records))
                    for each, records in pieces.items()
                ]
                for batch in writing:
                    yield from batch.result()
                writing = [server.submit(self._write, decoded)]
            for batch in writing:
                yield from batch.result()

    def apply_ranges(
        self, properties: Mapping[str, str], name: str, ranges: Sequence[Range], decoder: Decoder, tell: Tell
    ) -> Iterator[WrittenSlice]:
        """Apply ranges as they are read; `tell` is told how many records are read, of the offsets there are."""
        done, total = 0, sum(part.records_max for part in ranges)
        for written in self.apply(read(properties, name, ranges), decoder):
            done += written.records.consumed
            tell(Reached(done, total))
            yield written

    def _write(self, decoded: Sequence[DecodedSlice]) -> list[WrittenSlice]:
        with translated_errors(), self._connection.begin():
            written = write_rows(self._connection, decoded, self._mark)
        for left_out in (each for piece in written for each in piece.upserted.left_out):
            table = left_out.feed.table
            keys = (key_of_sent(table, row) for row in left_out.rows)
            self.claimed.setdefault(table.name, set()).update(keys)
        return written

    def rows(self, table: Table, buckets: Collection[int] | None = None) -> Iterator[Sequence[RowMapping]]:
        """A shadow's rows in the order of its key, some at a time; of some buckets, or of all."""
        with translated_errors(), self._connection.begin():
            yield from in_key_order(self._connection, table, buckets)

    def digests(self, table: Table) -> dict[int, Digest]:
        """Those of a shadow's rows, by bucket."""
        with translated_errors(), self._connection.begin():
            return digests(self._connection, table)

    def _mark(self, _connection: Connection, erased: Marks, returned: Marks) -> dict[str, RowCounts]:
        for person, micros in returned:
            self._returned.setdefault(person, set()).add(moments.from_micros(micros))
        for person, micros in erased:
            known = self.markers.get(person)
            erased_on = moments.from_micros(micros)
            self.markers[person] = Marker(erased_on if known is None else max(known.erased_on, erased_on), None)
        for person, _ in (*erased, *returned):
            if (marker := self.markers.get(person)) is not None:
                later = [moment for moment in self._returned.get(person, ()) if moment > marker.erased_on]
                self.markers[person] = marker._replace(returned_on=min(later, default=None))
        return {}


@contextmanager
def shadow_of(database: Engine, tables: Iterable[Table]) -> Iterator[Shadow]:
    """The shadows of some tables, empty at first, until the block ends. Raises DatabaseUnavailable."""
    with translated_errors():
        connection = database.connect()
    try:
        with translated_errors(), connection.begin():
            connection.execute(text(f"SET SESSION wait_timeout = {IDLE_SECONDS_MAX}"))
            for table in tables:
                _create(connection, table)
        yield Shadow(connection)
    finally:
        connection.invalidate()  # the server drops them
        connection.close()


def _create(connection: Connection, table: Table) -> None:
    """Make a table's shadow, with the columns and the unique keys of the live one."""
    # Not LIKE the live one, for the server would say that the name isn't unique: a shadow of another name would have to
    # be renamed, for which an account needs rights that it has no other use for.
    _, creation = connection.execute(text(f"SHOW CREATE TABLE `{table.name}`")).one()
    connection.exec_driver_sql(_temporary(creation), execution_options={"no_parameters": True})


def _temporary(creation: str) -> str:
    """The statement that creates a table, for a temporary one. Nothing is looked up by indexes that aren't unique, and
    to keep them costs as much as the rows do; foreign keys and partitions temporary tables can't have."""
    first, *parts = creation.splitlines()
    ends = next(number for number, part in enumerate(parts) if part.startswith(")"))
    kept = [part.rstrip(",") for part in parts[:ends] if not part.startswith("  KEY ") and " FOREIGN KEY " not in part]
    return "\n".join([first.replace("CREATE", "CREATE TEMPORARY", 1), ",\n".join(kept), parts[ends]])


def in_key_order(
    connection: Connection, table: Table, buckets: Collection[int] | None = None
) -> Iterator[Sequence[RowMapping]]:
    """A table's rows in the order of its key, some at a time: the server keeps the rest. Of some buckets, or of all.
    Until they are all read, or given up, the connection can do nothing else."""
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS_AT_ONCE)
    if buckets is not None:
        query = query.where(bucket_of(table).in_(buckets))
    yield from connection.execute(query).mappings().partitions(ROWS_AT_ONCE)


def version_of(row: RowMapping) -> tuple[Any, Any]:
    """The pair that the guard compares."""
    return row["event_time"], row["event_id"]


def key_of(table: Table, row: RowMapping) -> Key:
    return tuple(row[column.name] for column in table.primary_key)


def key_of_sent(table: Table, row: Row) -> Key:
    """The key of a row as it is sent, as the server returns it."""
    key = list(table.primary_key)
    values = zip(key, map(row.__getitem__, places_of(table, *(column.name for column in key))), strict=True)
    return tuple(bytes.fromhex(value) if column.type.python_type is bytes else value for column, value in values)
