"""Records that could stop a partition for good, by way of the real broker and the whole engine."""

from __future__ import annotations

from stream.mysql.dead_letters import headers_from_text
from tests.balance import assert_drained
from tests.broker import Broker
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import some_events
from tests.events import encode, rating, trip, uuid_text


def test_a_header_whose_name_is_not_utf_8_stops_nobody(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Python's client fails on it with SystemError, sound or broken as the record may be."""
    broker.publish(some_events(50, first=1000))
    for _ in range(20):  # the interpreter treats a call otherwise that has come often
        broker.put_with_header("trip", b"11", encode("TripRecorded", trip()), b"caf\xe9\xff")
    broker.put_with_header("trip", b"11", b"nonsense", b"\xff")
    broker.publish(some_events(5, first=100))
    start_service("--until-caught-up").assert_ends(0)
    assert mysql.count("trip") == 56
    assert [row["reason"] for row in mysql.rows("dead_letter")] == ["unknown_framing"]


def test_headers_of_any_content_are_kept(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    headers = [("a", b"\x00\xff"), ("a", b""), ("é", None), ("", b"x" * 10_000)]
    broker.put([("trip", b"11", b"nonsense", headers)])
    start_service("--until-caught-up").assert_ends(0)
    (letter,) = mysql.rows("dead_letter")
    assert headers_from_text(letter["record_headers"]) == headers


def test_a_record_as_large_as_a_topic_takes_is_dead_lettered(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    text = "x" * (4 * 1024 * 1024 - 2000)
    broker.put([("trip", b"11", encode("TripRated", rating(feedback=text)))] * 3)
    broker.publish(some_events(5, first=100))
    start_service("--until-caught-up").assert_ends(0)
    assert [row["reason"] for row in mysql.rows("dead_letter")] == ["too_long"] * 3
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_records_that_are_large_once_unpacked_hold_up_nobody(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """A topic bounds what is compressed: 40 MB of zeros pass, and keys and headers of any bytes."""
    nonsense = [
        (b"11", bytes(40 * 1024 * 1024)),
        (b"\xff" * 4 * 1024 * 1024, b"nonsense"),
        (b"\xff" * 4 * 1024 * 1024, b"nonsense"),
        (b"11", b"nonsense", [("\x01" * 3 * 1024 * 1024, b"")]),
    ]
    large = {"message.max.bytes": 64 * 1024 * 1024, "compression.type": "zstd"}
    broker.put([("user.lifecycle", *record) for record in nonsense], **large)
    start_service("--until-caught-up", dead_letter_ratio_max=1).assert_ends(0)
    letters = mysql.rows("dead_letter")
    assert sorted(row["reason"] for row in letters) == ["too_large", *["unknown_framing"] * 3]
    assert {(row["status"], row["record_key"], row["record_value"]) for row in letters} == {("waiting", None, None)}


def test_a_partition_of_nothing_but_broken_records_is_drained(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    broker.put(("trip", b"11", uuid_text(number).encode()) for number in range(2000))
    start_service("--until-caught-up", dead_letter_ratio_max=1).assert_ends(0)
    assert mysql.count("dead_letter") == 2000
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_any_timestamp_of_a_producer_is_survived(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """Brokers may be told to take any: then one lies beyond every calendar."""
    # Without retention: Kafka would remove what is from 1970 whenever it looks for what is old.
    broker.alter_topic("trip", {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"})
    producer = broker.producer()
    for number, timestamp_ms in enumerate((1, 253_402_300_799_999, 253_402_300_800_000, 2**62), 1):
        value = encode("TripRecorded", trip(trip_id=number, event_id=uuid_text(number)))
        producer.produce("trip", value, str(number).encode(), timestamp=timestamp_ms)
        producer.produce("trip", b"nonsense", str(number).encode(), timestamp=timestamp_ms)
    assert producer.flush(30) == 0
    start_service("--until-caught-up").assert_ends(0)
    assert (mysql.count("trip"), mysql.count("dead_letter")) == (3, 5)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
