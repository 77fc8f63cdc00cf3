"""What the poller knows of each partition that the group gave it, from assignment until it goes again.

WAITING ──claim asked──▶ CLAIMING ──claimed──▶ SEEKING ──position set──▶ READING
   ▲                                                                        │ fenced
   └───────── still ours ────────── DOUBTED ◀───────────────────────────────┘
Any of them ──▶ STOPPED, where only an operator can say how to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from stream.records import Claim, TopicPartition


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
    is_paused: bool = False
    """Paused because its lane is full."""
    is_gone: bool = False
    """Revoked or lost."""
    stop_reason: str | None = None
