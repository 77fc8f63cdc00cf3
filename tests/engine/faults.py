"""What all faults of the database have in common: they are shown while they last, nothing is lost, doubled or
dead-lettered, and work goes on when they have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.balance import assert_drained
from tests.broker import Broker
from tests.consumers import Running
from tests.databases import Database, make_heavy
from tests.engine.logs import applied
from tests.events import NOON, SECOND, Datum, rating, trip, uuid_text
from tests.waiting import wait_for

RIDERS_WORDS = "the driver was late"
"""In each event: a value, which no log may show."""

RESUME_SECONDS_MAX = 30.0
"""10 s is what we promise; the rest is for a machine that is busy with other tests."""


@dataclass
class Work:
    """A consumer, and the records that it has to apply."""

    broker: Broker
    database: Database
    consumer: Running
    group_id: str
    published: int = 0

    def publish(self, count: int = 100, words: str = RIDERS_WORDS) -> None:
        """So many trips and their ratings, in all partitions."""
        first = self.published // 2 + 1
        self.broker.publish(_trips(first, count, words))
        self.published += 2 * count

    def wait_applied(self, seconds: float = RESUME_SECONDS_MAX) -> None:
        wait_for(self._has_applied, f"{self.published} records", seconds)

    def _has_applied(self) -> bool:
        assert self.consumer.is_running, f"it ended:\n{self.consumer.log_text()[-4000:]}"
        return applied(self.database) == self.published

    def wait_shown(self, reason: str, *errnos: int) -> None:
        """Metric, log and /readyz tell the reason; /livez knows that a restart is no cure."""
        retries = "stream_retries_total"
        wait_for(lambda: self.consumer.metric(retries, reason=reason) >= 1, f"a retry for {reason}")
        wait_for(lambda: f"({reason}, errno " in self.consumer.get("/readyz")[1], f"/readyz to say {reason}")
        assert self.consumer.get("/readyz")[0] == 503
        assert self.consumer.get("/livez")[0] == 200
        lines = [one for one in self.consumer.logged("trying again") if f"({reason}, errno " in one["why"]]
        assert lines
        assert all(one["todo"] for one in lines)
        assert not errnos or any(f"errno {errno})" in one["why"] for errno in errnos for one in lines)

    def assert_nothing_lost(self) -> None:
        """All is applied, once, and nothing of it is a dead letter or shown in the log."""
        self.wait_applied()
        self.consumer.wait_ready()
        assert self.consumer.get("/livez")[0] == 200
        assert self.consumer.logged("works again")
        assert len(self.consumer.logged("assigned")) == 1, "it stayed a member of the group"
        assert self.database.count("dead_letter") == 0
        assert_drained(self.database, self.broker.records(), self.group_id)
        assert RIDERS_WORDS not in self.consumer.log_text()

    def cut_connections(self) -> None:
        """What was set for new connections holds for all of the program's."""
        for connection_id in self.database.connection_ids():
            self.database.execute(f"KILL {connection_id}")


def _trips(first: int, count: int, words: str) -> Iterator[tuple[str, Datum]]:
    for number in range(first, first + count):
        version = {"event_id": uuid_text(number), "occurred_at": NOON + number % 3600 * SECOND}
        yield "TripRecorded", trip(trip_id=number, **version)
        yield "TripRated", rating(rating_id=number, trip_id=number, feedback=words, **version)


@contextmanager
def server_setting(database: Database, name: str, value: int | str) -> Iterator[None]:
    """A global variable of the server for a while."""
    before = database.value(f"SELECT @@GLOBAL.{name}")
    database.execute(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        database.execute(f"SET GLOBAL {name} = {before}")


@contextmanager
def locked_progress(database: Database, where: str) -> Iterator[None]:
    """Nothing can be written of the partitions whose rows of progress satisfy `where`."""
    with database.engine().connect() as other, other.begin():
        other.exec_driver_sql(f"SELECT * FROM progress WHERE {where} FOR UPDATE").all()
        yield


@contextmanager
def met_crosswise(database: Database, rating_id: int) -> Iterator[None]:
    """Another program holds a rating, and in the end wants those before it: of who has some of them and waits for this
    one, the server gives up our transaction. The other's is rolled back.
    """
    with database.engine().connect() as other, other.begin() as transaction:
        make_heavy(other)
        other.exec_driver_sql(f"SELECT id FROM user_rating WHERE id = {rating_id} FOR UPDATE")
        yield
        other.exec_driver_sql(f"SELECT id FROM user_rating WHERE id < {rating_id} FOR UPDATE")
        transaction.rollback()


def waiting_transactions(database: Database) -> int:
    return database.waiting_transactions()
