"""Everything that can go wrong, for as long as is asked: three MySQL servers and three brokers lose members, a registry
falls silent, operators work, hostile records come, and in the end the tables are what the log says.

`FAULTS` or `MINUTES` say how long, `SEED` draws the same again, `RECORDS_A_SECOND` is the load.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from deploy.local import Registry
from stream.catalog import STREAMS
from stream.produce import Kind, Message
from stream.schemas.framing import CONFLUENT_HEADER_BYTES, confluent_header
from tests.chaos import brokers, conflicts, failovers, kills, operations, outages, registries
from tests.chaos.ordeal import MANY_TRANSACTIONS, Ordeal
from tests.chaos.strikes import FREEZE, KILLS, QUICK, SLOW, Strike
from tests.cluster import networks
from tests.cluster.vitals import Vitals
from tests.commands import run_command
from tests.model import LogRecord
from tests.report import tell
from tests.stores import STORE, registered

FAULTS = int(os.environ.get("FAULTS", "0"))
MINUTES = float(os.environ.get("MINUTES", "0" if FAULTS else "20"))
RECORDS_A_SECOND = int(os.environ.get("RECORDS_A_SECOND", "200"))
"""Enough for a million records in 85 minutes, and little enough that everything else has its share of two cores."""

SECONDS_MAX = 100 * 60

NOT_HERE = {
    # Faults of a single server; a group has its own.
    outages.make_the_database_read_only,
    outages.make_packets_small,
    outages.kill_the_database,
    outages.restart_the_database,
    # The witness may be the heir.
    kills.kill_both_the_heir_while_it_claims,
}

ANY: tuple[Strike, ...] = (
    FREEZE,
    *(strike for strike in (*KILLS, *QUICK, *SLOW) if strike not in NOT_HERE),
    registries.kill_the_registry,
    registries.silence_the_registry,
    operations.replay_a_part,
    operations.rewrite_a_part,
    operations.foretell_a_replay,
    operations.redrive_some,
    operations.migrate_once_more,
    operations.erase_somebody,
    failovers.kill_the_primary,
    failovers.freeze_the_primary,
)

FEWER_TRANSACTIONS = {**MANY_TRANSACTIONS, "linger_ms": 250}
"""A group of servers writes each transaction three times, and two cores have all of it to do."""

OFTEN: tuple[Strike, ...] = (
    outages.kill_the_connections,
    outages.lose_answers_to_commits,
    conflicts.meet_one_crosswise,
    brokers.abort_a_producer,
)
"""The faults that are over within seconds here, too."""

OFTEN_TIMES = 3

HOSTILE_EVERY = 4_000
"""Messages, of which one would cost much to be read."""

MEMORY_GROWTH_MAX = 1.25


def strikes(ordeal: Ordeal) -> Iterator[Strike]:
    """Drawn by lot until it has been long enough: each kind as often as any other, but for those that cost little."""
    cuts = [failovers.cut_the_primary_off] if networks.can_be_made() else []
    kinds = [*ANY, *cuts, *OFTEN * (OFTEN_TIMES - 1)]
    began = time.monotonic()
    while True:
        for strike in ordeal.chance.sample(kinds, len(kinds)):
            minutes = (time.monotonic() - began) / 60
            if (FAULTS and ordeal.strikes.total() >= FAULTS) or (MINUTES and minutes >= MINUTES):
                return
            yield strike


def by_ids_of(server: Registry) -> tuple[Callable[[Message], Message], Callable[[LogRecord], LogRecord]]:
    """Register our schemas, and have sound messages that name them by an id of `ids.json` name them by the registry's.
    Also returns the way back, for the model knows no registry."""
    by_name = registered(server.url)
    ids = {confluent_header(schema_id): STORE.versions[STORE.folder / name] for schema_id, name in STORE.ids.items()}
    there = {ours: by_name[version.name] for ours, version in ids.items()}
    back = {header: ours for ours, header in there.items()}

    def encode(message: Message) -> Message:
        header = (message.value or b"")[:CONFLUENT_HEADER_BYTES]
        if message.kind is Kind.BROKEN or header not in there:
            return message
        return message._replace(value=there[header] + (message.value or b"")[CONFLUENT_HEADER_BYTES:])

    def decode(record: LogRecord) -> LogRecord:
        header = (record.value or b"")[:CONFLUENT_HEADER_BYTES]
        if header not in back:
            return record
        return record._replace(value=back[header] + (record.value or b"")[CONFLUENT_HEADER_BYTES:])

    return encode, decode


@pytest.mark.soak
@pytest.mark.timeout(SECONDS_MAX)
def test_a_soak_leaves_no_trace(failing: Ordeal, registry_server: Registry) -> None:
    failing.group.registry = registry_server
    failing.settings["STREAM_SCHEMA_REGISTRY_URL"] = registry_server.url
    for topic in STREAMS:  # by the brokers' clock: producers' retries would come with moments long past
        failing.broker.alter_topic(topic, {"message.timestamp.type": "LogAppendTime"})
    failing.encode, failing.decode = by_ids_of(registry_server)
    failing.hostile_every = HOSTILE_EVERY
    failing.pace = FEWER_TRANSACTIONS
    vitals = Vitals(failing.group.call_a_witness(), failing.watch)
    failing.undergo(strikes(failing), rate=RECORDS_A_SECOND, are_read_again=True, beside=vitals)
    tell(f"the witness: {vitals}")
    vitals.assert_never_ahead(failing.records)
    assert vitals.memory_growth() <= MEMORY_GROWTH_MAX
    assert run_command(failing.settings, "verify").returncode == 0
