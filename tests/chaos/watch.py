"""MySQL as the killer sees it: how far the group is, who owns what, and what the server is at.

A lock of the killer's own on one row of the service's tables holds a consumer at a known place of its transaction,
so that a kill can be aimed instead of left to luck.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from stream.records import TopicPartition
from tests.databases import Database
from tests.proxy import LossyProxy, Proxies
from tests.waiting import wait_for

WRITING = "INSERT INTO ledger "
"""The statement that waits for a locked row of the ledger: rows and dead letters are sent, progress comes next."""

REJECTING = "INSERT INTO dead_letter "
"""The statement that waits while the dead letters are locked: rows are sent."""

CLAIMING = "INSERT INTO progress "
"""The statement that waits for a locked row of progress where its partition is claimed."""

LANES = 2
"""Of each consumer; each has a connection, and so has its eraser now and then."""

TRANSACTIONS_AGE_SECONDS = 0.11
"""The server renews its list of transactions only after nobody has read it for 0.1 s."""

CANNOT_CONVERT = 3854
"""The server's error where a list in its own encoding can't hold a statement."""

Progress = Mapping[TopicPartition, Mapping[str, Any]]


class Watch:
    """One group in one database, which consumers reach by way of the proxy."""

    def __init__(self, database: Database, proxy: LossyProxy | Proxies, group_id: str) -> None:
        self.database = database
        self.proxy = proxy
        self.group_id = group_id
        self._transactions_read_at = time.monotonic()

    def progress(self) -> Progress:
        return {TopicPartition(row["topic"], row["kafka_partition"]): row for row in self._rows("progress")}

    def consumed(self) -> int:
        """The number of records that the group has applied so far."""
        return sum(row["records_consumed"] for row in self._rows("progress"))

    def owners(self) -> dict[TopicPartition, int]:
        """The process that claimed each partition last."""
        return {partition: pid_of(row) for partition, row in self.progress().items()}

    def rows_sent(self) -> dict[tuple[TopicPartition, str], int]:
        """The ledger of rows, by partition and table."""
        return {
            (TopicPartition(row["topic"], row["kafka_partition"]), row["table_name"]): row["rows_sent"]
            for row in self._rows("ledger")
        }

    def is_at(self, statement: str, pid: int) -> bool:
        """Whether the server works for a process on a statement that begins so, or lets it wait."""
        return bool(self._threads_of(pid, statement))

    def is_waiting_with_rows_written(self, statement: str, pid: int) -> bool:
        """Whether it waits there for a lock, in a transaction that has already changed rows."""
        transactions = {
            row.trx_mysql_thread_id
            for row in self._transactions()
            if row.trx_state == "LOCK WAIT" and row.trx_rows_modified
        }
        return bool(transactions & self._threads_of(pid, statement))

    def is_anyone_held_up(self, statement: str) -> bool:
        """Whether anybody has been for a second at a statement with this in it: it waits for a lock."""
        return any(statement in (row.Info or "") and row.Time >= 1 for row in self._threads())

    def is_erased(self, person_id: str) -> bool:
        return bool(self._marker(person_id))

    def is_swept(self, person_id: str) -> bool:
        return any(row.swept_on for row in self._marker(person_id))

    def _marker(self, person_id: str) -> Sequence[Row[Any]]:
        return self.database.query("SELECT swept_on FROM erasure WHERE person_id = :id", id=person_id)

    def open_transactions(self, pid: int) -> int:
        """In how many transactions a process is that have locked or changed anything."""
        transactions = {
            row.trx_mysql_thread_id for row in self._transactions() if row.trx_rows_locked or row.trx_rows_modified
        }
        return len(transactions & self._threads_of(pid))

    def _threads_of(self, pid: int, statement: str = "") -> set[int]:
        """The server's threads for a process; those that are at a statement that begins so."""
        ports = {self.proxy.onward.get(each, 0) for each in _ports_of(pid)}
        return {
            row.Id for row in self._threads() if _port_in(row.Host) in ports and (row.Info or "").startswith(statement)
        }

    def _threads(self) -> Sequence[Row[Any]]:
        # Read as a table, the list is an error while any statement in it holds a four-byte character.
        return self.database.query("SHOW FULL PROCESSLIST")

    def _transactions(self) -> Sequence[Row[Any]]:
        due_at = self._transactions_read_at + TRANSACTIONS_AGE_SECONDS
        wait_for(lambda: time.monotonic() > due_at, "the server to renew the list")
        transactions: list[Row[Any]] = []

        def is_read() -> bool:
            """Not while a statement holds a four-byte character: the server reads them too, though nobody asks."""
            try:
                transactions.extend(
                    self.database.query(
                        "SELECT trx_mysql_thread_id, trx_state, trx_rows_locked, trx_rows_modified "
                        "FROM information_schema.innodb_trx"
                    )
                )
            except OperationalError as error:
                if error.orig is None or error.orig.args[0] != CANNOT_CONVERT:
                    raise
                return False
            return True

        wait_for(is_read, "the list of transactions", every_seconds=TRANSACTIONS_AGE_SECONDS)
        self._transactions_read_at = time.monotonic()
        return transactions

    @contextmanager
    def holding_ledger(self, where: TopicPartition, table: str) -> Iterator[Connection]:
        """Whoever writes rows to this table from this partition waits at the ledger until the block ends."""
        with self._holding("ledger", where, "AND table_name = :table", table=table) as connection:
            yield connection

    @contextmanager
    def holding_progress(self, where: TopicPartition) -> Iterator[None]:
        """Whoever claims this partition waits until the block ends."""
        with self._holding("progress", where, ""):
            yield

    @contextmanager
    def holding_rows(self, table: str, row_id: int | None = None) -> Iterator[Callable[[], object]]:
        """Whoever writes a row of this table that is there already, or this one, waits until the block ends. To be
        called for those that have come since.

        Rows that are locked just now are skipped: who doesn't wait is in no deadlock.
        """
        which = "" if row_id is None else f"WHERE id = {row_id}"
        with self._connection() as connection:

            def hold() -> int:
                return len(connection.execute(text(f"SELECT 1 FROM {table} {which} FOR UPDATE SKIP LOCKED")).all())

            assert hold()
            yield hold

    @contextmanager
    def holding_dead_letters(self) -> Iterator[None]:
        """Whoever has a record to dead-letter waits until the block ends."""
        with self._connection() as connection:
            connection.execute(text("LOCK TABLES dead_letter WRITE"))
            yield

    def lock_progress(self, connection: Connection, where: TopicPartition) -> None:
        """Lock a partition's progress, in a transaction that holds something already."""
        self._lock(connection, "progress", where, "")

    @contextmanager
    def _holding(self, table_name: str, where: TopicPartition, condition: str, **values: str) -> Iterator[Connection]:
        """One row by its key: so the lock takes no others along, and can't be part of a deadlock."""
        with self._connection() as connection:
            self._lock(connection, table_name, where, condition, **values)
            yield connection

    def _lock(
        self, connection: Connection, table_name: str, where: TopicPartition, condition: str, **values: str
    ) -> None:
        locked = text(
            f"SELECT 1 FROM {table_name} WHERE group_id = :group AND topic = :topic AND kafka_partition = :partition "
            f"{condition} FOR UPDATE"
        )
        key = {"group": self.group_id, "topic": where.topic, "partition": where.partition, **values}
        assert connection.execute(locked, key).all()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees one moment."""
        with self._connection().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
            yield connection

    def _connection(self) -> Connection:
        """One of the killer's own: its locks end with it."""
        url = self.database.server.admin_url(self.database.name)
        return create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED").connect()

    def _rows(self, table: str) -> list[Mapping[str, Any]]:
        return [row for row in self.database.rows(table) if row["group_id"] == self.group_id]


def pid_of(progress: Mapping[str, Any]) -> int:
    """The process that owns a partition, by its row of progress."""
    return int(progress["owner"].split("-")[-2])


def _port_in(host: str | None) -> int:
    """-1 where the thread is none of a client's."""
    port = (host or "").rpartition(":")[2]
    return int(port) if port.isdecimal() else -1


def _ports_of(pid: int) -> set[tuple[int, int]]:
    """The ports of a process's connections, local and remote: to another server the same local port is used again."""
    process = Path(f"/proc/{pid}")
    links = set()
    for descriptor in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.add(str(descriptor.readlink()))
    sockets = [line.split() for line in (process / "net" / "tcp").read_text().splitlines()[1:]]
    return {(_hex_port(fields[1]), _hex_port(fields[2])) for fields in sockets if f"socket:[{fields[9]}]" in links}


def _hex_port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
