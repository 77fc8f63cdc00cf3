"""One test's way: feed the topics, strike again and again, drain with fresh consumers, judge."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from stream.produce import Published
from tests.broker import Broker
from tests.chaos.feed import Feed
from tests.chaos.group import MEMBERS, Group
from tests.chaos.judge import assert_nothing_is_lost_or_doubled
from tests.chaos.strikes import LANES, Strike
from tests.chaos.watch import Watch
from tests.conftest import StartConsumer
from tests.consumers import Consumer
from tests.databases import Database
from tests.model import Expected

MANY_TRANSACTIONS = {"lanes": LANES, "batch_records_max": 300, "linger_ms": 50}

RECORDS_A_SECOND = 800
"""Enough that each poll finds some, little enough that the model can follow."""

DRAIN_SECONDS_MAX = 120.0


class Ordeal:
    """Everything follows from the seed but how the processes interleave: so a seed that failed is a good start, and
    no proof."""

    def __init__(self, broker: Broker, database: Database, group_id: str, start: StartConsumer, seed: int) -> None:
        self.broker = broker
        self.database = database
        self.seed = seed
        self.chance = Random(seed)
        self.watch = Watch(database, group_id)
        self.group = Group(self.start, self.watch, self.chance)
        self.published = Published()
        self.expected = Expected()
        self._start = start

    def start(self, *arguments: str) -> Consumer:
        return self._start(*arguments, database_url=self.database.url, **MANY_TRANSACTIONS)

    def undergo(self, strikes: Iterable[Strike]) -> None:
        """Each strike finds both members at work and progress moving, so that none hits thin air."""
        group = self.group
        with Feed(self.broker, self.seed, RECORDS_A_SECOND) as feed:
            for strike in strikes:
                group.settle()
                group.note(f"{strike.__name__}, after {self.watch.consumed()} records")
                strike(group)
            group.settle()
            self.published = feed.stop()
        group.kill_all()
        group.note("draining")
        self.drain()
        group.note("judging")
        self.expected = assert_nothing_is_lost_or_doubled(self.broker, self.watch)
        group.note("done")

    def drain(self) -> None:
        fresh = [self.start("--until-caught-up") for _ in range(MEMBERS)]
        for one in fresh:
            one.assert_ends(0, DRAIN_SECONDS_MAX)

    def __str__(self) -> str:
        group = self.group
        return (
            f"chaos on {self.database.server.name} with seed {self.seed}: {group.kills} kills, {group.freezes} "
            f"freezes, {group.fenced()} transactions fenced; {self.published.sent_count} records, "
            f"{len(self.expected.dead_letters)} of them broken"
        )
