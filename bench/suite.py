"""The benchmark's parts in their order, and their results."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import stream
from bench.again import replay, verify
from bench.answers import Answers, answers, questions
from bench.drain import drain
from bench.ground import Ground
from bench.latency import EVENTS_A_SECOND, Latency, quiet_latency
from bench.load import RowFile, load, write_files
from bench.rows import fill, total_rows
from bench.run import Run
from bench.stages import Stage, stage_costs
from bench.steps import Steps
from bench.usual import drain_as_usual
from bench.workload import MORE_SEED, Mixture, Tell, Workload
from stream.mysql.connection import connect_engine

LOAD_ONE = "LOAD DATA, 1 connection"
LOAD_TWO = "LOAD DATA, 2 connections"
USUAL = "the usual loop"
STREAM = "stream"
ONE_LANE = "stream, 1 lane"
VERIFY = "verify"
REPLAY = "replay, rows there"
BACKFILL = "replay, empty tables"
MILLION = "stream, a million"

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


@dataclass
class Results:
    """The results of a run of the benchmark."""

    options: Options
    server: str
    runs: dict[str, dict[str, list[Run]]] = field(default_factory=dict)
    """The runs by record name and contender, one for each round."""
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    latency: Latency | None = None
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
            "latency": asdict(self.latency) if self.latency else None,
            "reports": asdict(self.answers) if self.answers else None,
        }


def measure(ground: Ground, options: Options, steps: Steps) -> Results:
    """Run all parts that are asked for."""
    results = Results(options, f"{ground.database.name} {ground.database.version}")
    if options.parts - {Part.REPORTS}:
        _measure_topics(ground, results, steps)
    if Part.REPORTS in options.parts:
        _ask_reports(ground, results, steps)
    return results


def _measure_topics(ground: Ground, results: Results, steps: Steps) -> None:
    options = results.options
    kind = options.duplicates_percent, options.is_recent
    workloads = [Workload(options.records, name, *kind) for name in options.record_names]
    for workload in workloads:
        with steps.step(f"{workload.record_name}: publish", workload.count) as tell:
            workload.publish(ground, tell)
        _compete(ground, workload, results, steps)
        if Part.STAGES in options.parts:
            with steps.step(f"{workload.record_name}: stages", min(STAGE_RECORDS_MAX, workload.count)) as tell:
                results.stages[workload.record_name] = stage_costs(ground, workload, STAGE_RECORDS_MAX, tell)
    if Part.LATENCY in options.parts:
        quiet = Workload(EVENTS_A_SECOND * LATENCY_SECONDS, workloads[0].record_name)
        with steps.step(f"{quiet.record_name}: latency of a quiet topic", quiet.count) as tell:
            results.latency = quiet_latency(ground, quiet, options.records, options.settings, tell)
    if Part.MIXED in options.parts:
        _drain_mixture(ground, results, steps)
    if Part.MILLION in options.parts:
        _drain_a_million(ground, workloads[0], results, steps)


def _compete(ground: Ground, workload: Workload, results: Results, steps: Steps) -> None:
    """All contenders take turns, round after round, so that a disturbance of the machine meets each of them."""
    name, options = workload.record_name, results.options
    files: list[RowFile] = []
    if Part.LOAD in options.parts:
        with steps.step(f"{name}: preformat", workload.count) as tell:
            files = write_files(ground, workload, tell)
    contenders = _contenders(ground, workload, files, options)
    for number in range(1, options.rounds + 1):
        for contender, run in contenders.items():
            with steps.step(f"{name}, round {number} of {options.rounds}: {contender}", workload.count) as tell:
                results.runs.setdefault(name, {}).setdefault(contender, []).append(run(tell))
            _require_all_rows(ground, workload, contender)
    for file in files:
        file.path.unlink()


def _contenders(
    ground: Ground, workload: Workload, files: list[RowFile], options: Options
) -> dict[str, Callable[[Tell], Run]]:
    parts, settings = options.parts, options.settings
    one_lane = {**settings, "STREAM_LANES": "1"}
    every: dict[str, tuple[Part, Callable[[Tell], Run]]] = {
        LOAD_ONE: (Part.LOAD, lambda tell: load(LOAD_ONE, ground, workload, files, 1, tell)),
        LOAD_TWO: (Part.LOAD, lambda tell: load(LOAD_TWO, ground, workload, files, 2, tell)),
        USUAL: (Part.USUAL, lambda tell: drain_as_usual(USUAL, ground, workload, tell)),
        STREAM: (Part.STREAM, lambda tell: drain(STREAM, ground, workload, settings, tell)),
        # In this order, right behind the live drain, whose tables the first two read.
        VERIFY: (Part.AGAIN, lambda tell: verify(VERIFY, ground, workload, settings, tell)),
        REPLAY: (Part.AGAIN, lambda tell: replay(REPLAY, ground, workload, settings, tell, is_fresh=False)),
        BACKFILL: (Part.AGAIN, lambda tell: replay(BACKFILL, ground, workload, settings, tell, is_fresh=True)),
        ONE_LANE: (Part.LANES, lambda tell: drain(ONE_LANE, ground, workload, one_lane, tell)),
    }
    return {name: run for name, (part, run) in every.items() if part in parts}


def _require_all_rows(ground: Ground, workload: Workload, contender: str) -> None:
    """Raise RuntimeError where a contender is quick because it leaves something out."""
    counted, wanted = ground.count_rows(workload.table_names), workload.row_count(ground)
    if counted != wanted:
        raise RuntimeError(f"{contender} left {counted} rows, not {wanted}")


def _drain_mixture(ground: Ground, results: Results, steps: Steps) -> None:
    """All topics at once: small slices of many tables instead of large ones of one."""
    mixture, options = Mixture(results.options.records), results.options
    ground.empty_topics(mixture.streams)
    with steps.step(f"{mixture.record_name}: publish", mixture.count) as tell:
        mixture.publish(ground, tell, MORE_SEED)
    for number in range(1, options.rounds + 1):
        with steps.step(f"{mixture.record_name}, round {number} of {options.rounds}", mixture.count) as tell:
            run = drain(STREAM, ground, mixture, options.settings, tell)
        results.runs.setdefault(mixture.record_name, {}).setdefault(STREAM, []).append(run)


def _drain_a_million(ground: Ground, workload: Workload, results: Results, steps: Steps) -> None:
    """Measure memory: the topic is filled up to a million records, and all of it is drained once."""
    million = Workload(1_000_000, workload.record_name)
    missing = Workload(million.count - workload.count, workload.record_name)
    with steps.step(f"{workload.record_name}: publish up to a million", missing.count) as tell:
        missing.publish(ground, tell, MORE_SEED)
    with steps.step(f"{workload.record_name}: {MILLION}", million.count) as tell:
        run = drain(MILLION, ground, million, results.options.settings, tell)
    results.runs.setdefault(workload.record_name, {})[MILLION] = [run]


def _ask_reports(ground: Ground, results: Results, steps: Steps) -> None:
    """Ask reports about tables that are filled without any topic."""
    rows = results.options.report_rows
    database = connect_engine(ground.fresh_database())
    with steps.step("reports: fill the tables", total_rows(rows)) as tell:
        fill(database, rows, tell)
    with steps.step("reports", len(list(questions()))) as tell:
        results.answers = answers(ground, rows, tell)
