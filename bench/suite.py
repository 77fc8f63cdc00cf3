"""The benchmark's parts in their order, and their results."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import stream
from bench.answers import Answers, answers, questions
from bench.contenders import (
    BACKFILL,
    LOAD_ONE,
    LOAD_TWO,
    MILLION,
    ONE_LANE,
    REPLAY,
    STREAM,
    TWO_PROCESSES,
    USUAL,
    VERIFY,
    Contender,
    contenders,
    peers,
)
from bench.drain import drain
from bench.ground import Ground
from bench.latency import BUSY_EVENTS_A_SECOND, EVENTS_A_SECOND, Latency, latency
from bench.load import RowFile, write_files
from bench.row_topics import publish_rows
from bench.rows import fill, total_rows
from bench.run import Run
from bench.stages import Stage, stage_costs
from bench.steps import Steps
from bench.workload import MORE_SEED, Mixture, Workload
from deploy.local import start_registry
from stream.mysql.connection import connect_engine

STAGE_RECORDS_MAX = 100_000
LATENCY_SECONDS = 20


class Part(StrEnum):
    """A part of the benchmark."""

    LOAD = "load"
    USUAL = "usual"
    STREAM = "stream"
    AGAIN = "again"
    LANES = "lanes"
    STAGES = "stages"
    LATENCY = "latency"
    MIXED = "mixed"
    REPORTS = "reports"
    MILLION = "million"
    PEERS = "peers"


CONTENDERS = {
    Part.LOAD: (LOAD_ONE, LOAD_TWO),
    Part.USUAL: (USUAL,),
    Part.STREAM: (STREAM,),
    Part.AGAIN: (VERIFY, REPLAY, BACKFILL),
    Part.LANES: (ONE_LANE, TWO_PROCESSES),
}
"""The contenders of the parts that have some."""

PEERS_DUPLICATES_PERCENT = 5


@dataclass(frozen=True)
class Options:
    """The options of a run of the benchmark."""

    parts: frozenset[Part]
    record_names: tuple[str, ...]
    records: int
    report_rows: int
    """The rows of the largest ledgers of which reports are asked."""
    rounds: int
    settings: Mapping[str, str]
    """Settings for `stream run`, beside those that it needs."""
    duplicates_percent: int = 0
    is_recent: bool = False
    """Whether business dates lie in the days before now; else long ago, as in a backfill."""

    @property
    def workloads(self) -> list[Workload]:
        kind = self.duplicates_percent, self.is_recent
        return [Workload(self.records, name, *kind) for name in self.record_names]


@dataclass
class Results:
    """The results of a run of the benchmark."""

    options: Options
    server: str
    runs: dict[str, dict[str, list[Run]]] = field(default_factory=dict)
    """The runs by the workload's title and contender, one for each round."""
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    latencies: dict[int, Latency] = field(default_factory=dict)
    """By the number of other events a second."""
    answers: Answers | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "measured_on": datetime.now(UTC).isoformat(timespec="seconds"),
            "stream": stream.__version__,
            "python": platform.python_version(),
            "server": self.server,
            "cpus": os.cpu_count(),
            "records": self.options.records,
            "rounds": self.options.rounds,
            "duplicates_percent": self.options.duplicates_percent,
            "is_recent": self.options.is_recent,
            "settings": dict(self.options.settings),
            "runs": [run.as_json() for of in self.runs.values() for rounds in of.values() for run in rounds],
            "stages": {name: [asdict(stage) for stage in stages] for name, stages in self.stages.items()},
            "latencies": {rate: asdict(each) for rate, each in self.latencies.items()},
            "reports": asdict(self.answers) if self.answers else None,
        }


def measure(ground: Ground, options: Options, steps: Steps) -> Results:
    """Run all parts that are asked for."""
    results = Results(options, f"{ground.database.name} {ground.database.version}")
    if options.parts - {Part.REPORTS, Part.PEERS}:
        _measure_topics(ground, results, steps)
    if Part.PEERS in options.parts:
        _measure_peers(ground, results, steps)
    if Part.REPORTS in options.parts:
        _ask_reports(ground, results, steps)
    return results


def _measure_topics(ground: Ground, results: Results, steps: Steps) -> None:
    options = results.options
    for workload in options.workloads:
        with steps.step(f"{workload.title}: publish", workload.count) as tell:
            workload.publish(ground, tell)
        with _row_files(ground, workload, Part.LOAD in options.parts, steps) as files:
            every = contenders(ground, workload, files, options.settings)
            chosen = {name for part in options.parts for name in CONTENDERS.get(part, ())}
            _compete(ground, workload, {name: every[name] for name in every if name in chosen}, results, steps)
        if Part.STAGES in options.parts:
            with steps.step(f"{workload.title}: stages", min(STAGE_RECORDS_MAX, workload.count)) as tell:
                results.stages[workload.title] = stage_costs(ground, workload, STAGE_RECORDS_MAX, tell)
    if Part.LATENCY in options.parts:
        _measure_latency(ground, results, steps)
    if Part.MIXED in options.parts:
        _drain_mixture(ground, results, steps)
    if Part.MILLION in options.parts:
        _drain_a_million(ground, options.workloads[0], results, steps)


def _measure_peers(ground: Ground, results: Results, steps: Steps) -> None:
    """The quickest peer beside us, with duplicates, in live operation and in a backfill."""
    options = results.options
    with start_registry(ground.folder / "registry") as registry:
        for is_recent in (True, False):
            workload = Workload(options.records, options.record_names[0], PEERS_DUPLICATES_PERCENT, is_recent)
            ground.empty_topics([workload.topic])
            with steps.step(f"{workload.title}: publish", workload.count) as tell:
                workload.publish(ground, tell)
            with steps.step(f"{workload.title}: publish rows", workload.count) as tell:
                publish_rows(ground, workload, registry, tell)
            with _row_files(ground, workload, True, steps) as files:
                beside = peers(ground, workload, files, options.settings, registry)
                _compete(ground, workload, beside, results, steps)


@contextmanager
def _row_files(ground: Ground, workload: Workload, are_wanted: bool, steps: Steps) -> Iterator[list[RowFile]]:
    """Files of all rows, where somebody wants them."""
    files: list[RowFile] = []
    if are_wanted:
        with steps.step(f"{workload.title}: preformat", workload.count) as tell:
            files = write_files(ground, workload, tell)
    yield files
    for file in files:
        file.path.unlink()


def _compete(
    ground: Ground, workload: Workload, turns: Mapping[str, Contender], results: Results, steps: Steps
) -> None:
    """All contenders take turns, round after round, so that a disturbance of the machine meets each of them."""
    title, rounds = workload.title, results.options.rounds
    for number in range(1, rounds + 1):
        for contender, run in turns.items():
            with steps.step(f"{title}, round {number} of {rounds}: {contender}", workload.count) as tell:
                results.runs.setdefault(title, {}).setdefault(contender, []).append(run(tell))
            _require_all_rows(ground, workload, contender)


def _require_all_rows(ground: Ground, workload: Workload, contender: str) -> None:
    """Raise RuntimeError where a contender is quick because it leaves something out."""
    counted, wanted = ground.count_rows(workload.table_names), workload.row_count(ground)
    if counted != wanted:
        raise RuntimeError(f"{contender} left {counted} rows, not {wanted}")


def _measure_latency(ground: Ground, results: Results, steps: Steps) -> None:
    options = results.options
    single = Workload(EVENTS_A_SECOND * LATENCY_SECONDS, options.record_names[0])
    for rate in (0, BUSY_EVENTS_A_SECOND):  # in this order: the busy topic's events stay in it
        with steps.step(f"{single.record_name}: latency beside {rate:,} a second", single.count) as tell:
            results.latencies[rate] = latency(ground, single, options.records, options.settings, rate, tell)


def _drain_mixture(ground: Ground, results: Results, steps: Steps) -> None:
    """All topics at once: small slices of many tables instead of large ones of one."""
    mixture, options = Mixture(results.options.records), results.options
    ground.empty_topics([stream.topic for stream in mixture.streams])
    with steps.step(f"{mixture.title}: publish", mixture.count) as tell:
        mixture.publish(ground, tell, MORE_SEED)
    for number in range(1, options.rounds + 1):
        with steps.step(f"{mixture.title}, round {number} of {options.rounds}", mixture.count) as tell:
            run = drain(STREAM, ground, mixture, options.settings, tell)
        results.runs.setdefault(mixture.title, {}).setdefault(STREAM, []).append(run)


def _drain_a_million(ground: Ground, workload: Workload, results: Results, steps: Steps) -> None:
    """Measure memory: the topic is filled up to a million records, and all of it is drained once."""
    million = Workload(1_000_000, workload.record_name)
    missing = Workload(million.count - workload.count, workload.record_name)
    with steps.step(f"{workload.title}: publish up to a million", missing.count) as tell:
        missing.publish(ground, tell, MORE_SEED)
    with steps.step(f"{workload.title}: {MILLION}", million.count) as tell:
        run = drain(MILLION, ground, million, results.options.settings, tell)
    results.runs.setdefault(workload.title, {})[MILLION] = [run]


def _ask_reports(ground: Ground, results: Results, steps: Steps) -> None:
    """Ask reports about tables that are filled without any topic."""
    rows = results.options.report_rows
    database = connect_engine(ground.fresh_database())
    with steps.step("reports: fill the tables", total_rows(rows)) as tell:
        fill(database, rows, tell)
    with steps.step("reports", len(list(questions()))) as tell:
        results.answers = answers(ground, rows, tell)
