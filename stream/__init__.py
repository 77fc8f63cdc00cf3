"""Keeps MySQL true to Kafka: consumes Avro events and upserts them into MySQL, exactly once."""

__version__ = "0.1.0"
