"""A person is erased at the worst moment."""

from __future__ import annotations

from stream.catalog import STREAMS
from stream.produce import Message
from tests.broker import Broker
from tests.chaos.group import Group
from tests.chaos.planted import opinions
from tests.chaos.watch import LANES

WRITING = "`user_rating`"
"""In the statements with which a lane looks at stored rows, which locks them, and overwrites them."""

SWEEPING = "SELECT progress.topic \n"
"""The statement with which a sweep waits for writes that are under way."""


def erase_somebody_in_the_middle_of_a_write(group: Group) -> None:
    """The transaction that writes a row of the person began before the marker, and comes to that row only afterwards,
    for it is held at the row before. A sweep that didn't wait for it would find nothing, and the row would stay."""
    watch = group.watch
    partition = group.chance.randrange(STREAMS["trip"].partitions)
    told = opinions(group.chance)
    _put(group.broker, partition, told.earlier)
    group.wait_while_alive(
        lambda: watch.database.query("SELECT 1 FROM user_rating WHERE id = :id", id=told.locked_id), "the first row"
    )
    with watch.holding_rows("user_rating", told.locked_id):
        _put(group.broker, partition, told.later, told.opinion)
        group.wait_while_alive(lambda: watch.is_anyone_held_up(WRITING), "the write to be held")
        _put(group.broker, (partition + 1) % LANES, told.erasure)  # another lane's
        group.wait_while_alive(
            lambda: watch.is_erased(told.person) and (watch.is_swept(told.person) or watch.is_anyone_held_up(SWEEPING)),
            "the sweep to wait as well",
        )


def _put(broker: Broker, partition: int, *messages: Message) -> None:
    producer = broker.producer()
    for message in messages:
        producer.produce(message.topic, message.value, message.key, partition, headers=list(message.headers))
    assert producer.flush(30) == 0
