"""Shadow tables: what records would make of empty tables, worked out by the server, beside the live ones.

They are temporary tables that have the names of the live ones, for one connection alone. So the statements are those
of the writer; nobody else sees them, no live row is locked, and they go with the connection, however it ends.
Erasures that are known count here too: the upsert joins with the live markers. Those that the records themselves ask
for are kept apart.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, RowMapping, Table, select, text

from stream.counts import RowCounts
from stream.declaration.persons import Person
from stream.mysql.connection import translated_errors
from stream.mysql.digests import Digest, bucket_of, digests
from stream.mysql.rows import WrittenSlice
from stream.mysql.write import write_rows
from stream.records import Claim, Record, Slice, TopicPartition
from stream.schemas.decoder import Decoder
from stream.stages.decode import DecodedSlice, decode_slice

ROWS_AT_ONCE = 1_000
"""How many rows are fetched, or looked up, at a time."""

IDLE_SECONDS_MAX = 24 * 3600
"""How long a connection may be silent while the log is read: some servers close it after minutes by default."""


class Shadow:
    """The shadows of some tables, empty at first, until the block ends.

    Every method may raise DatabaseUnavailable, after which nothing is left: begin anew.
    """

    def __init__(self, database: Engine, tables: Sequence[Table]) -> None:
        self.tables = tables
        self.erased: set[Person] = set()
        """Whom the records erase. There are few, so they are kept in memory."""
        self._database = database
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        with translated_errors():
            self._connection = self._database.connect()
            with self._connection.begin():
                self._connection.execute(text(f"SET SESSION wait_timeout = {IDLE_SECONDS_MAX}"))
                for table in self.tables:
                    _create(self._connection, table)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # the server drops them
            self._connection.close()

    def apply(
        self, pieces: Iterable[tuple[TopicPartition, Sequence[Record]]], decoder: Decoder
    ) -> Iterator[WrittenSlice]:
        """Apply pieces of the log one after the other, and tell of each what became of it.

        While the server writes one, the next is read and decoded. Raises what reading and decoding raise, too.
        """
        with ThreadPoolExecutor(1, "shadow") as server:
            writing: Future[WrittenSlice] | None = None
            for topic_partition, records in pieces:
                piece = _decoded(topic_partition, records, decoder)
                if writing is not None:
                    yield writing.result()
                writing = server.submit(self._write, piece)
            if writing is not None:
                yield writing.result()

    def _write(self, piece: DecodedSlice) -> WrittenSlice:
        with translated_errors(), self._opened.begin():
            return write_rows(self._opened, piece, self._mark)

    def rows(self, table: Table, buckets: Collection[int] | None = None) -> Iterator[Sequence[RowMapping]]:
        """A shadow's rows in the order of its key, some at a time; of some buckets, or of all."""
        with translated_errors(), self._opened.begin():
            yield from in_key_order(self._opened, table, buckets)

    def digests(self, table: Table) -> dict[int, Digest]:
        """Those of a shadow's rows, by bucket."""
        with translated_errors(), self._opened.begin():
            return digests(self._opened, table)

    @property
    def _opened(self) -> Connection:
        assert self._connection is not None, "used outside its block"
        return self._connection

    def _mark(self, _connection: Connection, persons: Sequence[tuple[Person, int]]) -> RowCounts:
        self.erased.update(person for person, _ in persons)
        return RowCounts(sent=len(persons))


def _create(connection: Connection, table: Table) -> None:
    """Make a table's shadow, with the columns and the unique keys of the live one."""
    # Not directly: the server would say that the name isn't unique.
    shadow = f"{table.name}_shadow"
    connection.execute(text(f"CREATE TEMPORARY TABLE `{shadow}` LIKE `{table.name}`"))
    # Nothing is looked up by the other indexes, and to keep them costs as much as the rows do.
    others = {row.Key_name for row in connection.execute(text(f"SHOW INDEX FROM `{shadow}` WHERE Non_unique = 1"))}
    changes = [*(f"DROP INDEX `{name}`" for name in sorted(others)), f"RENAME TO `{table.name}`"]
    connection.execute(text(f"ALTER TABLE `{shadow}` {', '.join(changes)}"))


def _decoded(topic_partition: TopicPartition, records: Sequence[Record], decoder: Decoder) -> DecodedSlice:
    slice_ = Slice(Claim(topic_partition, ""), 0, 0, list(records))
    return decode_slice(slice_, decoder.readers_for(topic_partition.topic, records))


def in_key_order(
    connection: Connection, table: Table, buckets: Collection[int] | None = None
) -> Iterator[Sequence[RowMapping]]:
    """A table's rows in the order of its key, some at a time: the server keeps the rest. Of some buckets, or of all.

    Until they are all read, or given up, the connection can do nothing else.
    """
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS_AT_ONCE)
    if buckets is not None:
        query = query.where(bucket_of(table).in_(buckets))
    yield from connection.execute(query).mappings().partitions(ROWS_AT_ONCE)


def version_of(row: RowMapping) -> tuple[Any, Any]:
    """What the guard compares."""
    return row["event_time"], row["event_id"]


def key_of(table: Table, row: RowMapping) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)
