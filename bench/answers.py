"""The time that reports take over a year of rows, beside reading all rows of one of the largest ledgers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from bench.ground import Ground
from bench.workload import Tell
from stream.mysql.connection import connect_engine, read_connection
from stream.reports import REPORTS, Parameter, Report
from stream.reports.declaration import answer_on

TIMES = 5
"""The number of times that each report is asked; the median counts."""

FULL_SCAN = "SELECT SUM(kafka_offset) FROM trip"
"""A query that reads all rows: no index has this column."""

ZONE = ZoneInfo("America/Chicago")
DAYS = 30

ONE_OF_MANY = {"campaign": 7, "user": "7"}
"""The parameters that narrow a report, each with a value that `bench/rows.py` makes."""

Asked = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One report, asked in one way."""

    report: str
    asked: str
    """The way of asking, in words; empty for the defaults."""
    rows: int
    seconds: float
    """Seconds until the last row is read, in the median."""
    scan_ratio: float
    """The seconds divided by those of the full scan in the same run."""


@dataclass(frozen=True)
class Answers:
    """The time that all reports took."""

    ledger_rows: int
    scan_seconds: float
    answers: list[Answer]


def questions() -> Iterator[tuple[Report, str, Asked]]:
    """Each report with its defaults, and where it has such parameters, in a time zone, about some days, and about one
    campaign or user."""
    for report in REPORTS.values():
        names = {parameter.name for parameter in report.parameters}
        required = {parameter.name: _example(parameter) for parameter in report.parameters if parameter.is_required}
        yield report, "", required
        if "time_zone" in names:
            yield report, "in a time zone", {**required, "time_zone": ZONE}
        if "first_day" in names:
            first_day = datetime.now(UTC).date() - timedelta(days=DAYS)
            yield report, f"the last {DAYS} days", {**required, "first_day": first_day}
        for narrowed in sorted((names - required.keys()) & ONE_OF_MANY.keys()):
            yield report, f"one {narrowed}", {**required, narrowed: ONE_OF_MANY[narrowed]}


def answers(ground: Ground, rows: int, tell: Tell) -> Answers:
    """Ask the reports of the tables that are filled."""
    answered = []
    with read_connection(connect_engine(ground.url)) as connection:
        scan_seconds, _ = _timed(lambda: len(connection.execute(text(FULL_SCAN)).all()))
        for number, (report, how, asked) in enumerate(questions(), 1):
            seconds, count = _timed(partial(_ask, connection, report, asked))
            answered.append(Answer(report.name, how, count, seconds, seconds / scan_seconds))
            tell(number)
    return Answers(rows, scan_seconds, answered)


def _ask(connection: Connection, report: Report, asked: Asked) -> int:
    return len(answer_on(connection, report, asked))


def _example(parameter: Parameter) -> Any:
    """A value that a required parameter has, as the command line hands it on."""
    is_hash = parameter.name.startswith("hash_id")
    value = parameter.parse(hashlib.sha256(b"7").hexdigest() if is_hash else parameter.example)
    return [value] if parameter.is_list else value


def _timed(ask: Callable[[], int]) -> tuple[float, int]:
    """The median of the seconds that a question takes, and the number of rows. A first call has pages read."""
    rows = ask()
    taken = []
    for _ in range(TIMES):
        began = time.monotonic()
        rows = ask()
        taken.append(time.monotonic() - began)
    return median(taken), rows
