"""Kafka goes away for a moment, or its topics change under the readers."""

from __future__ import annotations

from stream.catalog import STREAMS
from stream.records import TopicPartition
from tests.chaos.group import Group
from tests.chaos.kills import ANY_SECONDS

ABORTED_MESSAGES = 60
"""Enough for every partition to get some."""

OPEN_SECONDS = 0.5
"""Meanwhile readers of committed records have to wait at the transaction's first."""


def kill_the_broker(group: Group) -> None:
    server = group.broker.server
    group.let_pass(ANY_SECONDS)
    server.kill()
    group.let_pass(ANY_SECONDS)
    server.start()


def restart_the_broker(group: Group) -> None:
    server = group.broker.server
    group.let_pass(ANY_SECONDS)
    server.stop()
    server.start()


def abort_a_producer(group: Group) -> None:
    """In the middle of the partitions lie offsets that nobody may read."""
    with group.broker.transaction(is_aborted=True) as producer:
        for number in range(ABORTED_MESSAGES):
            producer.produce(group.chance.choice(list(STREAMS)), b"aborted", str(number).encode())
        producer.flush(30)
        group.let_pass(OPEN_SECONDS)


def add_a_partition(group: Group) -> None:
    """From now on keys lie elsewhere than before."""
    topic = group.chance.choice(list(STREAMS))
    added = TopicPartition(topic, group.broker.add_partition(topic))
    group.wait_while_alive(lambda: added in group.watch.owners(), f"{added} to be claimed")
