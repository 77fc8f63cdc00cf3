"""The source on a real broker: where a partition is told to begin, there it begins, and what it gave counts once."""

from __future__ import annotations

import gc
import random
import uuid
from collections import defaultdict
from collections.abc import Mapping
from threading import Timer

import pytest
from confluent_kafka import Uuid

from deploy.local.server import free_port
from stream.errors import KafkaUnavailable
from stream.kafka.brokers import Brokers
from stream.kafka.source import Fetched, Source
from stream.records import TopicPartition
from tests.broker import Broker
from tests.engine.logs import some_events
from tests.events import Datum, rating, uuid_text
from tests.waiting import wait_for

PROTOCOLS: dict[str, Mapping[str, str]] = {
    "eager": {},
    "cooperative": {"partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}
POLL_SECONDS = 0.02
TOPICS = ("trip", "bytemark.pass")


def ends_of_topics(broker: Broker) -> dict[TopicPartition, int]:
    ends = broker.ends().items()
    return {TopicPartition(one.topic, one.partition): end for one, end in ends if one.topic in TOPICS}


class Reader:
    """A source, in a group of its own if it is told none; notes the offsets that it gets."""

    def __init__(self, broker: Broker, protocol: Mapping[str, str], group_id: str = "") -> None:
        self.assigned: list[TopicPartition] = []
        self.positions: dict[TopicPartition, int] = {}
        self.offsets: dict[TopicPartition, list[int]] = defaultdict(list)
        self.ended: dict[TopicPartition, int] = {}
        self.taken: list[TopicPartition] = []
        self.group_id = group_id or uuid.uuid4().hex
        self.source = Source({"bootstrap.servers": broker.server.bootstrap_servers, **protocol}, self.group_id)
        taken = self.taken.extend
        self.source.subscribe(TOPICS, on_assign=self.assigned.extend, on_revoke=taken, on_lost=taken)

    def begin(self, positions: Mapping[TopicPartition, int]) -> None:
        self.positions |= positions
        self.source.fetch(self.positions, positions)

    def rest(self, *partitions: TopicPartition) -> None:
        """Read all that was begun but these."""
        self.source.fetch({one: offset for one, offset in self.positions.items() if one not in partitions}, ())

    def poll(self) -> bool:
        for where, fetched in self.source.poll(5000, POLL_SECONDS).items():
            if where not in self.positions:
                continue  # before it was begun
            self.offsets[where] += [record.offset for record in fetched.records]
            if fetched.records:
                self.positions[where] = fetched.records[-1].offset + 1
            if fetched.end_offset is not None:
                self.ended[where] = fetched.end_offset
        return True


def joined(broker: Broker, protocol: Mapping[str, str], partitions: int) -> Reader:
    """A reader that the group has given all partitions."""
    reader = Reader(broker, protocol)
    wait_for(lambda: reader.poll() and len(reader.assigned) == partitions, "the assignment")
    return reader


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_each_partition_begins_where_it_is_told_to_whenever_that_is(
    broker: Broker, protocol: Mapping[str, str]
) -> None:
    """librdkafka asks for the end of a partition that is assigned there, and an answer that comes after a seek used to
    override it: records were skipped, and the partition looked read to its end."""
    broker.publish(some_events(200))
    ends = ends_of_topics(broker)
    chance = random.Random(7)
    for _ in range(6):
        reader = joined(broker, protocol, len(ends))
        starts = {one: chance.randint(0, 3) for one in ends}
        turns = {one: chance.randint(0, 40) for one in ends}
        for turn in range(41):
            fresh = {one: starts[one] for one in ends if turns[one] == turn}
            if fresh:
                reader.begin(fresh)
            reader.poll()
        wait_for(lambda: reader.poll() and len(reader.ended) == len(ends), "the ends")  # noqa: B023
        assert reader.offsets == {one: list(range(starts[one], end)) for one, end in ends.items()}
        assert reader.ended == ends
        reader.source.close()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_partition_can_be_begun_again_without_disturbing_the_others(
    broker: Broker, protocol: Mapping[str, str]
) -> None:
    """After a fence: it is read again from an earlier offset, the others go on from where they are."""
    broker.publish(some_events(100))
    ends = ends_of_topics(broker)
    reader = joined(broker, protocol, len(ends))
    reader.begin(dict.fromkeys(ends, 0))
    wait_for(lambda: reader.poll() and len(reader.ended) == len(ends), "the ends")
    again = max(ends, key=lambda one: ends[one])
    reader.rest(again)
    reader.offsets[again].clear()
    reader.begin({again: 1})
    broker.publish(some_events(20, first=1000))
    more = ends_of_topics(broker)
    wait_for(lambda: reader.poll() and sum(map(len, reader.offsets.values())) == sum(more.values()) - 1, "all records")
    assert reader.offsets == {one: list(range(int(one == again), end)) for one, end in more.items()}
    reader.source.close()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_partition_that_rests_gives_nothing_until_it_is_read_again(
    broker: Broker, protocol: Mapping[str, str]
) -> None:
    broker.publish(some_events(100))
    ends = ends_of_topics(broker)
    reader = joined(broker, protocol, len(ends))
    quiet = TopicPartition("trip", 0)
    reader.begin(dict.fromkeys(ends, 0))
    reader.rest(quiet)
    wait_for(lambda: reader.poll() and len(reader.ended) == len(ends) - 1, "the others' ends")
    broker.publish(some_events(50, first=1000))
    more = ends_of_topics(broker)
    reader.ended.clear()
    others = {one: end for one, end in more.items() if one != quiet}
    wait_for(lambda: reader.poll() and reader.ended == others, "the others' new ends")
    assert reader.offsets[quiet] == []
    reader.begin({quiet: 0})
    wait_for(lambda: reader.poll() and quiet in reader.ended, "the rest")
    assert reader.offsets == {one: list(range(end)) for one, end in more.items()}
    reader.source.close()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_partitions_that_rest_and_go_on_again_and_again_lose_nothing(
    broker: Broker, protocol: Mapping[str, str]
) -> None:
    broker.publish(some_events(100))
    ends = ends_of_topics(broker)
    reader = joined(broker, protocol, len(ends))
    reader.begin(dict.fromkeys(ends, 0))
    chance = random.Random(11)
    for _ in range(200):
        resting = [one for one in ends if chance.random() < 0.5]
        reader.rest(*resting)
        reader.begin({one: reader.positions[one] for one in resting})
        if chance.random() < 0.2:
            reader.poll()
    wait_for(lambda: reader.poll() and reader.positions == ends, "all records")
    assert reader.offsets == {one: list(range(end)) for one, end in ends.items()}
    reader.source.close()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_partitions_that_nobody_reads_yet_can_be_taken_again_and_again(
    broker: Broker, protocol: Mapping[str, str]
) -> None:
    """The client, if we do not answer it, takes them by itself, and fails where they are not fetched: the first time
    that lost what the poll had brought, and the second time within a poll it was a `SystemError`."""
    partitions = ends_of_topics(broker)
    reader = joined(broker, protocol, len(partitions))
    for _ in range(2):
        reader.assigned.clear()
        reader.taken.clear()
        other = Reader(broker, protocol, reader.group_id)
        wait_for(lambda: reader.poll() and other.poll() and other.assigned and reader.taken, "its share")  # noqa: B023
        other.source.close()
        wait_for(lambda: reader.poll() and set(reader.assigned) >= set(reader.taken), "what was taken")
    reader.source.close()


def test_what_comes_after_a_rest_comes_at_once_and_what_follows_is_gathered(broker: Broker) -> None:
    """A quiet topic's event would wait for nothing, and a busy topic's would be a transaction each."""
    broker.publish(some_events(10))
    ends = ends_of_topics(broker)
    reader = joined(broker, {}, len(ends))
    reader.begin(ends)
    wait_for(lambda: reader.poll() and len(reader.ended) == len(ends), "the ends")
    timers = [Timer(seconds, broker.publish, [[rating_event(seconds)]]) for seconds in (0.2, 2.0, 2.5)]
    for each in timers:
        each.start()
    counts = [record_count(reader.source.poll(100, linger_seconds=5)) for _ in range(2)]
    for each in timers:
        each.join()
    assert counts == [1, 2]
    reader.source.close()


def rating_event(number: float) -> tuple[str, Datum]:
    return "TripRated", rating(rating_id=int(number * 10), event_id=uuid_text(int(number * 10)))


def record_count(fetched: Mapping[TopicPartition, Fetched]) -> int:
    return sum(len(each.records) for each in fetched.values())


def test_brokers_that_are_away_are_told_from_partitions_without_a_leader() -> None:
    nobody = Brokers({"bootstrap.servers": f"127.0.0.1:{free_port()}"})
    with pytest.raises(KafkaUnavailable, match="did not tell where partitions begin"):
        nobody.high_watermarks([TopicPartition("trip", 0)])


def test_a_partition_that_no_broker_answers_for_is_left_out(broker: Broker) -> None:
    there, missing = TopicPartition("trip", 0), TopicPartition("trip", 99)
    assert broker.brokers.high_watermarks([there, missing]) == {there: 0}
    assert broker.brokers.watermarks([there, missing]) == {there: (0, 0)}
    assert broker.brokers.watermarks([missing]) == {}
    topics = broker.brokers.describe(["trip", "no-such-topic"])
    assert topics.readable.keys() == {"trip"}
    assert topics.unreadable == {"no-such-topic": "does not exist: run `stream topics create`"}


def test_descriptions_of_topics_leave_no_object_behind(broker: Broker) -> None:
    def ids_alive() -> int:
        gc.collect()
        return sum(isinstance(each, Uuid) for each in gc.get_objects())

    [topic_id] = broker.brokers.topic_ids(["trip"]).values()
    alive = ids_alive()
    assert {broker.brokers.topic_ids(["trip"])["trip"] for _ in range(20)} == {topic_id}
    assert ids_alive() == alive
