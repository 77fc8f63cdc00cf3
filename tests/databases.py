"""A database for one test: migrated, empty, on a real server, with the questions that tests ask of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sqlalchemy import Connection, Engine, Row, create_engine, text

from stream.catalog import METADATA
from stream.declaration.service_tables import DECLARED_VIEW
from stream.mysql import migrate
from stream.mysql.connection import connect_engine
from stream.reports import VIEWS

TABLES = METADATA.tables.keys() - {DECLARED_VIEW.name}


class Server(Protocol):
    """A server of `deploy.local`, or several that stand for one."""

    name: ClassVar[str]
    flavour: ClassVar[str]

    @property
    def version(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def folder(self) -> Path: ...
    @property
    def pid(self) -> int: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def client(self, program: str) -> list[str]: ...
    def url(self, database: str) -> str: ...
    def admin_url(self, database: str = "") -> str: ...
    def create_database(self, name: str) -> str: ...
    def drop_database(self, name: str) -> None: ...


Snapshot = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of every table, by its name."""


class Database:
    """One server's database for tests. Making it runs the migrations; `empty` brings it back to that state."""

    def __init__(self, server: Server, name: str, *, is_shared: bool = False, is_migrated: bool = True) -> None:
        self.server = server
        self.name = name
        self._is_shared = is_shared
        self._admin_engine: Engine | None = None
        self._engines: dict[tuple[str, bool], Engine] = {}
        server.drop_database(name)
        server.create_database(name)
        self.hasten()
        if is_migrated:
            migrate.upgrade(self.engine(), VIEWS)

    def hasten(self) -> None:
        """The binary log goes to the system's cache and not to the disk: that outlives a kill -9 of the server. What
        InnoDB commits goes to the disk, as the service demands before it starts."""
        with self._admin().begin() as connection:
            connection.exec_driver_sql("SET GLOBAL sync_binlog = 0")

    @property
    def flavour(self) -> str:
        return self.server.flavour

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def engine(self, *, for_lane: bool = False) -> Engine:
        """An engine as the product makes it: kept, for each new one would compile all statements anew."""
        key = (self.url, for_lane)  # the port is another one after a restart
        if key not in self._engines:
            self._engines[key] = connect_engine(self.url, for_lane=for_lane)
        return self._engines[key]

    def empty(self, names: Collection[str] = TABLES) -> None:
        """Delete all rows."""
        with self._admin().begin() as connection:
            filled = _filled(connection, names)
            for table in reversed(METADATA.sorted_tables):
                if table.name in filled:
                    connection.execute(table.delete())

    def execute(self, statement: str, **values: Any) -> None:
        """Run a statement as the administrator, and commit."""
        assert not (self._is_shared and "SET GLOBAL" in statement), "other tests use this server: see tests/schedule.py"
        with self._admin().begin() as connection:
            connection.execute(text(statement), values)

    def query(self, statement: str, **values: Any) -> Sequence[Row[Any]]:
        with self._admin().connect() as connection:
            return connection.execute(text(statement), values).all()

    def value(self, statement: str, **values: Any) -> Any:
        """The one value that a query gives."""
        ((found,),) = self.query(statement, **values)
        return found

    def rows(self, table: str) -> list[Mapping[str, Any]]:
        with self._admin().connect() as connection:
            return _rows(connection, table)

    def snapshot(self) -> Snapshot:
        """The rows of all tables, each read once."""
        with self._admin().connect() as connection:
            filled = _filled(connection, TABLES)
            return {name: _rows(connection, name) if name in filled else [] for name in TABLES}

    def count(self, table: str) -> int:
        return int(self.value(f"SELECT COUNT(*) FROM `{table}`"))

    def counts(self, tables: Collection[str]) -> dict[str, int]:
        """The number of rows of some tables, asked for in one statement: a million of them need not be here."""
        asked = (f"SELECT '{name}' AS name, COUNT(*) AS number FROM `{name}`" for name in tables)
        return {row.name: row.number for row in self.query(" UNION ALL ".join(asked))}

    def explain(self, statement: str) -> list[Mapping[str, Any]]:
        """The server's plan for a statement, line by line."""
        with self._admin().connect() as connection:
            return [
                dict(row) for row in connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}").mappings()
            ]

    def erase(self, ids: Iterable[str], kind: str = "app") -> None:
        """Note persons as erased, as an erasure will do first."""
        with self._admin().begin() as connection:
            statement = text(
                "INSERT IGNORE INTO erasure (person_kind, person_id, erased_on) "
                "VALUES (:kind, :person_id, UTC_TIMESTAMP(6))"
            )
            connection.execute(statement, [{"kind": kind, "person_id": person_id} for person_id in ids])

    def connection_ids(self) -> list[int]:
        """Of the ordinary account's connections, those of the program under test among them."""
        # As a table the list can't be read while a statement holds a four-byte character.
        shown = self.query("SHOW PROCESSLIST")
        return [int(row.Id) for row in shown if (row.User, row.db) == ("stream", self.name)]

    def waiting_transactions(self) -> int:
        """The transactions in this database that wait for a lock, of the ordinary account.

        The server renews the list only after nobody has read it for 0.1 s.
        """
        waiting = self.query(
            "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        )
        return len({int(row[0]) for row in waiting} & set(self.connection_ids()))

    def _admin(self) -> Engine:
        url = self.server.admin_url(self.name)  # another one after a restart on another port
        if self._admin_engine is None or self._admin_engine.url.render_as_string(hide_password=False) != url:
            # A shared server is never stopped: its connections need not be tried first.
            is_to_try = not self._is_shared
            self._admin_engine = create_engine(url, pool_pre_ping=is_to_try, isolation_level="READ COMMITTED")
        return self._admin_engine


def make_heavy(connection: Connection) -> None:
    """Have a transaction change more than any of ours does: in a deadlock the server gives up the one that has changed
    less. It is to be rolled back."""
    connection.execute(
        text(
            "INSERT INTO erasure (person_kind, person_id, erased_on, swept_on) "
            "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
            "SELECT 'other', CONCAT(n.i, '-', m.i), NOW(6), NOW(6) FROM n JOIN (SELECT i FROM n WHERE i < 4) m"
        )
    )


def _filled(connection: Connection, names: Collection[str]) -> set[str]:
    """The tables that have any rows, asked for in one statement: most tests fill few."""
    asked = (f"SELECT '{name}' FROM DUAL WHERE EXISTS (SELECT 1 FROM `{name}`)" for name in names)
    return set(connection.exec_driver_sql(" UNION ALL ".join(asked)).scalars())


def _rows(connection: Connection, table: str) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(text(f"SELECT * FROM `{table}`")).mappings()]
