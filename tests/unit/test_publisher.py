"""The producer of single records, without a broker."""

from __future__ import annotations

import pytest

from stream.errors import ConfigurationError, KafkaUnavailable
from stream.kafka.publisher import Outgoing, Publisher


def test_records_that_nobody_took_are_not_told_as_published() -> None:
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1", "delivery.timeout.ms": "50"})
    with pytest.raises(KafkaUnavailable, match=r"trip .*\(_MSG_TIMED_OUT\)"):
        publisher.publish("trip", [Outgoing(b"7", b"value")])


def test_a_property_that_the_client_refuses_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="STREAM_KAFKA"):
        Publisher({"no.such.property": "1"})
