"""The time until an event is visible in MySQL, end to end, in a quiet topic and in a busy one.

Single events are published a few times a second while `stream run` is at work and has nothing else to do, or is busy
with many others in the same topic; MySQL is asked for each until it shows. The clock starts just
before the producer is given the event.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from confluent_kafka import Producer
from sqlalchemy import Connection, select

from bench.drain import applied_counts, streaming
from bench.flow import flowing
from bench.ground import Ground
from bench.workload import BUSY_SEED, QUIET_SEED, Tell, Workload
from stream import moments
from stream.mysql.connection import connect_engine
from stream.produce import Message
from stream.records import Record
from stream.stages.decode import decode_record

EVENTS_A_SECOND = 5
LOOK_SECONDS = 0.004
"""The pause between queries to MySQL; the latency is overstated by half of it."""

BUSY_EVENTS_A_SECOND = 20_000

VISIBLE_SECONDS_MAX = 30.0

FLOW_SECONDS_MAX = 40
"""The time for which events are made: twice what it takes to measure."""


@dataclass(frozen=True)
class Latency:
    """The time from publishing to visibility, in milliseconds."""

    events: int
    median_ms: float
    p99_ms: float
    max_ms: float


def latency(
    ground: Ground, workload: Workload, backlog: int, settings: Mapping[str, str], rate: int, tell: Tell
) -> Latency:
    """Publish the workload's events one by one, once the `backlog` records before them are applied, beside so many
    others a second."""
    url = ground.fresh_database()
    seed = BUSY_SEED if rate else QUIET_SEED  # those of an earlier measurement are in the topic
    with streaming(ground, url, [workload.topic], settings) as process:
        _wait_until_applied(ground, url, process, backlog)
        with flowing(ground, workload, rate, FLOW_SECONDS_MAX) if rate else nullcontext():
            _wait_until_applied(ground, url, process, backlog + rate)  # until they flow
            engine = connect_engine(url).execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                waited = list(_latencies(ground, workload, seed, connection, tell))
    return _summary(waited)


def _wait_until_applied(ground: Ground, url: str, process: subprocess.Popen[bytes], records: int) -> None:
    for count in applied_counts(url, [process]):
        if (count or 0) >= records:
            return
    raise RuntimeError(f"stream run ended early: see {ground.log}")


def _latencies(ground: Ground, workload: Workload, seed: int, connection: Connection, tell: Tell) -> Iterator[float]:
    producer = Producer({"bootstrap.servers": ground.kafka.bootstrap_servers, "linger.ms": 0, "acks": "all"})
    producer.list_topics(workload.topic, timeout=VISIBLE_SECONDS_MAX)  # connected before the first clock starts
    feed = workload.route.feeds[0]
    key = next(iter(feed.table.primary_key))
    for number, (message, key_value) in enumerate(list(_keyed(workload, seed))):
        published_at = time.monotonic()
        producer.produce(message.topic, message.value, message.key)
        producer.poll(0)
        visible = select(key).where(key == key_value)
        while connection.execute(visible).first() is None:
            if time.monotonic() - published_at > VISIBLE_SECONDS_MAX:
                raise RuntimeError(f"an event was not visible after {VISIBLE_SECONDS_MAX:.0f} s")
            time.sleep(LOOK_SECONDS)
        yield time.monotonic() - published_at
        tell(number + 1)
        time.sleep(max(0.0, published_at + 1 / EVENTS_A_SECOND - time.monotonic()))
    producer.flush()


def _keyed(workload: Workload, seed: int) -> Iterator[tuple[Message, Any]]:
    """The messages, each with the primary key of the row that becomes of it."""
    readers = workload.readers()
    feed = workload.route.feeds[0]
    for message in workload.messages(seed):
        record = Record(0, moments.now_micros() // 1000, message.key, message.value)
        _, event, _ = decode_record(record, readers)
        yield message, feed.values(event)[0]


def _summary(waited: Sequence[float]) -> Latency:
    millis = sorted(seconds * 1000 for seconds in waited)
    return Latency(len(millis), median(millis), quantiles(millis, n=100, method="inclusive")[98], millis[-1])
