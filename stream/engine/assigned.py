"""One partition of an assignment: its state, its claim, and how far it is read.

WAITING ──claim asked──▶ CLAIMING ──claimed──▶ SEEKING ──position set──▶ READING
   ▲                                                                        │ fenced, or astray
   ├───────── still ours ────────── DOUBTED ◀───────────────────────────────┤
   ├───────── looked at again ───── STOPPED ◀──── where to go on is unknown ┤
   └───────── after a while ─────── SUSPENDED ◀── too many dead letters ────┘
"""

from dataclasses import dataclass
from enum import Enum

from stream import moments
from stream.kafka.source import Fetched
from stream.operate.standing import Applied, Lag, lag
from stream.records import Claim, Slice, TopicPartition


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
    topic_id: str = ""
    """Kafka's id of the topic when the claim was requested."""
    claim: Claim | None = None
    """Requested while CLAIMING, and granted from then on; None before the first request."""
    read_offset: int = 0
    """The offset of the next record to be polled; older ones are echoes of an earlier position."""
    informed_offset: int = 0
    """The offset that Kafka was last informed of."""
    end_offset: int | None = None
    """The end of its log, as of the last survey that was answered; None before the first."""
    is_led: bool = True
    """Whether a broker answered for it at the last survey."""
    stored: Applied | None = None
    """The progress that it has in MySQL, as far as a survey found while it couldn't be claimed."""
    resting_for: str | None = None
    """The reason of a stop or a suspension; None once the partition is read again."""
    rest_until: float = 0.0
    """The end of the rest, in `time.monotonic()` seconds."""

    @property
    def is_resting(self) -> bool:
        return self.resting_for is not None

    @property
    def applied_offset(self) -> int | None:
        """The next offset to apply, once MySQL granted the claim."""
        return self.claim.next_offset if self.claim is not None and self.claim.is_granted else None

    @property
    def lag(self) -> Lag | None:
        """The lag, as far as both the end and the progress are known."""
        if self.end_offset is None:
            return None
        if self.claim is not None and self.claim.is_granted:
            through_ms = self.claim.complete_through_ms
            through = None if through_ms is None else moments.from_millis(through_ms)
            return lag(self.end_offset, self.claim.next_offset, through)
        stored = self.stored
        return None if stored is None else lag(self.end_offset, stored.next_offset, stored.complete_through)

    def give_up_claim(self) -> None:
        if self.claim is not None:
            self.claim.give_up()

    def take(self, fetched: Fetched) -> Slice | None:
        """Cut what was fetched into a slice under the claim, and read on behind it; None where nothing of it is new."""
        assert self.claim is not None
        records = fetched.records
        if records and records[0].offset < self.read_offset:
            records = [record for record in records if record.offset >= self.read_offset]
        next_offset = max(self.read_offset, fetched.end_offset or 0, records[-1].offset + 1 if records else 0)
        if next_offset == self.read_offset:
            return None
        slice_ = Slice(self.claim, self.read_offset, next_offset, records)
        self.read_offset = next_offset
        if records:
            slice_.complete_through_ms = max(record.timestamp_ms for record in records)
        return slice_
