"""The two framings of a value: the bytes in front of a datum name the writer schema.

Confluent's wire format has magic byte 0 and an id: a schema registry's, or one of the topic's `ids.json`. Avro's
single-object encoding has C3 01 and the schema's fingerprint.
"""

from stream.errors import Reason, Rejection, Stage

CONFLUENT_MAGIC = b"\x00"
CONFLUENT_HEADER_BYTES = 5
SCHEMA_ID_MAX = 2**31 - 1
"""Ids are Java's integers. The bytes of a broken record may say more, which a registry need not answer with its own
code; then it would be asked without end."""

LOCAL_ID_MIN = 2**30
"""The first id of an `ids.json`. Registries count from 1, and none comes this far: so an id means one schema, whether
a registry was there when its record was written or not."""

SINGLE_OBJECT_MARKER = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10


def confluent_header(schema_id: int) -> bytes:
    """The header of a datum whose writer schema has this id."""
    return CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")


def confluent_id(header: bytes) -> int:
    """The id in a header of Confluent's wire format."""
    return int.from_bytes(header[len(CONFLUENT_MAGIC) :], "big")


def single_object_header(fingerprint: bytes) -> bytes:
    """The header of a datum in single-object encoding."""
    return SINGLE_OBJECT_MARKER + fingerprint


def header_length(value: bytes) -> int:
    """The number of bytes before the datum. Raises Rejection where they are no header."""
    if value[:2] == SINGLE_OBJECT_MARKER:
        length = SINGLE_OBJECT_HEADER_BYTES
    elif value[:1] == CONFLUENT_MAGIC:
        length = CONFLUENT_HEADER_BYTES
    else:
        raise Rejection(Stage.DECODE, Reason.UNKNOWN_FRAMING)
    if len(value) < length:
        raise Rejection(Stage.DECODE, Reason.TRUNCATED)
    return length
