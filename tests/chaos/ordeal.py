"""One test's way: feed the topics, strike again and again, drain with fresh consumers, judge."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from random import Random
from subprocess import CompletedProcess

from stream.produce import Deliveries, Message
from tests.broker import Broker
from tests.chaos.feed import Feed
from tests.chaos.group import COMMAND_SECONDS_MAX, MEMBERS, Group
from tests.chaos.judge import (
    assert_each_dead_letter_was_written_once,
    assert_nothing_is_lost_or_doubled,
    assert_nothing_personal_is_told,
)
from tests.chaos.overheard import Overheard
from tests.chaos.strikes import Strike
from tests.chaos.watch import LANES, Watch
from tests.conftest import StartConsumer
from tests.consumers import Consumer, run_process
from tests.databases import Database
from tests.model import Expected, LogRecord
from tests.proxy import LossyProxy, Proxies

MANY_TRANSACTIONS = {"lanes": LANES, "batch_records_max": 300, "linger_ms": 50}

NO_FLOODS = {"dead_letter_ratio_max": 1}
"""A topic that rests for a minute would be struck while it rests; another test floods."""

RECORDS_A_SECOND = 500
"""Enough that each poll finds some, little enough that the model can follow."""

DRAIN_SECONDS_MAX = 120.0


class Ordeal:
    """Everything follows from the seed but how the processes interleave: so a seed that failed is a good start, and
    no proof."""

    def __init__(
        self,
        broker: Broker,
        database: Database,
        proxy: LossyProxy | Proxies,
        settings: Mapping[str, str],
        start: StartConsumer,
        seed: int,
    ) -> None:
        self.broker = broker
        self.settings = {**settings, "STREAM_DATABASE_URL": database.url}
        self.seed = seed
        self.chance = Random(seed)
        self.watch = Watch(database, proxy, settings["STREAM_GROUP_ID"])
        self.group = Group(self.start, self.run, broker, self.watch, self.chance)
        self.overheard = Overheard(lambda: list(self.group.members))
        self.strikes: Counter[str] = Counter()
        self.longest_pause = (0.0, "none")
        self.published = Deliveries()
        self.records: list[LogRecord] = []
        self.expected = Expected()
        self.pace: Mapping[str, int] = MANY_TRANSACTIONS
        self.hostile_every = 0
        self.encode: Callable[[Message], Message] = lambda message: message
        """The last hand at a message before it is sent."""
        self.decode: Callable[[LogRecord], LogRecord] = lambda record: record
        """The record as it was before that."""
        self._start = start

    def start(self, *arguments: str) -> Consumer:
        """A consumer that reaches the database by way of the proxy, and with it all answers may be lost."""
        url = self.watch.proxy.way_to(self.watch.database.url)
        registry_url = self.settings.get("STREAM_SCHEMA_REGISTRY_URL", "")
        return self._start(*arguments, database_url=url, schema_registry_url=registry_url, **self.pace, **NO_FLOODS)

    def run(self, *arguments: str) -> CompletedProcess[str]:
        """Run another command to its end."""
        return run_process(self.settings, *arguments, seconds_max=COMMAND_SECONDS_MAX)

    def undergo(
        self,
        strikes: Iterable[Strike],
        *,
        rate: float = RECORDS_A_SECOND,
        are_read_again: bool = False,
        beside: AbstractContextManager[object] | None = None,
    ) -> None:
        """Each strike finds both members at work and progress moving: none hits thin air. Where some have records read
        again, dead letters may have been tried more than once. `beside` is entered while they work."""
        group = self.group
        with (
            Feed(self.broker, self.seed, rate, self.encode, self.hostile_every) as feed,
            self.overheard,
            beside or nullcontext(),
        ):
            group.settle()
            for strike in strikes:
                group.note(f"{strike.__name__}, after {self.watch.consumed()} records")
                strike(group)
                self._settle_after(strike)
            group.await_commands()
            self.published = feed.stop()
        group.kill_all()
        if group.witness:
            group.witness.terminate()
            group.witness.assert_ends(0)
        group.note("draining")
        self.drain()
        group.note("judging")
        self.records = [self.decode(record) for record in self.broker.records()]
        self.expected = assert_nothing_is_lost_or_doubled(self.broker, self.watch, self.records)
        if not are_read_again:
            assert_each_dead_letter_was_written_once(self.watch, self.records, self.expected)
        assert_nothing_personal_is_told(group.logs(), self.overheard, self.settings)
        group.note("done")

    def _settle_after(self, strike: Strike) -> None:
        """The strike is over: how long until both are at work again."""
        began = time.monotonic()
        self.group.settle()
        self.longest_pause = max(self.longest_pause, (time.monotonic() - began, strike.__name__))
        self.strikes[strike.__name__] += 1

    def drain(self) -> None:
        fresh = [self.start("--until-caught-up") for _ in range(MEMBERS)]
        for consumer in fresh:
            consumer.assert_ends(0, DRAIN_SECONDS_MAX)

    def __str__(self) -> str:
        group = self.group
        seconds, strike = self.longest_pause
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(self.strikes.items()))
        return (
            f"chaos on {self.watch.database.server.name} with seed {self.seed}: {self.strikes.total()} faults "
            f"({kinds}); {group.kills} processes killed, {group.fenced()} transactions fenced; "
            f"{self._failovers()}{self.published.sent_count} records, {len(self.expected.dead_letters)} dead letters, "
            f"{len(self.expected.erased)} persons erased; at work again after {seconds:.1f} s at most ({strike})"
        )

    def _failovers(self) -> str:
        slowest = max(self.group.failovers, default=None)
        return f"at work {slowest[0]:.1f} s after an election at most ({slowest[1]}); " if slowest else ""
