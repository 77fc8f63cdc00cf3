"""The command line of the benchmark."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from bench.ground import RESULT, prepared
from bench.report import show
from bench.steps import Steps
from bench.suite import Options, Part, measure
from deploy.local import LocalError
from stream.produce.plan import record_names

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

DRAINED_RECORDS = 300_000
REPORT_ROWS = 1_000_000

DEFAULT_PARTS = [part for part in Part if part not in (Part.MILLION, Part.PEERS)]


def _parts(text: str) -> str:
    unknown = set(text.split(",")) - set(Part)
    if unknown:
        raise typer.BadParameter(f"no part {', '.join(unknown)}; there are {', '.join(Part)}")
    if Part.AGAIN in text.split(",") and Part.STREAM not in text.split(","):
        raise typer.BadParameter(f"{Part.AGAIN} reads what {Part.STREAM} has drained: name both")
    return text


def _events(text: str) -> str:
    unknown = set(text.split(",")) - set(record_names([]))
    if unknown:
        raise typer.BadParameter(f"no event {', '.join(unknown)}; there are {', '.join(record_names([]))}")
    return text


def _flavour(text: str) -> str:
    if text not in ("", "mysql", "mariadb"):
        raise typer.BadParameter("mysql or mariadb")
    return text


def _settings(given: list[str]) -> list[str]:
    if any(not setting.startswith("STREAM_") or "=" not in setting for setting in given):
        raise typer.BadParameter("STREAM_NAME=VALUE")
    return given


@app.command()
def main(
    records: Annotated[
        int | None,
        typer.Option(
            min=10_000,
            help=f"How many records of each event are drained, {DRAINED_RECORDS:,} by default, and how many rows the "
            f"largest ledgers have of which reports are asked, {REPORT_ROWS:,} by default.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each contender takes its turn; medians count.")] = 2,
    only: Annotated[
        str, typer.Option(callback=_parts, help=f"Only these parts, separated by commas: {', '.join(Part)}.")
    ] = ",".join(DEFAULT_PARTS),
    million: Annotated[
        bool, typer.Option("--million", help="Also drain a million records of the first event: is memory flat?")
    ] = False,
    events: Annotated[
        str, typer.Option(callback=_events, help="Which events, separated by commas.")
    ] = "TripRated,BytemarkPassLogged",
    database: Annotated[
        str, typer.Option(callback=_flavour, help="mysql or mariadb; by default MySQL where it can be had.")
    ] = "",
    duplicates: Annotated[int, typer.Option(min=0, max=50, help="Percent of the records that are duplicates.")] = 0,
    recent: Annotated[
        bool,
        typer.Option("--recent", help="Business dates of the last days; by default of long ago, as in a backfill."),
    ] = False,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            callback=lambda given: _settings(given or []),
            help="For `stream run`, such as STREAM_LANES=3; may be repeated.",
        ),
    ] = None,
) -> None:
    """Measure how fast `stream run` drains a topic, beside the server's limit and the loop that people usually write,
    and how fast reports answer.

    Starts a Kafka and a database of its own on empty folders under .local/bench and removes them in the end. All
    contenders work on the same records and the same tables. Only ratios within one run mean anything. The figures
    also go to .local/bench.json; docs/benchmark.md explains them. The part `peers` fetches Kafka Connect and Debezium's
    JDBC sink from Maven Central, and takes the first event with duplicates, with recent dates and with older ones.

    Examples: python -m bench --only stream,usual --events TripRated --rounds 1;
    python -m bench --only stream --setting STREAM_BATCH_RECORDS_MAX=10000;
    python -m bench --only stream,again --records 1000000 --rounds 1;
    python -m bench --only load,usual,stream --duplicates 5 --recent;
    python -m bench --only peers --events TripRated;
    python -m bench --only reports
    """
    parts = frozenset(Part(name) for name in only.split(",")) | ({Part.MILLION} if million else frozenset())
    settings = dict(named.split("=", 1) for named in setting or [])
    drained, report_rows = records or DRAINED_RECORDS, records or REPORT_ROWS
    options = Options(parts, tuple(events.split(",")), drained, report_rows, rounds, settings, duplicates, recent)
    try:
        with prepared(database) as ground, Steps() as steps:
            results = measure(ground, options, steps)
    except LocalError as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from None
    RESULT.write_text(json.dumps(results.as_json(), indent=2) + "\n")
    # A pipe has no width of its own: there nothing is folded.
    show(Console(width=None if sys.stdout.isatty() else 150), results)
