"""The engine as seen from outside: what is stuck, why it isn't ready, and its lag."""

import time
from collections.abc import Iterable

from stream.engine.assigned import Assigned, State
from stream.engine.assignment import Assignment
from stream.engine.lane import Lane
from stream.engine.metrics import Metrics
from stream.engine.workers import Worker

STUCK_SECONDS = 90.0
"""Lanes and workers move every few seconds, but one statement may take until the driver's read timeout."""

POLLER_STUCK_SECONDS = 30.0
"""The poller turns many times a second, but a callback or a broker that is slow to answer may hold it."""


def stuck(threads: Iterable[Lane | Worker], turned_at: float, now: float) -> list[str]:
    """Threads that no longer move, the poller last; a restart is the cure. Moments are of `time.monotonic()`."""
    still = [f"{thread.name} has not moved" for thread in threads if now - thread.moved_at > STUCK_SECONDS]
    if now - turned_at > POLLER_STUCK_SECONDS:
        still.append("the poller has not turned")
    return still


def unready(
    assignment: Assignment, threads: Iterable[Lane | Worker], *, has_joined: bool, kafka_trouble: str | None = None
) -> list[str]:
    """Reasons why this process isn't doing its work now; time or an operator is the cure."""
    reasons = [] if has_joined else ["the group has not given out its partitions yet"]
    if kafka_trouble is not None:
        reasons.append(f"Kafka's consumer: {kafka_trouble}")
    if assignment.brokers_trouble is not None:
        reasons.append(f"Kafka: {assignment.brokers_trouble}")
    reasons += [f"{thread.name}: {thread.trouble}" for thread in threads if thread.trouble]
    for assigned in list(assignment.partitions.values()):
        if assigned.is_resting:
            reasons.append(f"{assigned.topic_partition} rests: {assigned.resting_for}")
        elif assigned.state is not State.READING:
            reasons.append(f"{assigned.topic_partition} {assigned.state.value}")
    return reasons


def tell_lag(metrics: Metrics, assigned: Assigned, end_offset: int | None) -> None:
    """Set the gauges of a partition's lag, where its end is known."""
    if assigned.applied_offset is None or end_offset is None:
        return
    topic, partition = assigned.topic_partition
    lag = max(0, end_offset - assigned.applied_offset)
    oldest = assigned.oldest_unapplied_ms
    age = max(0.0, time.time() - oldest / 1000) if lag and oldest is not None else 0.0
    metrics.lag_records.labels(topic, partition).set(lag)
    metrics.lag_seconds.labels(topic, partition).set(age)


def tell_partitions(metrics: Metrics, topics: Iterable[str], assignment: Assignment) -> None:
    """Set the gauges of how many partitions of each topic this process holds, and how many wait for their lane."""
    for topic in topics:
        held = [each for each in assignment.partitions.values() if each.topic_partition.topic == topic]
        metrics.partitions_assigned.labels(topic).set(len(held))
        metrics.partitions_paused.labels(topic).set(sum(map(assignment.is_waiting_for_lane, held)))
