"""Mutated records by the million through the pure stages: whatever the bytes are, a record becomes rows or a rejection.

    python -m tests.fuzz --records 1000000 --seed 7

Each example of `schemas/` is cut, stretched, spliced with another and bent bit by bit; then the records are decoded,
compacted and encoded as the engine does it. Anything but rows or a rejection ends with a traceback, a batch that takes
too long with SIGALRM. The memory is told as one line of JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
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
from stream.stages.compact import compact
from stream.stages.decode import decode
from stream.stages.upsert import encoded
from tests.examples import in_confluent_framing, rejected_examples, valid_examples
from tests.stores import STORE

BATCH_RECORDS = 1000
BATCH_SECONDS_MAX = 20
"""A batch takes 20 ms; a hundred times as much on a busy machine, and still far from this."""

WARM_UP_SHARE = 0.2
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
    memory_kb_warm: int = 0
    memory_kb_end: int = 0


class Mutator:
    """Records like none that a producer would send, each made from one or two of these."""

    def __init__(self, records: list[Record], chance: Random) -> None:
        self._records = records
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
        ]

    def __iter__(self) -> Iterator[Record]:
        chance = self._chance
        offset = 0
        while True:
            record = chance.choice(self._records)
            value = None if record.value is None else self._mutated(record.value)
            key = record.key if chance.random() < 0.7 else chance.choice(self._keys)
            timestamp_ms = record.timestamp_ms if chance.random() < 0.98 else chance.randint(-(2**63), 2**63 - 1)
            yield Record(offset, timestamp_ms, self._mutated(key) if key and chance.random() < 0.1 else key, value)
            offset += 1

    def _mutated(self, original: bytes) -> bytes:
        changed = bytearray(original)
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


def fuzz(record_count: int, seed: int) -> Report:
    """Raises whatever the product raises instead of a rejection."""
    report = Report(seed, record_count)
    chance = Random(seed)
    topics = {topic: (STORE.readers(topic), iter(Mutator(list(seeds_of(topic)), chance))) for topic in STREAMS}
    began = time.monotonic()
    for begun in range(0, record_count, BATCH_RECORDS):
        readers, mutants = topics[chance.choice(list(topics))]
        batch = [next(mutants) for _ in range(BATCH_RECORDS)]
        signal.alarm(BATCH_SECONDS_MAX)
        accepted, rejected = decode(batch, readers)
        compacted = compact(accepted)
        for table in compacted.tables:
            assert sum(count for _, count in encoded(table.rows)) == len(table.rows)
        signal.alarm(0)
        assert len(accepted) + len(rejected) == len(batch)
        report.outcomes["accepted"] += len(accepted)
        report.outcomes.update(str(rejection.reason) for _, rejection in rejected)
        if begun <= WARM_UP_SHARE * record_count:
            report.memory_kb_warm = memory_kb()
    report.seconds = time.monotonic() - began
    report.memory_kb_end = memory_kb()
    return report


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
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    sys.stderr.write(f"seed {arguments.seed}\n")  # known also where it ends with a traceback
    sys.stdout.write(json.dumps(vars(fuzz(arguments.records, arguments.seed))) + "\n")


if __name__ == "__main__":
    main()
