"""Mutated records by the million through the pure stages: whatever the bytes are, a record becomes rows or a rejection.

    python -m tests.fuzz --records 1_000_000 --seed 7

Each example of `schemas/` is cut, stretched, spliced with another and bent bit by bit, and gets the header of another
schema; a part of the records comes under schemas of a registry, which are as bent as they are. Then the records are
decoded, compacted and encoded as the engine does it. Anything but rows or a rejection ends with a traceback, a batch
that takes too long with SIGALRM. One line of JSON tells the rest.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from stream.catalog import STREAMS
from stream.records import Record
from stream.schemas.framing import confluent_header
from stream.schemas.readers import Readers
from stream.stages.compact import compact
from stream.stages.decode import decode
from stream.stages.values import encoded
from tests.examples import in_confluent_framing, rejected_examples, valid_examples
from tests.fuzz_schemas import SchemaMutator, data_of
from tests.stores import STORE

BATCH_RECORDS = 1000
BATCH_SECONDS_MAX = 20
"""A batch takes 50 ms; a hundred times as much on a busy machine, and still far from this."""

RECORD_SECONDS_MAX = 2.0
"""A record takes 20 µs, and one of VALUE_BYTES_MAX less than a tenth of a second."""

VALUE_BYTES_MAX = 64 * 1024
"""To this length one record of 2000 is stretched."""

FOREIGN_SCHEMAS = 3
FOREIGN_SHARE = 0.3
"""Of the records of a batch, that come under as many schemas of a registry."""

WARM_UP_SHARE, WARM_UP_RECORDS_MAX = 0.2, 200_000
"""Until then caches fill; memory has to stay flat from there on."""

NUMBERS_THAT_HURT = (
    b"\x00",
    b"\x01",  # -1: a union branch, or a length, before the first
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",  # 2**31 and its neighbours, as lengths
    b"\xfe\xff\xff\xff\x0f",
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # the greatest 64-bit number
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff" * 11,  # a number that does not end
    b"\x00\x00\x00\x00\x00\x00\xf0\x7f",  # infinity
    b"\x00\x00\x00\x00\x00\x00\xf8\x7f",  # not a number
    b"\xc3\x01",
    b"\xed\xa0\x80",  # half of a surrogate pair
)


@dataclass
class Report:
    seed: int
    records: int
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    schemas: Counter[str] = field(default_factory=Counter)
    """Those of a registry, by what became of them."""
    slowest_record_seconds: float = 0.0
    memory_kb_warm: int = 0
    memory_kb_end: int = 0


class Mutator:
    """Records like none that a producer would send, each made from one or two of these."""

    def __init__(self, records: list[Record], headers: list[bytes], chance: Random) -> None:
        self._records = records
        self._headers = headers
        self._keys = [record.key for record in records]
        self._chance = chance
        self._changes: list[Callable[[bytearray], None]] = [
            self._flip_bit,
            self._set_byte,
            self._insert_number,
            self._remove,
            self._repeat,
            self._cut,
            self._splice,
            self._swap_header,
        ]

    def __iter__(self) -> Iterator[Record]:
        chance = self._chance
        offset = 0
        while True:
            record = chance.choice(self._records)
            value = None if record.value is None else self.mutated(record.value)
            key = record.key if chance.random() < 0.7 else chance.choice(self._keys)
            timestamp_ms = record.timestamp_ms if chance.random() < 0.98 else chance.randint(-(2**63), 2**63 - 1)
            yield Record(offset, timestamp_ms, self.mutated(key) if key and chance.random() < 0.1 else key, value)
            offset += 1

    def mutated(self, original: bytes) -> bytes:
        changed = bytearray(original)
        if self._chance.random() < 1 / 2000:
            at = self._position(changed)
            changed[at:at] = self._chance.choice((b"\x00", b"\x02\x00", b"\xff", b"ab")) * (VALUE_BYTES_MAX // 2)
        for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3, 8))):
            self._chance.choice(self._changes)(changed)
        return bytes(changed)

    def _position(self, value: bytearray) -> int:
        return self._chance.randint(0, max(0, len(value) - 1))

    def _flip_bit(self, value: bytearray) -> None:
        if value:
            value[self._position(value)] ^= 1 << self._chance.randint(0, 7)

    def _set_byte(self, value: bytearray) -> None:
        if value:
            value[self._position(value)] = self._chance.randint(0, 255)

    def _insert_number(self, value: bytearray) -> None:
        at = self._position(value)
        value[at : at + self._chance.randint(0, 10)] = self._chance.choice(NUMBERS_THAT_HURT)

    def _remove(self, value: bytearray) -> None:
        at = self._position(value)
        del value[at : at + self._chance.randint(1, 20)]

    def _repeat(self, value: bytearray) -> None:
        at = self._position(value)
        value[at:at] = value[at : at + self._chance.randint(1, 40)] * self._chance.randint(1, 4)

    def _cut(self, value: bytearray) -> None:
        del value[self._position(value) :]

    def _swap_header(self, value: bytearray) -> None:
        value[: 10 if value[:2] == b"\xc3\x01" else 5] = self._chance.choice(self._headers)

    def _splice(self, value: bytearray) -> None:
        other = self._chance.choice(self._records).value or b""
        at = self._position(value)
        value[at:] = other[min(at, len(other)) :]


def seeds_of(topic: str) -> Iterator[Record]:
    """A topic's examples, the valid ones in both framings, and records that are unfit for every topic alike."""
    for example in (*valid_examples(), *rejected_examples()):
        if example.topic == topic:
            yield example.record
            if example.reason is None and example.version is not None:
                yield in_confluent_framing(example)
    stranger = next(example for example in valid_examples() if example.topic != topic)
    yield from (stranger.record._replace(value=value) for value in (stranger.record.value, b"", None))


class Topic:
    """A topic, as the fuzz knows it: mutants of its records, and of schemas that a registry could have for them."""

    def __init__(self, name: str, chance: Random) -> None:
        self.readers: Readers = STORE.readers(name)
        self._mutants = Mutator(list(seeds_of(name)), [*self.readers.by_header, *self.readers.refused], chance)
        self._records = iter(self._mutants)
        sources = [version.source for _, version in self.readers.newest]
        self._schemas = iter(SchemaMutator(sources, chance))
        self._chance = chance

    def batch(self) -> list[Record]:
        return [next(self._records) for _ in range(BATCH_RECORDS)]

    def foreign(self, report: Report) -> Iterator[tuple[bytes, list[Record]]]:
        """Some schemas of a registry, each with records under its header; the readers know it meanwhile."""
        for schema_id in range(1, FOREIGN_SCHEMAS + 1):
            header = confluent_header(schema_id)
            self.readers.learn(header, next(self._schemas))
            reader = self.readers.by_header.get(header)
            report.schemas["read with" if reader else self.readers.refused[header]] += 1
            data = [] if reader is None else data_of(reader.writer_schema)
            count = int(BATCH_RECORDS * FOREIGN_SHARE / FOREIGN_SCHEMAS)
            yield header, [self._under(header, next(self._records), data) for _ in range(count)]
            self.readers.by_header.pop(header, None)
            self.readers.refused.pop(header, None)

    def _under(self, header: bytes, record: Record, data: list[bytes]) -> Record:
        datum = self._chance.choice(data) if data and self._chance.random() < 0.5 else (record.value or b"")[10:]
        return record._replace(value=header + self._mutants.mutated(datum))


def fuzz(record_count: int, seed: int, seconds_max: float = math.inf) -> Report:
    """Judge so many records, or those of so much time. Raises whatever the product raises instead of a rejection."""
    report = Report(seed, record_count)
    chance = Random(seed)
    random.seed(seed)  # fastavro's data
    topics = [Topic(name, chance) for name in STREAMS]
    began = time.monotonic()
    done = 0
    while done < record_count and time.monotonic() - began < seconds_max:
        topic = chance.choice(topics)
        signal.alarm(BATCH_SECONDS_MAX)
        judge(topic.batch(), topic.readers, report)
        for _, records in topic.foreign(report):
            judge(records, topic.readers, report)
        signal.alarm(0)
        done = report.outcomes.total()
        if done <= min(WARM_UP_SHARE * record_count, WARM_UP_RECORDS_MAX):
            report.memory_kb_warm = memory_kb()
    report.records = done
    report.seconds = time.monotonic() - began
    report.memory_kb_end = memory_kb()
    return report


def judge(records: list[Record], readers: Readers, report: Report) -> None:
    """Take records through the pure stages, each by itself as far as it can be."""
    accepted, rejected = [], []
    for record in records:
        began = time.thread_time()  # of the processor's: others may have it meanwhile
        taken, refused = decode([record], readers)
        seconds = time.thread_time() - began
        if seconds > report.slowest_record_seconds:
            report.slowest_record_seconds = seconds
            assert seconds < RECORD_SECONDS_MAX, f"{seconds} s for {record.value!r:.1000}"
        accepted += taken
        rejected += refused
    compacted = compact(accepted, 0)
    for table in compacted.tables:
        assert sum(count for _, count in encoded(table.rows)) == len(table.rows)
    assert len(accepted) + len(rejected) == len(records)
    report.outcomes["accepted"] += len(accepted)
    report.outcomes.update(str(rejection.reason) for _, rejection in rejected)


def memory_kb() -> int:
    """The memory that something still refers to: what is free goes back to the system first, as far as it can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the process has no memory")


def main() -> None:
    parser = argparse.ArgumentParser(description="Mutated records through the pure stages.")
    parser.add_argument("--records", type=int, default=1_000_000, help="at least so many")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after so many, with fewer records")
    arguments = parser.parse_args()
    sys.stderr.write(f"seed {arguments.seed}\n")  # known also where it ends with a traceback
    sys.stdout.write(json.dumps(vars(fuzz(arguments.records, arguments.seed, arguments.seconds))) + "\n")


if __name__ == "__main__":
    main()
