"""Partitions on their way to being read, step by step, with brokers and lanes that say what a test wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest
from structlog.testing import capture_logs

from stream import moments
from stream.engine import watch
from stream.engine.assigned import Assigned, State
from stream.engine.assignment import ASK_AGAIN_SECONDS, LOOK_AGAIN_SECONDS, SUSPENDED_SECONDS, Assignment
from stream.engine.lane import Lane
from stream.engine.messages import Survey
from stream.engine.metrics import Metrics
from stream.errors import KafkaUnavailable, StopReason
from stream.kafka.brokers import Watermarks
from stream.kafka.source import Source
from stream.operate.standing import Applied, lag
from stream.records import Claim, TopicPartition

TRIP = TopicPartition("trip", 3)
OTHER = TopicPartition("bytemark.pass", 0)


class Brokers:
    """What Kafka would say, and what was asked of its client."""

    def __init__(self) -> None:
        self.ids = {"trip": "id-1", "bytemark.pass": "id-2"}
        self.low, self.high = 0, 100
        self.is_holding = True
        self.is_away = False
        self.leaderless: set[TopicPartition] = set()
        self.asked = 0
        self.fetched: list[tuple[dict[TopicPartition, int], set[TopicPartition]]] = []

    @property
    def brokers(self) -> Brokers:
        return self

    def _answer(self) -> None:
        self.asked += 1
        if self.is_away:
            raise KafkaUnavailable("away")

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        self._answer()
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}

    def watermarks(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Watermarks]:
        if partitions:
            self._answer()
        return {one: Watermarks(self.low, self.high) for one in partitions if one not in self.leaderless}

    def fetch(self, positions: Mapping[TopicPartition, int], anew: Collection[TopicPartition]) -> None:
        self.fetched.append((dict(positions), set(anew)))

    def is_member_holding(self, _partition: TopicPartition) -> bool:
        self._answer()
        return self.is_holding


@dataclass
class ScriptedLane:
    """Keeps what it is asked for."""

    requested: list[Claim]
    is_overfull: bool = False

    def request_claim(self, claim: Claim) -> None:
        self.requested.append(claim)


class Turns:
    """An assignment, and the turns that the poller would take."""

    def __init__(self) -> None:
        self.brokers = Brokers()
        self.requested: list[Claim] = []
        self.metrics = Metrics()
        self.lanes = {TRIP: ScriptedLane(self.requested), OTHER: ScriptedLane(self.requested)}
        self.clock = [1000.0]
        self.assignment = Assignment(
            cast("Source", self.brokers),
            cast("Callable[[TopicPartition], Lane]", self.lanes.__getitem__),
            self.metrics,
            stop_remedy="see to {partition}",
            clock=lambda: self.clock[0],
        )

    def settle(self) -> None:
        self.assignment.settle()

    def fetched(self) -> tuple[dict[TopicPartition, int], set[TopicPartition]]:
        """What the client was told to fetch last, and what of it to begin."""
        self.settle()
        return self.brokers.fetched[-1]

    def claimed(self, next_offset: int = 10, topic_id: str | None = None) -> Claim:
        claim = self.requested[-1]
        claim.grant(topic_id or claim.topic_id, 1, next_offset)
        self.assignment.on_claimed(claim)
        return claim

    def read(self, partition: TopicPartition = TRIP, next_offset: int = 10) -> Assigned:
        """Bring a partition to where it is read."""
        self.assignment.add([partition])
        self.settle()
        self.claimed(next_offset)
        self.settle()
        one = self.assignment.reading(partition)
        assert one is not None
        return one

    def stopped(self, reason: StopReason) -> float | None:
        labels = {"topic": TRIP.topic, "partition": str(TRIP.partition), "reason": str(reason)}
        return self.metrics.registry.get_sample_value("stream_partitions_stopped", labels)

    def suspended(self, reason: str) -> float | None:
        labels = {"topic": TRIP.topic, "partition": str(TRIP.partition), "reason": reason}
        return self.metrics.registry.get_sample_value("stream_partitions_suspended", labels)

    def state(self) -> State:
        return self.assignment.partitions[TRIP].state


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def clock(turns: Turns) -> list[float]:
    return turns.clock


def test_a_partition_is_claimed_sought_and_read(turns: Turns) -> None:
    turns.brokers.low = 5
    turns.assignment.add([TRIP])
    assert turns.state() is State.WAITING
    turns.settle()
    (claim,) = turns.requested
    assert (claim.topic_partition, claim.topic_id, claim.next_offset) == (TRIP, "id-1", 5)
    assert turns.state() is State.CLAIMING
    assert turns.assignment.reading(TRIP) is None
    turns.claimed(next_offset=10)
    assert turns.state() is State.SEEKING
    turns.settle()
    one = turns.assignment.reading(TRIP)
    assert one is not None
    assert (one.claim, one.read_offset, claim.is_held) == (claim, 10, True)
    assert turns.brokers.fetched == [({TRIP: 10}, {TRIP})]
    turns.settle()
    assert len(turns.brokers.fetched) == 1, "it is told once"


def test_while_the_brokers_are_away_nothing_moves_and_nothing_is_lost(turns: Turns, clock: list[float]) -> None:
    turns.brokers.is_away = True
    turns.assignment.add([TRIP])
    turns.settle()
    turns.assignment.look_again()
    assert (turns.state(), turns.requested) == (State.WAITING, [])
    turns.brokers.is_away = False
    clock[0] += ASK_AGAIN_SECONDS
    turns.settle()
    turns.claimed()
    turns.brokers.is_away = True
    turns.settle()
    assert turns.state() is State.SEEKING
    turns.brokers.is_away = False
    clock[0] += ASK_AGAIN_SECONDS
    turns.settle()
    assert turns.state() is State.READING


def test_brokers_that_fail_at_once_are_not_asked_in_every_turn(turns: Turns, clock: list[float]) -> None:
    turns.brokers.is_away = True
    turns.assignment.add([TRIP])
    for _ in range(50):
        turns.settle()
        clock[0] += ASK_AGAIN_SECONDS / 20
    assert turns.brokers.asked == 3


def test_a_topic_that_brokers_do_not_know_yet_waits(turns: Turns, clock: list[float]) -> None:
    del turns.brokers.ids["trip"]
    turns.assignment.add([TRIP])
    turns.settle()
    assert (turns.state(), turns.requested) == (State.WAITING, [])


def test_a_claim_of_an_assignment_that_is_gone_is_not_taken(turns: Turns) -> None:
    turns.assignment.add([TRIP])
    turns.settle()
    (late,) = turns.requested
    turns.assignment.forget([TRIP])
    assert not late.is_held
    turns.assignment.add([TRIP])
    turns.settle()
    late.grant("id-1", 1, 10)
    turns.assignment.on_claimed(late)
    assert turns.state() is State.CLAIMING
    assert turns.assignment.partitions[TRIP].applied_offset is None
    turns.claimed()
    assert turns.state() is State.SEEKING


def test_what_is_revoked_ends_its_claim(turns: Turns) -> None:
    one = turns.read()
    assert one.claim is not None
    turns.assignment.forget([TRIP, OTHER])
    assert (one.claim.is_held, turns.assignment.partitions) == (False, {})


@pytest.mark.parametrize(
    ("low", "high", "stored", "reason"),
    [
        (11, 100, 10, StopReason.RETENTION_OVERTOOK),
        (0, 9, 10, StopReason.LOG_IS_SHORTER),
        (10, 100, 10, None),
        (0, 10, 10, None),
    ],
)
def test_a_partition_whose_offset_the_log_lacks_is_stopped(
    turns: Turns, low: int, high: int, stored: int, reason: StopReason | None
) -> None:
    turns.brokers.low, turns.brokers.high = low, high
    turns.assignment.add([TRIP])
    turns.settle()
    turns.claimed(stored)
    turns.settle()
    if reason is None:
        assert turns.state() is State.READING
        return
    assert turns.state() is State.STOPPED
    assert turns.assignment.partitions[TRIP].resting_for == reason
    assert turns.stopped(reason) == 1
    assert turns.brokers.fetched == []


def test_a_topic_made_anew_before_the_claim_is_stopped(turns: Turns) -> None:
    turns.assignment.add([TRIP])
    turns.settle()
    turns.claimed(topic_id="id-0")
    assert (turns.state(), turns.stopped(StopReason.TOPIC_RECREATED)) == (State.STOPPED, 1)


def test_a_topic_made_anew_while_it_is_read_is_stopped(turns: Turns) -> None:
    one = turns.read()
    assert one.claim is not None
    turns.read(OTHER)
    turns.assignment.look_again()
    assert turns.state() is State.READING
    turns.brokers.ids["trip"] = "id-9"
    turns.assignment.look_again()
    assert (turns.state(), one.claim.is_held) == (State.STOPPED, False)
    assert turns.fetched() == ({OTHER: 10}, set())
    assert turns.assignment.reading(OTHER) is not None


def test_a_stopped_partition_is_looked_at_again_and_goes_on_once_somebody_decided(
    turns: Turns, clock: list[float]
) -> None:
    turns.brokers.low = 50
    turns.assignment.add([TRIP])
    turns.settle()
    turns.claimed(10)
    turns.settle()
    clock[0] += LOOK_AGAIN_SECONDS - 0.1
    turns.assignment.look_again()
    assert turns.state() is State.STOPPED
    clock[0] += 0.1
    turns.assignment.look_again()
    assert turns.state() is State.WAITING
    assert turns.stopped(StopReason.RETENTION_OVERTOOK) == 1, "it is told until it reads again"
    turns.settle()
    turns.claimed(50)
    turns.settle()
    assert turns.state() is State.READING
    assert turns.stopped(StopReason.RETENTION_OVERTOOK) is None
    assert not turns.assignment.partitions[TRIP].is_resting


def test_a_suspended_topic_rests_and_gives_up_what_lanes_hold(turns: Turns, clock: list[float]) -> None:
    one = turns.read()
    turns.read(OTHER)
    assert one.claim is not None
    turns.assignment.suspend("trip", "from_the_future")
    assert (turns.state(), one.claim.is_held, one.resting_for) == (State.SUSPENDED, False, "from_the_future")
    assert turns.fetched() == ({OTHER: 10}, set())
    assert turns.suspended("from_the_future") == 1
    assert turns.assignment.reading(OTHER) is not None
    clock[0] += SUSPENDED_SECONDS - 0.1
    turns.assignment.look_again()
    assert turns.state() is State.SUSPENDED
    clock[0] += 0.1
    turns.assignment.look_again()
    assert turns.state() is State.WAITING
    turns.settle()
    turns.claimed()
    assert turns.suspended("from_the_future") == 1, "it is told until it reads again"
    turns.settle()
    assert turns.suspended("from_the_future") is None


def test_a_partition_tells_only_the_newest_reason_of_its_rest(turns: Turns, clock: list[float]) -> None:
    turns.read()
    turns.assignment.suspend("trip", "from_the_future")
    clock[0] += SUSPENDED_SECONDS
    turns.assignment.look_again()
    turns.settle()
    turns.claimed(topic_id="id-0")
    assert (turns.stopped(StopReason.TOPIC_RECREATED), turns.suspended("from_the_future")) == (1, None)


def test_the_log_line_of_a_stop_says_what_to_do(turns: Turns) -> None:
    turns.assignment.add([TRIP])
    turns.settle()
    with capture_logs() as lines:
        turns.claimed(topic_id="id-0")
    assert [(line["event"], line["todo"]) for line in lines] == [("partition stopped", "see to trip/3")]


def test_a_suspension_does_not_wake_what_waits_for_an_operator(turns: Turns) -> None:
    turns.brokers.low = 50
    turns.assignment.add([TRIP])
    turns.settle()
    turns.claimed(10)
    turns.settle()
    turns.assignment.suspend("trip", "from_the_future")
    assert turns.state() is State.STOPPED
    assert turns.assignment.partitions[TRIP].resting_for == StopReason.RETENTION_OVERTOOK


def test_a_claim_that_arrives_during_a_suspension_is_not_taken(turns: Turns) -> None:
    turns.assignment.add([TRIP])
    turns.settle()
    turns.assignment.suspend("trip", "from_the_future")
    turns.claimed()
    assert turns.state() is State.SUSPENDED


def test_a_fenced_partition_waits_until_the_group_says_that_it_is_ours(turns: Turns) -> None:
    one = turns.read()
    assert one.claim is not None
    turns.read(OTHER)
    turns.assignment.on_fenced([one.claim])
    assert turns.state() is State.DOUBTED
    assert turns.fetched() == ({OTHER: 10}, set())
    turns.brokers.is_holding = False
    turns.assignment.look_again()
    assert turns.state() is State.DOUBTED
    turns.brokers.is_holding = True
    turns.assignment.look_again()
    assert turns.state() is State.WAITING


def test_brokers_that_do_not_answer_are_told_until_they_do(turns: Turns) -> None:
    turns.read()
    turns.brokers.is_away = True
    turns.assignment.look_again()
    assert turns.assignment.waiting.trouble == "away"
    assert turns.metrics.registry.get_sample_value("stream_retries_total", {"reason": "kafka_unavailable"}) == 1
    turns.brokers.is_away = False
    turns.settle()
    assert turns.assignment.waiting.trouble == "away", "nobody was asked"
    turns.assignment.look_again()
    assert turns.assignment.waiting.trouble is None


def test_the_groups_own_word_ends_the_trouble_with_brokers(turns: Turns) -> None:
    """A member without partitions has nothing to ask them."""
    turns.brokers.is_away = True
    turns.assignment.add([TRIP])
    turns.settle()
    assert turns.assignment.waiting.trouble == "away"
    turns.assignment.forget([TRIP])
    turns.assignment.add([])
    assert turns.assignment.waiting.trouble is None


def test_what_waits_for_a_full_lane_is_not_fetched_and_goes_on_where_it_stood(turns: Turns) -> None:
    one = turns.read()
    turns.read(OTHER)
    one.read_offset = 17
    turns.lanes[TRIP].is_overfull = True
    assert turns.fetched() == ({OTHER: 10}, set())
    turns.lanes[TRIP].is_overfull = False
    assert turns.fetched() == ({OTHER: 10, TRIP: 17}, {TRIP})


def test_a_partition_that_is_read_again_is_begun_anew(turns: Turns) -> None:
    one = turns.read()
    assert one.claim is not None
    one.read_offset = 17
    turns.assignment.on_fenced([one.claim])
    assert turns.fetched() == ({}, set())
    turns.assignment.look_again()
    turns.settle()
    turns.claimed(12)
    assert turns.fetched() == ({TRIP: 12}, {TRIP})


def test_what_the_group_says_changes_nothing_that_is_fetched_until_the_next_turn(turns: Turns) -> None:
    """The client waits for one answer to it, and takes whatever it is told for that answer."""
    one = turns.read()
    turns.read(OTHER)
    assert one.claim is not None
    told = len(turns.brokers.fetched)
    turns.assignment.on_fenced([one.claim])
    turns.assignment.forget([OTHER])
    turns.assignment.add([OTHER])
    assert len(turns.brokers.fetched) == told
    assert turns.fetched() == ({}, set())


def test_a_position_that_the_log_lacks_is_claimed_again(turns: Turns) -> None:
    one = turns.read()
    assert one.claim is not None
    turns.assignment.on_astray(one)
    assert (turns.state(), one.claim.is_held) == (State.WAITING, False)


def survey(
    ends: Mapping[TopicPartition, int],
    *,
    leaderless: Collection[TopicPartition] = (),
    unreadable: Mapping[str, str] | None = None,
    stored: Mapping[TopicPartition, Applied] | None = None,
) -> Survey:
    return Survey(0, ends, leaderless, unreadable or {}, stored or {})


def test_a_partition_without_a_leader_holds_up_no_other(turns: Turns, clock: list[float]) -> None:
    turns.brokers.leaderless = {TRIP}
    turns.assignment.add([TRIP, OTHER])
    turns.settle()
    assert [claim.topic_partition for claim in turns.requested] == [OTHER]
    assert turns.state() is State.WAITING
    turns.claimed()
    clock[0] += ASK_AGAIN_SECONDS
    turns.settle()
    assert turns.assignment.reading(OTHER)
    turns.assignment.on_survey(survey({OTHER: 10}, leaderless={TRIP}))
    assert unready(turns) == ["trip/3 has no leader: see to the brokers that have its replicas"]
    turns.brokers.leaderless = set()
    clock[0] += ASK_AGAIN_SECONDS
    turns.settle()
    turns.claimed()
    turns.settle()
    turns.assignment.on_survey(survey({OTHER: 10, TRIP: 100}))
    assert unready(turns) == []


def test_a_partition_that_lost_its_leader_begins_once_it_has_one(turns: Turns, clock: list[float]) -> None:
    turns.assignment.add([TRIP])
    turns.settle()
    turns.claimed()
    turns.brokers.leaderless = {TRIP}
    turns.settle()
    assert turns.state() is State.SEEKING
    turns.brokers.leaderless = set()
    clock[0] += ASK_AGAIN_SECONDS
    turns.settle()
    assert turns.state() is State.READING


def test_a_topic_that_can_not_be_read_is_said_once_and_holds_up_no_other(turns: Turns) -> None:
    turns.read(OTHER)
    with capture_logs() as lines:
        for _ in range(3):
            turns.assignment.on_survey(survey({OTHER: 10}, unreadable={"trip": "may not be read: grant it"}))
        assert unready(turns) == ["topic trip may not be read: grant it"]
        turns.assignment.on_survey(survey({OTHER: 10}))
    assert [line["event"] for line in lines] == ["topic not read", "topic can be read again"]
    assert unready(turns) == []


def unready(turns: Turns) -> list[str]:
    return watch.unready(turns.assignment, [], [], has_joined=True)


def lag_told(turns: Turns) -> tuple[float | None, float | None]:
    watch.tell_lag(turns.metrics, turns.assignment.partitions[TRIP])
    labels = {"topic": TRIP.topic, "partition": str(TRIP.partition)}
    told = turns.metrics.registry.get_sample_value
    return told("stream_lag_records", labels), told("stream_lag_seconds", labels)


def test_the_lag_grows_while_nothing_is_fetched(turns: Turns) -> None:
    assigned = turns.read(next_offset=10)
    assert lag_told(turns) == (None, None)
    assert assigned.claim is not None
    assigned.claim.move_on(10, int(time.time() * 1000) - 90_000)
    for end in (10, 400, 500):
        turns.assignment.on_survey(survey({TRIP: end}))
        records, seconds = lag_told(turns)
        assert records == end - 10
        assert seconds == pytest.approx(90 if records else 0, abs=5)
    turns.assignment.on_survey(survey({}, leaderless={TRIP}))
    assert lag_told(turns)[0] == 490, "the last end that was told"


def test_the_lag_of_a_partition_that_can_not_be_claimed_is_told_by_mysql(turns: Turns) -> None:
    turns.assignment.add([TRIP])
    complete_through = moments.now() - timedelta(minutes=2)
    turns.assignment.on_survey(survey({TRIP: 50}, stored={TRIP: Applied("id-1", 20, 1, "another", complete_through)}))
    records, seconds = lag_told(turns)
    assert records == 30
    assert seconds == pytest.approx(120, abs=5)


def test_no_lag_is_negative_and_nothing_is_complete_in_the_future(turns: Turns) -> None:
    """A producer's clock is 50 minutes ahead; then nothing is applied any more."""
    assigned = turns.read(next_offset=10)
    assert assigned.claim is not None
    now_ms = int(time.time() * 1000)
    assigned.claim.move_on(10, now_ms + 50 * 60_000)
    assert assigned.claim.complete_through_ms == pytest.approx(now_ms, abs=5_000)
    turns.assignment.on_survey(survey({TRIP: 11}))
    assert lag_told(turns)[1] == pytest.approx(0, abs=5)
    assert lag(9, 10, None) == (0, 0)
    assert lag(11, 10, moments.now() + timedelta(hours=1)).seconds == 0
