"""The partitions that the group gave to this process, on their way to being read: the poller's bookkeeping."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from stream.engine.assigned import Assigned, State
from stream.engine.lane import Lane
from stream.engine.messages import Survey
from stream.engine.metrics import Metrics
from stream.engine.waiting import Waiting
from stream.errors import KafkaUnavailable, StopReason
from stream.every import Clock, Every
from stream.kafka.brokers import Watermarks
from stream.kafka.source import Source
from stream.operate.standing import stop_reason
from stream.records import Claim, TopicPartition

log = structlog.get_logger(__name__)

POLLER = "poller"

LOOK_AGAIN_SECONDS = 5.0
"""The period in which a stopped partition is claimed anew, to see whether an operator has said how to go on."""

ASK_AGAIN_SECONDS = 1.0
"""The rest that brokers get after no answer. They may fail at once, and the poller turns many times a second:
without a rest each turn would ask, and log, again."""

SUSPENDED_SECONDS = 60.0
"""A topic's rest after too many of its records were rejected."""


class Assignment:
    """The partitions that this process holds; only the poller's thread changes it."""

    def __init__(
        self,
        source: Source,
        lane_of: Callable[[TopicPartition], Lane],
        metrics: Metrics,
        *,
        stop_remedy: str,
        clock: Clock = time.monotonic,
    ) -> None:
        """`stop_remedy` says what an operator does about a stopped `{partition}`."""
        self.partitions: dict[TopicPartition, Assigned] = {}
        self._fetched: set[Assigned] = set()
        """The partitions that the client was last told to fetch."""
        self.unreadable: Mapping[str, str] = {}
        """Topics that can't be read, as of the last survey, each with the reason and the remedy."""
        self.waiting = Waiting(POLLER, metrics, clock)
        """The poller's questions to the brokers, as health and the log tell of them."""
        self._clock = clock
        self._questions = Every(ASK_AGAIN_SECONDS, clock)
        """Restarted only where an answer is missing."""
        self._source = source
        self._lane_of = lane_of
        self._metrics = metrics
        self._stop_remedy = stop_remedy

    def all_in(self, *states: State) -> list[Assigned]:
        return [assigned for assigned in self.partitions.values() if assigned.state in states]

    def is_waiting_for_lane(self, assigned: Assigned) -> bool:
        """Whether the partition would be fetched if its lane were not overfull."""
        return assigned.state is State.READING and self._lane_of(assigned.topic_partition).is_overfull

    def reading(self, topic_partition: TopicPartition) -> Assigned | None:
        """The partition, if it is being read."""
        assigned = self.partitions.get(topic_partition)
        return assigned if assigned is not None and assigned.state is State.READING else None

    # What the group says.

    def add(self, partitions: Iterable[TopicPartition]) -> None:
        self.waiting.end()
        for partition in partitions:
            self.partitions[partition] = Assigned(partition)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            gone = self.partitions.pop(partition, None)
            if gone is not None:
                self._fetched.discard(gone)
                gone.give_up_claim()
            self._metrics.forget(partition)

    # What lanes and brokers say.

    def on_claimed(self, claim: Claim) -> None:
        assigned = self.partitions.get(claim.topic_partition)
        if assigned is None or assigned.claim is not claim or not claim.is_held:
            return  # requested under an assignment that is gone
        assigned.informed_offset = claim.next_offset
        if claim.topic_id != assigned.topic_id:
            self._stop(assigned, StopReason.TOPIC_RECREATED)
        else:
            assigned.state = State.SEEKING

    def on_fenced(self, claims: Collection[Claim]) -> None:
        for assigned in self.all_in(State.READING, State.SEEKING):
            if assigned.claim in claims:
                assigned.state = State.DOUBTED

    def on_astray(self, assigned: Assigned) -> None:
        """The log has no record at our position: claim again, which finds out why."""
        assigned.give_up_claim()
        assigned.state = State.WAITING

    def suspend(self, topic: str, reason: str) -> None:
        """Let a topic's partitions rest. What lanes still hold of them is given up, and read again afterwards."""
        for assigned in self.partitions.values():
            if assigned.topic_partition.topic == topic and assigned.state is not State.STOPPED:
                assigned.give_up_claim()
                self._rest(assigned, State.SUSPENDED, reason, SUSPENDED_SECONDS)

    # Towards reading, a step in each turn.

    def settle(self) -> None:
        """Take each partition that isn't reading yet a step further, and have the client fetch those that are."""
        with self._asking():
            if self._questions.is_due():
                self._request_claims(self.all_in(State.WAITING))
                self._begin(self.all_in(State.SEEKING))
        self._fetch()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask the brokers; where no answer comes, note why, and leave them alone for a while."""
        try:
            with self.waiting.asking("an answer"):
                yield
        except KafkaUnavailable as error:
            self.waiting.note(error, ASK_AGAIN_SECONDS)
            self._questions.restart()

    def _fetch(self) -> None:
        """Here alone the client is told what to fetch: between polls, and not within what the group says."""
        wanted = {assigned for assigned in self.all_in(State.READING) if not self.is_waiting_for_lane(assigned)}
        if wanted == self._fetched:
            return
        positions = {assigned.topic_partition: assigned.read_offset for assigned in wanted}
        self._source.fetch(positions, {assigned.topic_partition for assigned in wanted - self._fetched})
        self._fetched = wanted

    def _request_claims(self, waiting: Sequence[Assigned]) -> None:
        if not waiting:
            return
        ids = self._topic_ids(waiting)
        known = [assigned for assigned in waiting if assigned.topic_partition.topic in ids]
        for assigned, (low, _) in self._watermarks(known):
            partition = assigned.topic_partition
            assigned.topic_id = ids[partition.topic]
            assigned.claim = Claim(partition, assigned.topic_id, next_offset=low)
            assigned.state = State.CLAIMING
            self._lane_of(partition).request_claim(assigned.claim)
        if any(assigned.state is State.WAITING for assigned in waiting):  # a topic is gone, or a leader
            self._questions.restart()

    def _watermarks(self, partitions: Sequence[Assigned]) -> list[tuple[Assigned, Watermarks]]:
        """The ends of their logs, of those partitions that have a leader."""
        watermarks = self._source.brokers.watermarks([assigned.topic_partition for assigned in partitions])
        led = [assigned for assigned in partitions if assigned.topic_partition in watermarks]
        return [(assigned, watermarks[assigned.topic_partition]) for assigned in led]

    def _begin(self, seeking: Sequence[Assigned]) -> None:
        """Start reading where progress says; stop a partition whose log doesn't have that place."""
        begun = self._watermarks(seeking)
        if len(begun) < len(seeking):
            self._questions.restart()
        for assigned, marks in begun:
            assert assigned.claim is not None
            assigned.read_offset = assigned.claim.next_offset
            reason = stop_reason(assigned.read_offset, *marks)
            if reason is not None:
                self._stop(assigned, reason)
            else:
                assigned.state = State.READING
                self._end_rest(assigned)

    # Once a second.

    def look_again(self) -> None:
        """Look into doubts, wake what has rested long enough, and see whether a topic was made anew."""
        with self._asking():
            for assigned in self.all_in(State.DOUBTED):
                # Where another member holds it, the client will be told so, and revoke it; until then it waits.
                if self._source.is_member_holding(assigned.topic_partition):
                    assigned.state = State.WAITING
            if reading := self.all_in(State.READING):
                self._notice_recreated(reading)
                self.waiting.end()
        for assigned in self.all_in(State.STOPPED, State.SUSPENDED):
            if self._clock() >= assigned.rest_until:
                assigned.state = State.WAITING

    def on_survey(self, survey: Survey) -> None:
        """Note what the brokers told the surveyor; say what can't be read from now on."""
        for partition, assigned in self.partitions.items():
            assigned.is_led = partition not in survey.leaderless
            assigned.end_offset = survey.ends.get(partition, assigned.end_offset)
            assigned.stored = survey.stored.get(partition, assigned.stored)
        for topic, why in survey.unreadable.items():
            if self.unreadable.get(topic) != why:
                log.error("topic not read", topic=topic, why=why, effect="the other topics go on")
        for topic in self.unreadable.keys() - survey.unreadable.keys():
            log.info("topic can be read again", topic=topic)
        self.unreadable = survey.unreadable

    def _topic_ids(self, partitions: Iterable[Assigned]) -> dict[str, str]:
        """Kafka's ids of the partitions' topics, without those that can't be read: the survey says so."""
        return self._source.brokers.topic_ids({assigned.topic_partition.topic for assigned in partitions})

    def _notice_recreated(self, reading: Sequence[Assigned]) -> None:
        """A new topic's records must not pass for the old topic's: offsets of the two mean different things."""
        ids = self._topic_ids(reading)
        for assigned in reading:
            if assigned.claim is not None and assigned.claim.is_of_another_topic(ids):
                assigned.give_up_claim()
                self._stop(assigned, StopReason.TOPIC_RECREATED)

    def _stop(self, assigned: Assigned, reason: StopReason) -> None:
        """Leave a partition alone until an operator decides: nothing is skipped silently."""
        is_new = assigned.resting_for != reason
        self._rest(assigned, State.STOPPED, reason, LOOK_AGAIN_SECONDS)
        if is_new:
            topic, partition = assigned.topic_partition
            log.error(
                "partition stopped",
                topic=topic,
                partition=partition,
                reason=reason,
                stored_offset=assigned.claim.next_offset if assigned.claim else None,
                todo=self._stop_remedy.format(partition=assigned.topic_partition),
            )

    def _rest(self, assigned: Assigned, state: State, reason: str, seconds: float) -> None:
        assigned.state = state
        if assigned.resting_for != reason:
            assigned.resting_for = reason
            self._metrics.forget_rest(assigned.topic_partition)  # it may have rested for another reason
            is_stopped = state is State.STOPPED
            gauge = self._metrics.partitions_stopped if is_stopped else self._metrics.partitions_suspended
            gauge.labels(*assigned.topic_partition, reason).set(1)
        assigned.rest_until = self._clock() + seconds

    def _end_rest(self, assigned: Assigned) -> None:
        if assigned.is_resting:
            log.info("partition reads again", partition=str(assigned.topic_partition), rested_for=assigned.resting_for)
            assigned.resting_for = None
            self._metrics.forget(assigned.topic_partition)
