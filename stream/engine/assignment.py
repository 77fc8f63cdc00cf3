"""The partitions that the group gave to this process, and how each comes to be read: the poller's bookkeeping.

WAITING ──claim asked──▶ CLAIMING ──claimed──▶ SEEKING ──position set──▶ READING
   ▲                                                                        │ fenced, or astray
   ├───────── still ours ────────── DOUBTED ◀───────────────────────────────┤
   ├───────── looked at again ───── STOPPED ◀──── where to go on is unknown ┤
   └───────── after a while ─────── SUSPENDED ◀── too many dead letters ────┘
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import structlog

from stream.engine.lane import ClaimWanted, PartitionClaimed
from stream.engine.metrics import Metrics
from stream.errors import KafkaUnavailable, StopReason
from stream.kafka.brokers import Watermarks
from stream.kafka.source import Source
from stream.operate.standing import stop_reason
from stream.records import Claim, TopicPartition

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 5.0
"""How often a stopped partition is claimed anew, to see whether an operator has said how to go on."""

ASK_AGAIN_SECONDS = 1.0
"""How long brokers that gave no answer are left alone. They may fail at once, and the poller turns many times a second:
without a rest each turn would ask, and log, again."""

SUSPENDED_SECONDS = 60.0
"""How long a topic rests after too many of its records were rejected."""


class State(Enum):
    WAITING = "waiting"
    """Given by the group; the brokers are to be asked for its topic's id and its first offset."""
    CLAIMING = "claiming"
    """A lane claims it in MySQL."""
    SEEKING = "seeking"
    """Claimed; the client is to begin where progress says."""
    READING = "reading"
    DOUBTED = "doubted"
    """Fenced: perhaps another process owns it by now; the group is asked."""
    STOPPED = "stopped"
    SUSPENDED = "suspended"


@dataclass(slots=True, eq=False)
class Assigned:
    """One partition of this assignment. A partition that comes back is another `Assigned`."""

    topic_partition: TopicPartition
    state: State = State.WAITING
    claim: Claim | None = None
    read_offset: int = 0
    """Where the next record to be polled lies; older ones are echoes of an earlier position."""
    oldest_unapplied_ms: int | None = None
    """Kafka's timestamp of the oldest record that is polled and not yet applied."""
    is_gone: bool = False
    """Revoked or lost."""
    resting_for: str | None = None
    """Why it was stopped or suspended; None once it reads again."""
    rest_until: float = 0.0
    """When it is to be looked at again, in `time.monotonic()` seconds."""

    @property
    def is_resting(self) -> bool:
        return self.resting_for is not None


class Claimer(Protocol):
    """A lane, as far as claims go."""

    def want_claim(self, wanted: ClaimWanted) -> None: ...


class Assignment:
    """The partitions that this process holds; only the poller's thread changes it."""

    def __init__(
        self,
        source: Source,
        lane_of: Callable[[TopicPartition], Claimer],
        metrics: Metrics,
        *,
        is_held_back: Callable[[TopicPartition], bool],
        stop_remedy: str,
    ) -> None:
        """`is_held_back` says whether a partition waits for its lane, and `stop_remedy` what an operator does about a
        stopped `{partition}`.
        """
        self.partitions: dict[TopicPartition, Assigned] = {}
        self._fetched: set[Assigned] = set()
        """What the client was last told to fetch."""
        self.brokers_trouble: str | None = None
        """Why the brokers' last answer is missing; None while all is well."""
        self._ask_again_at = 0.0
        self._source = source
        self._lane_of = lane_of
        self._metrics = metrics
        self._is_held_back = is_held_back
        self._stop_remedy = stop_remedy

    def all_in(self, *states: State) -> list[Assigned]:
        return [one for one in self.partitions.values() if one.state in states]

    def reading(self, topic_partition: TopicPartition) -> Assigned | None:
        """The partition, if it is being read."""
        one = self.partitions.get(topic_partition)
        return one if one is not None and one.state is State.READING else None

    # What the group says.

    def add(self, partitions: Iterable[TopicPartition]) -> None:
        self.brokers_trouble = None
        for one in partitions:
            self.partitions[one] = Assigned(one)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for one in partitions:
            gone = self.partitions.pop(one, None)
            if gone is not None:
                gone.is_gone = True
                self._fetched.discard(gone)
                _end_claim(gone)
            self._metrics.forget(one)

    # What lanes and brokers say.

    def note_claimed(self, claimed: PartitionClaimed) -> None:
        one = self.partitions.get(claimed.wanted.topic_partition)
        if one is None or one.state is not State.CLAIMING or not claimed.wanted.is_wanted():
            return  # asked for under an assignment that is gone
        one.claim = claimed.claim
        if claimed.claim.topic_id != claimed.wanted.topic_id:
            self._stop(one, StopReason.TOPIC_RECREATED)
        else:
            one.state = State.SEEKING

    def note_fenced(self, claims: Collection[Claim]) -> None:
        for one in self.all_in(State.READING, State.SEEKING):
            if one.claim in claims:
                one.state = State.DOUBTED

    def note_astray(self, one: Assigned) -> None:
        """The log has no record at our position: claim again, which finds out why."""
        _end_claim(one)
        one.state = State.WAITING

    def suspend(self, topic: str, reason: str) -> None:
        """Let a topic's partitions rest. What lanes still hold of them is given up, and read again afterwards."""
        for one in self.partitions.values():
            if one.topic_partition.topic == topic and one.state is not State.STOPPED:
                _end_claim(one)
                self._rest(one, State.SUSPENDED, reason, SUSPENDED_SECONDS)

    # Towards reading, a step in each turn.

    def settle(self) -> None:
        """Take each partition that isn't reading yet a step further, and have the client fetch those that are."""
        try:
            if time.monotonic() >= self._ask_again_at:
                self._want_claims(self.all_in(State.WAITING))
                self._begin(self.all_in(State.SEEKING))
        except KafkaUnavailable as error:
            self._note_unavailable(error)
        self._fetch()

    def _fetch(self) -> None:
        """Here alone the client is told what to fetch: between polls, and not within what the group says."""
        wanted = {one for one in self.all_in(State.READING) if not self._is_held_back(one.topic_partition)}
        if wanted == self._fetched:
            return
        positions = {one.topic_partition: one.read_offset for one in wanted}
        self._source.fetch(positions, {one.topic_partition for one in wanted - self._fetched})
        self._fetched = wanted

    def _want_claims(self, waiting: Sequence[Assigned]) -> None:
        if not waiting:
            return
        topics = {one.topic_partition.topic for one in waiting}
        ids = self._source.topic_ids(topics)
        if topics - ids.keys():
            self._rest_from_asking()
        known = [one for one in waiting if one.topic_partition.topic in ids]
        watermarks = self._source.watermarks([one.topic_partition for one in known])
        for one in known:
            where = one.topic_partition
            wanted = ClaimWanted(where, ids[where.topic], watermarks[where].low, _still_here(one))
            self._lane_of(where).want_claim(wanted)
            one.state = State.CLAIMING

    def _begin(self, seeking: Sequence[Assigned]) -> None:
        """Start reading where progress says, where the log still has it."""
        watermarks = self._source.watermarks([one.topic_partition for one in seeking])
        for one in seeking:
            if self._is_in_log(one, watermarks[one.topic_partition]):
                one.state = State.READING
                self._end_rest(one)

    def _is_in_log(self, one: Assigned, watermarks: Watermarks) -> bool:
        """Whether the partition can begin at its claim's offset; otherwise it is stopped."""
        assert one.claim is not None
        one.read_offset = one.claim.next_offset
        reason = stop_reason(one.read_offset, *watermarks)
        if reason is not None:
            self._stop(one, reason)
        return reason is None

    # Once a second.

    def look_again(self) -> None:
        """Look into doubts, wake what has rested long enough, and see whether a topic was made anew."""
        try:
            for one in self.all_in(State.DOUBTED):
                # Where another member holds it, the client will be told so, and revoke it; until then it waits.
                if self._source.is_member_holding(one.topic_partition):
                    one.state = State.WAITING
            if self._notice_recreated(self.all_in(State.READING)):
                self.brokers_trouble = None
        except KafkaUnavailable as error:
            self._note_unavailable(error)
        now = time.monotonic()
        for one in self.all_in(State.STOPPED, State.SUSPENDED):
            if now >= one.rest_until:
                one.state = State.WAITING

    def ends(self) -> dict[TopicPartition, int]:
        """Where the partitions that are read end now; none while the brokers don't answer."""
        if time.monotonic() < self._ask_again_at:
            return {}
        try:
            return self._source.high_watermarks([one.topic_partition for one in self.all_in(State.READING)])
        except KafkaUnavailable as error:
            self._note_unavailable(error)
            return {}

    def _note_unavailable(self, error: KafkaUnavailable) -> None:
        self.brokers_trouble = str(error)
        self._rest_from_asking()
        self._metrics.retries.labels(error.reason).inc()
        log.warning("asking the brokers again", why=str(error), effect="the client connects again by itself")

    def _rest_from_asking(self) -> None:
        self._ask_again_at = time.monotonic() + ASK_AGAIN_SECONDS

    def _notice_recreated(self, reading: Sequence[Assigned]) -> bool:
        """A new topic's records must not pass for the old one's: offsets of the two mean different things.

        Whether the brokers were asked.
        """
        ids = self._source.topic_ids({one.topic_partition.topic for one in reading}) if reading else {}
        for one in reading:
            if one.claim is not None and ids.get(one.topic_partition.topic, one.claim.topic_id) != one.claim.topic_id:
                _end_claim(one)
                self._stop(one, StopReason.TOPIC_RECREATED)
        return bool(reading)

    def _stop(self, one: Assigned, reason: StopReason) -> None:
        """Leave a partition alone until an operator decides: nothing is skipped silently."""
        is_new = one.resting_for != reason
        self._rest(one, State.STOPPED, reason, LOOK_AGAIN_SECONDS)
        if is_new:
            topic, partition = one.topic_partition
            log.error(
                "partition stopped",
                topic=topic,
                partition=partition,
                reason=reason,
                stored_offset=one.claim.next_offset if one.claim else None,
                todo=self._stop_remedy.format(partition=one.topic_partition),
            )

    def _rest(self, one: Assigned, state: State, reason: str, seconds: float) -> None:
        one.state = state
        if one.resting_for != reason:
            one.resting_for = reason
            self._tell_rest(one.topic_partition, state, reason)
        one.rest_until = time.monotonic() + seconds

    def _tell_rest(self, topic_partition: TopicPartition, state: State, reason: str) -> None:
        self._metrics.forget_rest(topic_partition)  # it may have rested for another reason
        is_stopped = state is State.STOPPED
        gauge = self._metrics.partitions_stopped if is_stopped else self._metrics.partitions_suspended
        gauge.labels(*topic_partition, reason).set(1)

    def _end_rest(self, one: Assigned) -> None:
        if one.is_resting:
            log.info("partition reads again", partition=str(one.topic_partition), rested_for=one.resting_for)
            one.resting_for = None
            self._metrics.forget(one.topic_partition)


def _end_claim(one: Assigned) -> None:
    if one.claim is not None:
        one.claim.is_held = False


def _still_here(one: Assigned) -> Callable[[], bool]:
    return lambda: not one.is_gone
