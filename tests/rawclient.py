"""librdkafka without Python's client around it, for what that client refuses to write."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import confluent_kafka

PRODUCER = 0
TOPIC, VALUE, KEY, FLAGS, HEADERS, END = 1, 4, 5, 7, 10, 0
"""The kinds of arguments of rd_kafka_producev (rd_kafka_vtype_t)."""
COPY = 2
FLUSH_MS = 30_000


@cache
def _library() -> ctypes.CDLL:
    """The very library that the client has loaded."""
    loaded = Path("/proc/self/maps").read_text().splitlines()
    path = next(line.split()[-1] for line in loaded if "librdkafka" in line)
    library = ctypes.CDLL(path)
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = ctypes.c_void_p
    return library


def put_with_header(bootstrap_servers: str, topic: str, key: bytes, value: bytes, name: bytes) -> None:
    """Write one record with one header and wait until it is there."""
    assert confluent_kafka.libversion()
    library, why = _library(), ctypes.create_string_buffer(512)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(configuration, b"bootstrap.servers", bootstrap_servers.encode(), why, 512)
    # As the other producers of the tests do, so that a key has one partition.
    library.rd_kafka_conf_set(configuration, b"partitioner", b"murmur2_random", why, 512)
    producer = ctypes.c_void_p(library.rd_kafka_new(PRODUCER, configuration, why, ctypes.c_size_t(512)))
    headers = ctypes.c_void_p(library.rd_kafka_headers_new(ctypes.c_size_t(1)))
    library.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(len(name)), b"x", ctypes.c_ssize_t(1))
    failed = library.rd_kafka_producev(
        producer,
        *(TOPIC, topic.encode()),
        *(VALUE, value, ctypes.c_size_t(len(value))),
        *(KEY, key, ctypes.c_size_t(len(key))),
        *(FLAGS, COPY),
        *(HEADERS, headers),
        END,
    )
    assert failed == 0, failed
    assert library.rd_kafka_flush(producer, FLUSH_MS) == 0
    library.rd_kafka_destroy(producer)
