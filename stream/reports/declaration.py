"""The language of a report: its parameters, its columns, and the one query of report and view.

A query is a function from `Scope` to SQL. It names its parameters as `:days`, and asks the scope where days, hours
or something that may be left out matter. The view of a report is its query with the defaults, in UTC.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects import mysql

from stream.catalog import ROLLUPS
from stream.mysql import rollups
from stream.mysql.connection import read_connection
from stream.reports.scope import UTC_ZONE, Scope, time_zone

Parse = Callable[[str], Any]
"""Text from the command line → value. Raises ValueError, with a sentence that says what is expected."""

Query = Callable[[Scope], str]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a report; `first_day` is the option --first-day and, in the query, :first_day."""

    name: str
    parse: Parse
    help: str
    default: Any = None
    is_required: bool = False
    is_list: bool = False
    example: str = ""
    """The parameter's value in the examples of reports; a required parameter has one, any other may."""

    @property
    def option(self) -> str:
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Report:
    """A question, and the query that answers it."""

    name: str
    title: str
    """A sentence without its full stop."""
    columns: Mapping[str, str]
    """The meaning of each column of the answer, in their order."""
    query: Query
    parameters: tuple[Parameter, ...] = ()
    note: str = ""
    """A remark for readers, such as where the answer differs from what people might expect, and why."""
    has_view: bool = True
    """Whether there is a view as well; where the report is of one user, the view is of everybody."""

    @property
    def view(self) -> str | None:
        """The view that says the same with the defaults, in UTC."""
        return self.name.replace("-", "_") if self.has_view else None

    @cached_property
    def rollups(self) -> frozenset[str]:
        """The rollups that the query reads."""
        return frozenset(re.findall(r"\w+", self.query(Scope()))) & ROLLUPS.keys()

    @property
    def example(self) -> str:
        """The report's command line, for a shell."""
        options = [f" {parameter.option} {parameter.example}" for parameter in self.parameters if parameter.example]
        return f"stream report {self.name}{''.join(options)}"


def answer(report: Report, database: Engine, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The report's rows. `values` are of its parameters; the default stands for those that are missing or None.

    Raises DatabaseUnavailable.
    """
    with read_connection(database) as connection:
        return answer_on(connection, report, values)


def behind_since(connection: Connection, report: Report) -> datetime | None:
    """The moment (UTC) since which written rows may be missing from the answer, until the rollups that it reads are
    summed; None where none are. Asked before the answer: what is summed in between is then told as missing, and not the
    other way round."""
    if not report.rollups:
        return None
    backlogs = [backlog for backlog in rollups.backlogs(connection) if backlog.rollup in report.rollups]
    return min((backlog.touched_since for backlog in backlogs if backlog.touched_since), default=None)


def incompleteness(since: datetime) -> str:
    """The rows that an answer may lack, in words."""
    return f"rows written since {since:%Y-%m-%d %H:%M:%S} (UTC) may be missing, for they are not summed yet"


def answer_on(connection: Connection, report: Report, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The report's rows, read on a connection that is open already."""
    sql, bound = statement(report, values)
    return [dict(row) for row in connection.execute(text(sql), bound).mappings()]


def statement(report: Report, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The SQL of one run, and the values that it names."""
    given = {name: value for name, value in values.items() if value is not None}
    asked = {parameter.name: given.get(parameter.name, parameter.default) for parameter in report.parameters}
    days = {name: asked[name] for name in ("first_day", "last_day") if name in asked}
    zone = {"zone": asked["time_zone"]} if "time_zone" in asked else {}
    scope = Scope(**zone, **days, given=frozenset(name for name, value in asked.items() if value is not None))
    named = {**asked, "since": scope.since, "until": scope.until}
    named |= {parameter.name: json.dumps(asked[parameter.name]) for parameter in report.parameters if parameter.is_list}
    sql = report.query(scope)
    return sql, {name: value for name, value in named.items() if name in text(sql).compile().params}


def view_sql(report: Report) -> str:
    """The SELECT that the report's view is made of: the query with its defaults written out."""
    sql, bound = statement(report, {})
    compiled = (
        text(sql)
        .bindparams(**bound)
        .compile(dialect=mysql.dialect(paramstyle="named"), compile_kwargs={"literal_binds": True})
    )
    return str(compiled).strip()


# --- Parameters that many reports have


EARLIEST_DAY, LATEST_DAY = date(1970, 1, 1), date(2099, 12, 31)
"""The days that may be asked for. No event lies outside, and near the ends of the calendar there is no day before or
after that a time zone could need."""

DAYS_MAX = 36_525
"""A hundred years: long before that no event lies, and farther back the server's calendar ends."""


def _day(written: str) -> date:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written!r} is not a day such as 2026-11-30") from None
    if not EARLIEST_DAY <= day <= LATEST_DAY:
        raise ValueError(f"{written} is not a day from {EARLIEST_DAY} to {LATEST_DAY}")
    return day


def number(name: str, default: int | None, help_: str, *, least: int = 1, most: int = 2**31 - 1) -> Parameter:
    """A whole number from `least` to `most`."""

    def parse(written: str) -> int:
        # The length comes first: int() refuses thousands of digits with an error of its own.
        is_number = written.isascii() and written.isdecimal() and len(written) <= len(str(most))
        if not is_number or not least <= int(written) <= most:
            raise ValueError(f"{written!r} is not a whole number from {least} to {most}")
        return int(written)

    return Parameter(name, parse, help_, default=default)


def days_back(default: int) -> Parameter:
    """Some days before now."""
    return number("days", default, "How many days back from now, each of 24 hours.", most=DAYS_MAX)


TIME_ZONE = Parameter(
    "time_zone", time_zone, "Days and hours are those of this time zone, such as America/Chicago.", default=UTC_ZONE
)
FIRST_DAY = Parameter(
    "first_day", _day, "The first day that counts, such as 2026-11-01; without it, all before.", example="2026-11-01"
)
LAST_DAY = Parameter("last_day", _day, "The last day that counts; without it, all after.")
DAYS = (FIRST_DAY, LAST_DAY, TIME_ZONE)
"""The first day, the last day and their time zone."""
