"""The cost of each stage of the line: the product's own functions, timed over batches of real records here.

Nothing runs beside them, so their sum is what a single lane alone would need; in `stream run` the lanes overlap.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bench.ground import Ground
from bench.run import MICROS
from bench.workload import Tell, Workload
from stream.kafka.source import Source
from stream.mysql.connection import connect_engine
from stream.mysql.write import Writer
from stream.records import Claim, Record, Slice, TopicPartition
from stream.schemas.framing import header_length
from stream.schemas.readers import Readers
from stream.stages.compact import Compacted, compact
from stream.stages.decode import DecodedSlice, decode, read_datum, reader_of
from stream.stages.values import encoded

BATCH_RECORDS_MAX = 5000
LINGER_SECONDS = 0.05
GROUP_ID = "bench-stages"

Result = TypeVar("Result")
Batch = dict[TopicPartition, list[Record]]
"""The records of one poll."""


@dataclass(frozen=True)
class Stage:
    """One stage's cost for each record, in microseconds."""

    name: str
    what: str
    cpu_micros: float
    wait_micros: float = 0.0
    """Time in which our CPU had nothing to do."""


@dataclass(slots=True)
class Stopwatch:
    """The sum of some work's time: on the clock, of this thread and of the whole process, in seconds."""

    wall: float = 0.0
    thread: float = 0.0
    process: float = 0.0

    def time(self, work: Callable[..., Result], *arguments: object) -> Result:
        wall, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
        result = work(*arguments)
        self.wall += time.perf_counter() - wall
        self.thread += time.thread_time() - thread
        self.process += time.process_time() - process
        return result


@dataclass(slots=True)
class Watches:
    """A stopwatch for each stage; `decode` includes `read`, and `write` includes `compact` and `encode`."""

    all: Stopwatch = field(default_factory=Stopwatch)
    poll: Stopwatch = field(default_factory=Stopwatch)
    read: Stopwatch = field(default_factory=Stopwatch)
    decode: Stopwatch = field(default_factory=Stopwatch)
    compact: Stopwatch = field(default_factory=Stopwatch)
    encode: Stopwatch = field(default_factory=Stopwatch)
    write: Stopwatch = field(default_factory=Stopwatch)


def stage_costs(ground: Ground, workload: Workload, records_max: int, tell: Tell) -> list[Stage]:
    """Take some of the workload's records through the line, batch after batch, as a single lane would."""
    # What the benchmark itself has left on the heap would be searched by each collection of garbage.
    gc.collect()
    gc.freeze()
    watches = Watches()
    count = watches.all.time(_take_through, ground, workload, min(records_max, workload.count), watches, tell)
    return list(_stages(watches, lambda seconds: seconds / count * MICROS))


def _stages(watches: Watches, micros: Callable[[float], float]) -> Iterator[Stage]:
    inside_write = watches.compact.thread + watches.encode.thread
    yield Stage("fetch", "librdkafka's own threads", micros(watches.all.process - watches.all.thread))
    yield Stage("poll", "consume(), and a Record of each message", micros(watches.poll.thread))
    yield Stage("decode", "bytes → datum (fastavro)", micros(watches.read.thread))
    yield Stage("validate", "datum → event (msgspec, rules, key)", micros(watches.decode.thread - watches.read.thread))
    yield Stage("compact", "events → the newest rows of each table, in order", micros(watches.compact.thread))
    yield Stage("encode", "rows → JSON", micros(watches.encode.thread))
    yield Stage(
        "write",
        "driver, fence, ledgers, progress; waiting for MySQL",
        micros(watches.write.thread - inside_write),
        micros(watches.write.wall - watches.write.thread),
    )


def _take_through(ground: Ground, workload: Workload, records_wanted: int, watches: Watches, tell: Tell) -> int:
    """Take the records through all stages into fresh tables, and return their number."""
    readers = workload.readers()
    writer = Writer(connect_engine(ground.fresh_database(), for_lane=True), GROUP_ID, GROUP_ID)
    claims: dict[TopicPartition, Claim] = {}
    done = 0
    for batch in _polled(ground, workload, watches.poll):
        for partition in batch.keys() - claims.keys():
            claims[partition] = Claim(partition, "bench")
            writer.claim(claims[partition])
        slices = [_decoded(claims[partition], records, readers, watches) for partition, records in batch.items()]
        watches.write.time(writer.write, slices)
        done += sum(len(records) for records in batch.values())
        tell(done)
        if done >= records_wanted:
            break
    writer.close()
    return done


def _polled(ground: Ground, workload: Workload, watch: Stopwatch) -> Iterator[Batch]:
    """The batches of the topic from its beginning, without end."""
    waiting: list[TopicPartition] = []
    source = Source({"bootstrap.servers": ground.kafka.bootstrap_servers}, GROUP_ID)
    source.subscribe([workload.topic], on_assign=waiting.extend, on_revoke=lambda _: None, on_lost=lambda _: None)
    try:
        while True:
            if waiting:
                source.fetch(dict.fromkeys(waiting, 0), waiting)
                waiting.clear()
            fetched = watch.time(source.poll, BATCH_RECORDS_MAX, LINGER_SECONDS)
            batch = {partition: piece.records for partition, piece in fetched.items() if piece.records}
            if batch:
                yield batch
    finally:
        source.close()


def _decoded(claim: Claim, records: list[Record], readers: Readers, watches: Watches) -> DecodedSlice:
    """The slice that `write` wants. Parts of `write` are timed here on their own as well."""
    watches.read.time(_read_data, records, readers)
    accepted, rejected = watches.decode.time(decode, records, readers)
    compacted = watches.compact.time(compact, accepted)
    watches.encode.time(_encode, compacted)
    return DecodedSlice(_slice(claim, records), accepted, rejected)


def _slice(claim: Claim, records: list[Record]) -> Slice:
    return Slice(
        claim, claim.next_offset, records[-1].offset + 1, records, max(record.timestamp_ms for record in records)
    )


def _read_data(records: Sequence[Record], readers: Readers) -> None:
    for record in records:
        value = record.value or b""
        header_bytes = header_length(value)
        read_datum(value, header_bytes, reader_of(value[:header_bytes], readers))


def _encode(compacted: Compacted) -> None:
    for table in compacted.tables:
        for _ in encoded(table.rows):
            pass
