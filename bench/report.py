"""The print-out of a benchmark: a table for each workload, then the figures beside the goals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.answers import Answers
from bench.contenders import (
    BACKFILL,
    DEBEZIUM,
    LOAD_ONE,
    LOAD_TWO,
    MILLION,
    ONE_LANE,
    REPLAY,
    STREAM,
    TWO_PROCESSES,
    USUAL,
    VERIFY,
)
from bench.latency import BUSY_EVENTS_A_SECOND, Latency
from bench.run import Run
from bench.stages import Stage
from bench.suite import Results
from bench.workload import ALL_TOPICS
from stream.reports.learners import SEARCH

MEGABYTE = 1_000_000
OTHERS_CPUS_MAX = 0.2
"""The CPUs that may be busy with other things: with more, a run is called disturbed."""

LATENCY_GOALS = {0: (40, 70), BUSY_EVENTS_A_SECOND: (None, 500)}
"""Median and 99th percentile in milliseconds, by the number of other events a second."""

RATE_GOALS = {DEBEZIUM: 1.6, USUAL: 4.0, LOAD_TWO: 0.55, LOAD_ONE: None, ONE_LANE: None}
"""The least ratio of records a second between `stream` and another contender; None where there is no goal."""

Rounds = Mapping[str, Sequence[Run]]
"""The runs of one workload, by contender."""


@dataclass(frozen=True)
class Verdict:
    """One figure beside its goal."""

    what: str
    figure: str
    goal: str
    is_reached: bool | None
    """Whether the goal is reached; None where there is no goal."""


def show(console: Console, results: Results) -> None:
    """Print all results."""
    console.print(f"{results.server}; medians of {results.options.rounds} round(s)", highlight=False)
    for title, rounds in results.runs.items():
        console.print(_runs_table(title, rounds))
    for title, stages in results.stages.items():
        console.print(_stages_table(title, stages))
    if results.answers:
        console.print(_answers_table(results.answers))
    console.print(_verdicts_table(list(verdicts(results))))
    for line in _disturbances(results):
        console.print(line, highlight=False)


def verdicts(results: Results) -> Iterator[Verdict]:
    """Each figure that has a goal, and a few that have none."""
    for title, rounds in results.runs.items():
        yield from _ratios(title, rounds)
        yield from _rates_again(title, rounds)
        yield from _economy(title, rounds)
    yield from _mixture(results)
    for rate, latency in results.latencies.items():
        yield _latency(rate, latency)
    if results.answers:
        yield _slowest(results.answers)
        yield from _searches(results.answers)


def _ratios(title: str, rounds: Rounds) -> Iterator[Verdict]:
    for ours, (other, goal) in product((STREAM, TWO_PROCESSES), RATE_GOALS.items()):
        if ratio := _ratio(rounds, ours, other, "records_a_second"):
            wanted = "" if goal is None else f"at least {goal:g}"
            yield Verdict(f"{title}: {ours} / {other}", f"{ratio:.2f}", wanted, None if goal is None else ratio >= goal)
    for other, goal in ((DEBEZIUM, 1.0), (LOAD_TWO, 1.25)):
        if ratio := _ratio(rounds, STREAM, other, "database_micros"):
            what = f"{title}: database's CPU a record, stream / {other}"
            yield Verdict(what, f"{ratio:.2f}", f"at most {goal:g}", ratio <= goal)


def _ratio(rounds: Rounds, ours: str, other: str, figure: str) -> float | None:
    """The median of our figure by the other's in each round; None where one of the two was not asked."""
    if ours not in rounds or other not in rounds:
        return None
    pairs = zip(rounds[ours], rounds[other], strict=True)
    return float(median(getattr(our, figure) / getattr(their, figure) for our, their in pairs))


def _rates_again(title: str, rounds: Rounds) -> Iterator[Verdict]:
    """Commands that read the log again, beside the live drain. A verify has no window, so both count with their
    start-up."""
    for contender, goal in ((REPLAY, 0.9), (BACKFILL, 0.9), (VERIFY, 0.5)):
        if contender not in rounds:
            continue
        pairs = list(zip(rounds[contender], rounds[STREAM], strict=True))
        if contender == VERIFY:
            ratio = median(live.seconds / again.seconds for again, live in pairs)
        else:
            ratio = median(again.records_a_second / live.records_a_second for again, live in pairs)
        yield Verdict(f"{title}: {contender} / stream", f"{ratio:.2f}", f"at least {goal:g}", ratio >= goal)


def _economy(title: str, rounds: Rounds) -> Iterator[Verdict]:
    """The resources that `stream` itself uses."""
    for contender in (STREAM, VERIFY, REPLAY, BACKFILL, MILLION):
        if contender not in rounds:
            continue
        runs = rounds[contender]
        micros, peak = middle(runs, "client_micros"), max(run.memory_peak for run in runs) / MEGABYTE
        is_goal = contender in (STREAM, MILLION) and runs[0].rows == runs[0].records
        yield Verdict(
            f"{title}: client's CPU, {contender}",
            f"{micros:.1f} µs a record",
            "at most 10 with one table" if is_goal else "",
            micros <= 10 if is_goal else None,
        )
        yield Verdict(f"{title}: memory at its peak, {contender}", f"{peak:.0f} MB", "at most 200", peak <= 200)


def _mixture(results: Results) -> Iterator[Verdict]:
    """Rows of all topics at once, beside those of one table."""
    single = results.runs.get(results.options.workloads[0].title, {}).get(STREAM)
    mixed = results.runs.get(ALL_TOPICS, {}).get(STREAM)
    if single and mixed:
        ratio = middle(mixed, "rows_a_second") / middle(single, "rows_a_second")
        yield Verdict(
            f"{ALL_TOPICS}: rows a second / {single[0].workload}", f"{ratio:.2f}", "at least 0.6", ratio >= 0.6
        )


def _latency(rate: int, latency: Latency) -> Verdict:
    median_max, p99_max = LATENCY_GOALS[rate]
    return Verdict(
        f"from publishing to visible, beside {rate:,} others a second; {latency.events} events",
        f"median {latency.median_ms:.0f} ms, p99 {latency.p99_ms:.0f} ms, longest {latency.max_ms:.0f} ms",
        f"at most {median_max} and {p99_max} ms" if median_max else f"p99 at most {p99_max} ms",
        latency.p99_ms <= p99_max and (median_max is None or latency.median_ms <= median_max),
    )


def _searches(answers: Answers) -> Iterator[Verdict]:
    for answer in answers.answers:
        if answer.report == SEARCH.name:
            what = f"{answer.report} among {answers.ledger_rows:,}"
            yield Verdict(what, f"{answer.seconds * 1000:.1f} ms", "under 10 ms", answer.seconds < 0.010)


def _slowest(answers: Answers) -> Verdict:
    slowest = max(answers.answers, key=lambda answer: answer.seconds)
    what = " ".join(["slowest report:", slowest.report, slowest.asked]).strip()
    return Verdict(what, f"{slowest.seconds:.2f} s", "under 1 s", slowest.seconds < 1)


def middle(runs: Sequence[Run], name: str) -> float:
    """The median of one figure over the rounds."""
    return median(float(getattr(run, name)) for run in runs)


def _runs_table(title: str, rounds: Rounds) -> Table:
    run = next(iter(rounds.values()))[0]
    table = _table(f"{title}: {run.records:,} records, {run.rows:,} rows")
    table.add_column("", no_wrap=True)
    for heading in ("records/s", "rows/s", "with start-up", "client µs", "database µs", "Kafka µs", "peak MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("MB at ¼ ½ ¾ 1", no_wrap=True)
    for contender, runs in rounds.items():
        table.add_row(contender, *_cells(runs))
    return table


def _cells(runs: Sequence[Run]) -> Iterator[str]:
    last = runs[-1]
    yield f"{middle(runs, 'records_a_second'):,.0f}"
    yield f"{middle(runs, 'rows_a_second'):,.0f}"
    yield f"{median(run.records / run.seconds for run in runs):,.0f}"
    for name in ("client_micros", "database_micros", "kafka_micros"):
        yield f"{middle(runs, name):.1f}"
    yield f"{max(run.memory_peak for run in runs) / MEGABYTE:.0f}" if last.memory_peak else ""
    yield " ".join(f"{size / MEGABYTE:.0f}" for size in last.memory_quarters)


def _stages_table(title: str, stages: Sequence[Stage]) -> Table:
    table = _table(f"{title}: what each stage costs a record, in one thread with nothing beside it")
    for heading in ("stage", "what it does"):
        table.add_column(heading)
    for heading in ("CPU µs", "waiting µs"):
        table.add_column(heading, justify="right")
    for stage in stages:
        table.add_row(stage.name, stage.what, f"{stage.cpu_micros:.2f}", f"{stage.wait_micros:.2f}")
    total = (sum(stage.cpu_micros for stage in stages), sum(stage.wait_micros for stage in stages))
    table.add_row("together", "", *(f"{micros:.2f}" for micros in total))
    return table


def _answers_table(answers: Answers) -> Table:
    table = _table(
        f"Reports on {answers.ledger_rows:,} passes and as many trips; a full scan takes {answers.scan_seconds:.2f} s"
    )
    for heading in ("report", "asked"):
        table.add_column(heading)
    for heading in ("rows", "ms", "of a full scan"):
        table.add_column(heading, justify="right")
    for answer in answers.answers:
        table.add_row(
            answer.report, answer.asked, f"{answer.rows:,}", f"{answer.seconds * 1000:.0f}", f"{answer.scan_ratio:.3f}"
        )
    return table


def _verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    table = _table("Beside the goals")
    for heading in ("", "measured", "goal", ""):
        table.add_column(heading)
    for verdict in verdicts:
        reached = "" if verdict.is_reached is None else "[green]yes[/]" if verdict.is_reached else "[red]no[/]"
        table.add_row(verdict.what, verdict.figure, verdict.goal, reached)
    return table


def _disturbances(results: Results) -> Iterator[str]:
    for title, rounds in results.runs.items():
        for contender, runs in rounds.items():
            for number, run in enumerate(runs, 1):
                if run.others_cpus > OTHERS_CPUS_MAX:
                    yield (
                        f"disturbed: {title}, round {number}, {contender}: "
                        f"other programs took {run.others_cpus:.1f} CPUs"
                    )


def _table(title: str) -> Table:
    return Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
