"""Metrics: names by Prometheus' conventions and our grammar, labels whose values are bounded."""

from __future__ import annotations

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from stream.counts import RecordCounts, RowCounts
from stream.engine.metrics import Metrics
from stream.errors import Reason, Rejection, Stage
from stream.mysql.rows import Upserted, WrittenSlice
from stream.records import Claim, Record, Slice, TopicPartition

UNITS = (
    "records",
    "failures",
    "rows",
    "seconds",
    "bytes",
    "letters",
    "retries",
    "rebalances",
    "floods",
    "info",
    "received",
)
LABELS_BOUNDED = {
    "topic",
    "partition",
    "outcome",
    "table",
    "stage",
    "reason",
    "kind",
    "check",
    "rollup",
    "version",
    "python",
    "worker",
}
MARKER = "marker-of-a-person"


def families(metrics: Metrics) -> list[Metric]:
    return list(metrics.registry.collect())


def written_slice() -> WrittenSlice:
    claim = Claim(TopicPartition("trip", 3), "id", 1, 0)
    record = Record(0, 0, MARKER.encode(), MARKER.encode(), [("h", MARKER.encode())])
    return WrittenSlice(
        Slice(claim, 0, 10, [record]),
        RecordCounts(10, 6, 3, 1),
        Upserted({"trip": RowCounts(6, 1, 2, 2, 1)}),
        [(record, Rejection(Stage.DECODE, Reason.TRUNCATED))],
    )


def test_names_follow_the_grammar() -> None:
    for family in families(Metrics()):
        if family.name.startswith(("process_", "python_")):
            continue  # the client library's
        assert re.fullmatch(r"stream(_[a-z]+)+", family.name), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_created")), family.name
        if family.type in ("histogram", "counter"):
            assert family.name.endswith(UNITS), family.name


def test_every_metric_says_what_it_means() -> None:
    assert all(family.documentation for family in families(Metrics()))


def test_labels_are_those_whose_values_are_bounded() -> None:
    metrics = Metrics()
    for name, metric in vars(metrics).items():
        if name != "registry":
            assert set(metric._labelnames) <= LABELS_BOUNDED, name


def test_what_is_exposed_can_be_parsed() -> None:
    metrics = Metrics()
    metrics.observe_written([written_slice()])
    parsed = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    assert {family.name for family in parsed} >= {"stream_records", "stream_rows", "stream_dead_letters"}


def test_counters_begin_at_zero_so_that_their_first_raise_is_seen() -> None:
    told = Metrics(["trip", "user.lifecycle"]).registry.get_sample_value
    assert told("stream_records_total", {"topic": "trip", "outcome": "dead_lettered"}) == 0
    assert told("stream_records_received_total", {"topic": "user.lifecycle"}) == 0
    assert told("stream_rows_total", {"table": "user_rating", "outcome": "inserted"}) == 0
    assert told("stream_retries_total", {"reason": "unreachable"}) == 0
    assert told("stream_rebalances_total", {"kind": "lost"}) == 0


def test_the_process_is_told_and_no_series_of_creation_times() -> None:
    names = [line.split(" ")[0] for line in generate_latest(Metrics(["trip"]).registry).decode().splitlines()]
    assert "process_resident_memory_bytes" in names
    assert not any("_created" in name for name in names)


def test_a_transaction_is_counted_by_outcome() -> None:
    metrics = Metrics()
    metrics.observe_written([written_slice()])

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert sample("stream_records_total", topic="trip", outcome="written") == 6
    assert sample("stream_records_total", topic="trip", outcome="superseded") == 3
    assert sample("stream_records_total", topic="trip", outcome="dead_lettered") == 1
    assert sample("stream_rows_total", table="trip", outcome="inserted") == 1
    assert sample("stream_rows_total", table="trip", outcome="updated") == 2
    assert sample("stream_rows_total", table="trip", outcome="unchanged") == 2
    assert sample("stream_rows_total", table="trip", outcome="suppressed") == 1
    assert sample("stream_dead_letters_total", topic="trip", stage="decode", reason="truncated") == 1


def test_no_value_of_a_record_is_exposed() -> None:
    metrics = Metrics()
    metrics.observe_written([written_slice()])
    assert MARKER not in generate_latest(metrics.registry).decode()


@pytest.mark.parametrize("gauge", ["stream_lag_records", "stream_lag_seconds"])
def test_a_partition_that_is_gone_leaves_no_gauge(gauge: str) -> None:
    metrics = Metrics()
    for partition in (3, 4):
        metrics.lag_records.labels("trip", partition).set(7)
        metrics.lag_seconds.labels("trip", partition).set(7)
        metrics.partitions_stopped.labels("trip", partition, "topic_recreated").set(1)
        metrics.partitions_suspended.labels("trip", partition, "flood_of_truncated").set(1)
    metrics.forget(TopicPartition("trip", 3))
    assert metrics.registry.get_sample_value(gauge, {"topic": "trip", "partition": "3"}) is None
    assert metrics.registry.get_sample_value(gauge, {"topic": "trip", "partition": "4"}) == 7
    stopped = {"topic": "trip", "partition": "3", "reason": "topic_recreated"}
    assert metrics.registry.get_sample_value("stream_partitions_stopped", stopped) is None
    suspended = {"topic": "trip", "partition": "3", "reason": "flood_of_truncated"}
    assert metrics.registry.get_sample_value("stream_partitions_suspended", suspended) is None


def test_a_partition_of_which_nothing_was_told_can_be_forgotten() -> None:
    Metrics().forget(TopicPartition("trip", 3))
