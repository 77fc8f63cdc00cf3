"""Every metric, by the grammar stream_<noun>_<unit>, with labels of bounded values; set once a batch.

Labels are names that we declare (topics, tables, outcomes, reasons) and partition numbers: never a key, an id or
an error's text.
"""

import platform
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from stream import __version__, moments
from stream.catalog import STREAMS
from stream.errors import Trouble
from stream.mysql.freshness import Freshness
from stream.mysql.rollups import Backlog
from stream.mysql.rows import WrittenSlice
from stream.records import TopicPartition
from stream.stages.decode import DecodedSlice

LATENCY_BUCKETS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86400)
BATCH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZE_BUCKETS = (1, 10, 100, 500, 1000, 2500, 5000, 10_000, 25_000)

RECORD_OUTCOMES = ("written", "superseded", "dead_lettered")
ROW_OUTCOMES = ("inserted", "updated", "unchanged", "suppressed")

LATENCY_SAMPLES_MAX = 20
"""Events of a slice whose latency is observed: to observe all would cost more than decoding them."""


disable_created_metrics()  # type: ignore[no-untyped-call]  # a quarter of all series, which nobody asks for


class Metrics:
    """One process's metrics, in a registry of their own, with those of the process itself (`process_…`)."""

    def __init__(self, topics: Collection[str] = ()) -> None:
        """Counters by topic begin at 0 for these topics, so that `increase()` sees the first raise."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self.records_received = counter("stream_records_received", "Records polled from Kafka", ["topic"])
        self.records = counter(
            "stream_records", "Records by what became of them: written, superseded, dead_lettered", ["topic", "outcome"]
        )
        self.rows = counter(
            "stream_rows", "Rows by what became of them: inserted, updated, unchanged, suppressed", ["table", "outcome"]
        )
        self.dead_letters = counter("stream_dead_letters", "Records rejected", ["topic", "stage", "reason"])
        self.dead_letters_waiting = gauge(
            "stream_dead_letters_waiting",
            "Dead letters that nobody has redriven or discarded; every process tells the same",
            ["topic", "reason"],
        )
        self.complete_through = gauge(
            "stream_complete_through_timestamp_seconds",
            "The moment through which all partitions of the topic are applied; every process tells the same",
            ["topic"],
        )
        self.rollup_entries = gauge(
            "stream_rollup_entries", "Touched periods not yet summed; every process tells the same", ["rollup"]
        )
        self.rollup_lag_seconds = gauge("stream_rollup_lag_seconds", "Age of the oldest of them", ["rollup"])
        self.expired_dead_letters = counter(
            "stream_expired_dead_letters", "Dead letters emptied because they waited for STREAM_DEAD_LETTER_DAYS"
        )
        self.removed_rows = counter(
            "stream_removed_rows", "Rows of the service's own tables removed because nobody needs them", ["table"]
        )
        self.floods = counter("stream_floods", "Times that dead letters suspended a topic", ["topic", "reason"])
        self.retries = counter("stream_retries", "Transactions, claims and questions to Kafka tried again", ["reason"])
        self.rebalances = counter("stream_rebalances", "Partitions assigned, revoked and lost", ["kind"])
        self.quality_faults = gauge(
            "stream_quality_faults_rows",
            "Rows at fault by the check of data quality, as found last; every process tells the same",
            ["check"],
        )
        self.worker_failures = counter(
            "stream_worker_failures", "Steps of a worker that failed by a fault of ours", ["worker"]
        )
        self.build = gauge("stream_build_info", "Always 1; the labels tell what runs", ["version", "python"])
        self.build.labels(__version__, platform.python_version()).set(1)
        self._declare_durations(partial(Histogram, registry=self.registry))
        self._declare_partitions(gauge)
        self._begin_at_zero(topics)

    def _declare_durations(self, histogram: Callable[..., Histogram]) -> None:
        self.batch_records = histogram("stream_batch_records", "Records in a batch", buckets=SIZE_BUCKETS)
        duration = partial(histogram, buckets=BATCH_BUCKETS)
        self.batch_decode_seconds = duration("stream_batch_decode_seconds", "Time to decode a batch")
        self.batch_write_seconds = duration("stream_batch_write_seconds", "Time to write a batch, retries included")
        self.batch_seconds = duration("stream_batch_seconds", "Time from poll to commit of a batch")
        self.latency_seconds = histogram(
            "stream_latency_seconds", "Time from occurred_at to commit, sampled", ["topic"], buckets=LATENCY_BUCKETS
        )

    def _declare_partitions(self, gauge: Callable[..., Gauge]) -> None:
        self.lag_records = gauge(
            "stream_lag_records", "Records between progress and the end of the log", ["topic", "partition"]
        )
        self.lag_seconds = gauge(
            "stream_lag_seconds",
            "Time since the moment through which the partition is complete; 0 where no record is left",
            ["topic", "partition"],
        )
        self.partitions_assigned = gauge("stream_partitions_assigned", "Partitions held", ["topic"])
        self.partitions_paused = gauge("stream_partitions_paused", "Partitions waiting for a full lane", ["topic"])
        self.partitions_stopped = gauge(
            "stream_partitions_stopped", "Partitions that wait for an operator", ["topic", "partition", "reason"]
        )
        self.partitions_suspended = gauge(
            "stream_partitions_suspended",
            "Partitions that rest because too many of their topic's records are rejected",
            ["topic", "partition", "reason"],
        )

    def _begin_at_zero(self, topics: Collection[str]) -> None:
        """Make the counters whose labels are known beforehand. Not the dead letters by reason: they are hundreds, and
        `stream_records_total` has their sum."""
        for topic in topics:
            self.records_received.labels(topic)
            for outcome in RECORD_OUTCOMES:
                self.records.labels(topic, outcome)
            for feed in STREAMS[topic].tables:
                for outcome in ROW_OUTCOMES:
                    self.rows.labels(feed.name, outcome)
        for trouble in Trouble:
            self.retries.labels(trouble)
        for kind in ("assigned", "revoked", "lost"):
            self.rebalances.labels(kind)

    def observe_written(self, written: Sequence[WrittenSlice]) -> None:
        """Count what a transaction did."""
        for each in written:
            topic = each.slice.topic_partition.topic
            for outcome in RECORD_OUTCOMES:
                self.records.labels(topic, outcome).inc(getattr(each.records, outcome))
            for table, rows in each.rows.items():
                for outcome in ROW_OUTCOMES:
                    self.rows.labels(table, outcome).inc(getattr(rows, outcome))
            for _, rejection in each.rejected:
                self.dead_letters.labels(topic, rejection.stage, rejection.reason).inc()

    def observe_waiting(self, waiting: Mapping[tuple[str, str], int]) -> None:
        """Tell how many dead letters wait, by topic and reason: 0 where some waited before, and none does now."""
        (told,) = self.dead_letters_waiting.collect()
        before = {(sample.labels["topic"], sample.labels["reason"]) for sample in told.samples}
        for labels, count in {**dict.fromkeys(before, 0), **waiting}.items():
            self.dead_letters_waiting.labels(*labels).set(count)

    def observe_freshness(self, fresh: Sequence[Freshness]) -> None:
        """Tell through which moment topics are applied; nothing of a topic with a partition that never was."""
        for feed in fresh:
            if feed.complete_through is not None:
                self.complete_through.labels(feed.topic).set(moments.to_micros(feed.complete_through) / 1e6)

    def observe_rollups(self, backlogs: Sequence[Backlog]) -> None:
        """Tell how far rollups are behind their rows."""
        for backlog in backlogs:
            self.rollup_entries.labels(backlog.rollup).set(backlog.entries)
            self.rollup_lag_seconds.labels(backlog.rollup).set(backlog.age_seconds)

    def observe_quality(self, faults: Mapping[str, int | None]) -> None:
        """Tell what the checks of data quality found last; nothing of those that took too long."""
        self.quality_faults.clear()
        for check, rows in faults.items():
            if rows is not None:
                self.quality_faults.labels(check).set(rows)

    def observe_latency(self, slices: Sequence[DecodedSlice]) -> None:
        """Observe the time from occurrence to now, just after the commit, for some events of each slice."""
        now = time.time()
        for each in slices:
            accepted = each.accepted
            histogram = self.latency_seconds.labels(each.slice.topic_partition.topic)
            for _, event, _ in accepted[:: len(accepted) // LATENCY_SAMPLES_MAX + 1]:
                histogram.observe(max(0.0, now - event.occurred_at / 1_000_000))

    def forget(self, topic_partition: TopicPartition) -> None:
        """Remove the gauges of a partition that is no longer ours: its new owner reports them."""
        _forget(topic_partition, self.lag_records, self.lag_seconds)
        self.forget_rest(topic_partition)

    def forget_rest(self, topic_partition: TopicPartition) -> None:
        """Remove what was told of why a partition rests."""
        _forget(topic_partition, self.partitions_stopped, self.partitions_suspended)


def _forget(topic_partition: TopicPartition, *gauges: Gauge) -> None:
    for gauge in gauges:
        gauge.remove_by_labels({"topic": topic_partition.topic, "partition": str(topic_partition.partition)})
