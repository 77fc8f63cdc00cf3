"""The group that processes share partitions in, as tests see it."""

from __future__ import annotations

from tests.broker import PARTITIONS
from tests.consumers import Running

EVEN_SHARE = PARTITIONS // 2
"""Of two processes."""

PROTOCOLS: dict[str, dict[str, str]] = {
    "eager": {},
    "cooperative": {"kafka_partition_assignment_strategy": "cooperative-sticky"},
    # It refuses the settings that tests use to be quick: the broker decides.
    "consumer": {"kafka_group_protocol": "consumer", "kafka_session_timeout_ms": "", "kafka_heartbeat_interval_ms": ""},
}


def held(consumer: Running) -> int:
    return int(consumer.metric("stream_partitions_assigned"))
