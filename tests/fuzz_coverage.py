"""Bytes that reach new lines of the pure stages: `make fuzz-coverage`. libFuzzer, by way of atheris, looks for them.

    python -m tests.fuzz_coverage -max_total_time=60

What it fed before is in .local/fuzz, and it begins there again. An input that ends with a traceback, or takes too long,
is left as a file `crash-…` or `timeout-…` there; given as an argument, it is tried alone.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from itertools import count
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["stream"]):
    from stream.catalog import STREAMS
    from stream.records import Record
    from stream.schemas.framing import confluent_header
    from stream.stages.compact import compact
    from stream.stages.decode import decode
    from stream.stages.values import encoded

from tests.events import RECORDED_MS
from tests.fuzz import seeds_of
from tests.stores import STORE

CORPUS = Path(".local/fuzz")
INPUT_BYTES_MAX = 16 * 1024
SECONDS_MAX = 10

READERS = {topic: STORE.readers(topic) for topic in STREAMS}
TOPICS = list(STREAMS)
FOREIGN = confluent_header(1)


def judge(data: bytes) -> None:
    """An input is the number of a topic, and a key and a schema's text with their lengths before them; the rest is the
    value. Where there is a text, the value's first bytes name it."""
    given = BytesIO(data)
    readers = READERS[TOPICS[_number(given, 1) % len(TOPICS)]]
    key, text, value = given.read(_number(given, 1)), given.read(_number(given, 2)), given.read()
    if text:
        readers.learn(FOREIGN, text.decode(errors="replace"))
    accepted, rejected = decode([Record(0, RECORDED_MS, key, value)], readers)
    for table in compact(accepted, 0).tables:
        assert sum(rows for _, rows in encoded(table.rows)) == len(table.rows)
    assert len(accepted) + len(rejected) == 1
    readers.by_header.pop(FOREIGN, None)
    readers.refused.pop(FOREIGN, None)


def _number(given: BytesIO, size: int) -> int:
    return int.from_bytes(given.read(size), "big")


def write_seeds() -> None:
    """Each example as it came, and under its schema as a registry has it."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    numbers = count()
    for place, topic in enumerate(TOPICS):
        for record in seeds_of(topic):
            key, value = (record.key or b"")[:255], record.value or b""
            for version in STORE.versions.values():
                if value.startswith(version.header):
                    text, datum = json.dumps(version.source).encode(), value[len(version.header) :]
                    _write(next(numbers), _input(place, key, text, FOREIGN + datum))
            _write(next(numbers), _input(place, key, b"", value))


def _input(place: int, key: bytes, text: bytes, value: bytes) -> bytes:
    return bytes([place, len(key)]) + key + len(text).to_bytes(2, "big") + text + value


def _write(number: int, data: bytes) -> None:
    if len(data) <= INPUT_BYTES_MAX:
        (CORPUS / f"seed-{number:04}").write_bytes(data)


def main() -> None:
    write_seeds()
    own = [f"-max_len={INPUT_BYTES_MAX}", f"-timeout={SECONDS_MAX}", f"-artifact_prefix={CORPUS}/"]
    files = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    atheris.Setup([*sys.argv, *own, *([] if files else [str(CORPUS)])], judge)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
