"""The engine as seen from outside: what is stuck, why it isn't ready, and its lag."""

from collections.abc import Iterable

from stream.engine.assigned import Assigned, State
from stream.engine.assignment import Assignment
from stream.engine.lane import Lane
from stream.engine.metrics import Metrics
from stream.engine.waiting import Waiting
from stream.engine.workers import Worker

STUCK_SECONDS = 90.0
"""Lanes and workers move every few seconds, but one statement may take until the driver's read timeout."""

POLLER_STUCK_SECONDS = 30.0
"""The poller turns many times a second, but a callback or a broker that is slow to answer may hold it."""


def stuck(threads: Iterable[Waiting], turned_at: float, now: float) -> list[str]:
    """Threads that no longer move, the poller last; a restart is the cure. Moments are of `time.monotonic()`."""
    still = [f"{waiting.thread} has not moved" for waiting in threads if now - waiting.moved_at > STUCK_SECONDS]
    if now - turned_at > POLLER_STUCK_SECONDS:
        still.append("the poller has not turned")
    return still


def unready(
    assignment: Assignment,
    lanes: Iterable[Lane],
    workers: Iterable[Worker],
    *,
    has_joined: bool,
    kafka_trouble: str | None = None,
) -> list[str]:
    """Reasons why this process isn't doing all of its work now; time or an operator is the cure. What Kafka refuses the
    consumer is `kafka_trouble`."""
    reasons = [] if has_joined else ["the group has not given out its partitions yet"]
    reasons += [f"topic {topic} {why}" for topic, why in assignment.unreadable.items()]
    whys = [("Kafka's consumer", kafka_trouble), ("Kafka", assignment.waiting.why())]
    whys += [(lane.name, lane.waiting.why()) for lane in lanes]
    whys += [(worker.name, worker.why()) for worker in workers]
    reasons += [f"{name}: {why}" for name, why in whys if why is not None]
    for assigned in list(assignment.partitions.values()):
        if assigned.is_resting:
            reasons.append(f"{assigned.topic_partition} rests: {assigned.resting_for}")
        elif not assigned.is_led and assigned.topic_partition.topic not in assignment.unreadable:
            reasons.append(f"{assigned.topic_partition} has no leader: see to the brokers that have its replicas")
        elif assigned.state is not State.READING:
            reasons.append(f"{assigned.topic_partition} {assigned.state.value}")
    return reasons


def tell_lag(metrics: Metrics, assigned: Assigned) -> None:
    """Set the gauges of a partition's lag, as far as it is known."""
    lag = assigned.lag
    if lag is not None:
        metrics.lag_records.labels(*assigned.topic_partition).set(lag.records)
        if lag.seconds is not None:
            metrics.lag_seconds.labels(*assigned.topic_partition).set(lag.seconds)


def tell_partitions(metrics: Metrics, topics: Iterable[str], assignment: Assignment) -> None:
    """Set the gauges of how many partitions of each topic this process holds, and how many wait for their lane."""
    for topic in topics:
        held = [each for each in assignment.partitions.values() if each.topic_partition.topic == topic]
        metrics.partitions_assigned.labels(topic).set(len(held))
        metrics.partitions_paused.labels(topic).set(sum(map(assignment.is_waiting_for_lane, held)))
