"""The ground: a Kafka and a database of our own, and fresh tables for every measurement."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, text

from deploy.local import Database, Kafka, start_database, start_kafka, start_mariadb, start_mysql
from deploy.local.parts import locked
from stream.declaration.service_tables import LEDGER
from stream.kafka.client import admin_client
from stream.mysql import migrate
from stream.mysql.connection import connect_engine
from stream.reports import VIEWS

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDER = CHECKOUT / ".local" / "bench"
RESULT = CHECKOUT / ".local" / "bench.json"

STARTERS = {"": start_database, "mysql": start_mysql, "mariadb": start_mariadb}

DATABASE_NAME = "stream_bench"

HASH_KEY = "for-benchmarks-only-0123456789abcdef"
"""The hash key that topics with hashes need; the persons that it guards are made up."""


@dataclass(frozen=True)
class Ground:
    """Both servers, running."""

    kafka: Kafka
    database: Database
    folder: Path

    @property
    def log(self) -> Path:
        """The log of our commands."""
        return self.folder / "stream.log"

    @property
    def url(self) -> str:
        """The URL of the database as the last contender left it."""
        return self.database.url(DATABASE_NAME)

    def fresh_database(self) -> str:
        """The URL of a database in which the migrations have just made all tables; what was in it is gone."""
        self.database.drop_database(DATABASE_NAME)
        url = self.database.create_database(DATABASE_NAME)
        migrate.upgrade(connect_engine(url), VIEWS)
        return url

    def count_rows(self, tables: Sequence[str]) -> int:
        """The number of rows that these tables have together."""
        with connect_engine(self.url).connect() as connection:
            # The names are the catalog's.
            return sum(
                connection.execute(text(f"SELECT COUNT(*) FROM `{name}`")).scalar_one()  # noqa: S608
                for name in tables
            )

    def count_rows_sent(self) -> int:
        """The number of rows that were sent to all tables, from the ledger."""
        with connect_engine(self.url).connect() as connection:
            return int(connection.execute(select(func.sum(LEDGER.c.rows_sent))).scalar_one())

    def empty_topics(self, names: Sequence[str]) -> None:
        """Delete these topics where they are there, and wait until they are gone."""
        admin = admin_client({"bootstrap.servers": self.kafka.bootstrap_servers})
        there = [name for name in names if name in admin.list_topics(timeout=10).topics]
        for deleted in admin.delete_topics(there).values() if there else ():
            deleted.result()
        while set(names) & set(admin.list_topics(timeout=10).topics):
            time.sleep(0.1)

    def environment(self, url: str, settings: Mapping[str, str]) -> dict[str, str]:
        """The environment of a `stream` subprocess: only our settings, whatever the shell has set."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_")}
        return {
            **inherited,
            "STREAM_DATABASE_URL": url,
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "STREAM_HASH_KEY": HASH_KEY,
            "STREAM_HTTP_PORT": "0",
            **settings,
        }


@contextmanager
def prepared(flavour: str) -> Iterator[Ground]:
    """Start both servers on an empty folder; stop them and remove their data in the end.

    Another benchmark in this checkout is waited for: two at once would only measure each other. Raises LocalError.
    """
    FOLDER.parent.mkdir(exist_ok=True)
    with locked(FOLDER.with_suffix(".lock")):
        shutil.rmtree(FOLDER, ignore_errors=True)
        with start_kafka(FOLDER / "kafka") as kafka, STARTERS[flavour](FOLDER / "database") as database:
            yield Ground(kafka, database, FOLDER)
        shutil.rmtree(FOLDER, ignore_errors=True)
