"""Commands for reports: a command for each report, made from its declaration."""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from stream import settings as config
from stream.cli.output import Format, FormatOption, show
from stream.errors import ConfigurationError
from stream.mysql.connection import connect_engine, read_connection
from stream.page import document
from stream.reports import REPORTS, Parameter, Report, answer_on, behind_since, incompleteness
from stream.reports.scope import time_zone

app = typer.Typer(no_args_is_help=True)

PLOTTED_DAYS_MAX = 3660
"""Ten years: each day is a point of several plots, and of some hundred bytes."""


def _command(report: Report) -> Callable[..., None]:
    """The report as a function; typer makes options of the function's signature."""

    def command(output_format: Format, **values: Any) -> None:
        database = connect_engine(config.load().required_database_url())
        with read_connection(database) as connection:
            since = behind_since(connection, report)
            rows = answer_on(connection, report, values)
        show(rows, output_format, empty="nothing found")
        if since is not None:
            typer.echo(f"incomplete: {incompleteness(since)}; `stream freshness` tells when they are", err=True)

    options = {**{parameter.name: _option(parameter) for parameter in report.parameters}, "output_format": FormatOption}
    command.__annotations__ = options
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_default(report, name), annotation=annotation
            )
            for name, annotation in options.items()
        ]
    )
    return command


def _option(parameter: Parameter) -> Any:
    def parse(written: str) -> Any:
        try:
            return parameter.parse(written)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    shown = str(parameter.default) if parameter.default is not None else False
    option = typer.Option(parameter.option, help=parameter.help, parser=parse, show_default=shown, metavar="VALUE")
    return Annotated[list[str] | None if parameter.is_list else str | None, option]


def _default(report: Report, name: str) -> Any:
    """The default for typer, which parses any but None: None lets the declaration's own default stand."""
    if name == "output_format":
        return Format.TABLE
    is_required = any(parameter.name == name and parameter.is_required for parameter in report.parameters)
    return inspect.Parameter.empty if is_required else None


def _help(report: Report) -> str:
    columns = "\n\n".join(f"- {name}: {meaning}" for name, meaning in report.columns.items())
    note = f"{report.note}\n\n" if report.note else ""
    return f"{report.title}.\n\n{note}Columns:\n\n{columns}\n\nExamples:\n\n    {report.example}"


@app.command("html")
def html_command(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced.", dir_okay=False)],
    days: Annotated[int, typer.Option(min=1, max=PLOTTED_DAYS_MAX, help="How many days back the daily plots go.")] = 90,
    zone: Annotated[
        str, typer.Option("--time-zone", help="Days and hours are those of this time zone, such as America/Chicago.")
    ] = "UTC",
) -> None:
    """Write one page that shows the reports as plots.

    It needs no network and no other file, and fits a phone.

    Examples:

        stream report html reports.html
        stream report html reports.html --days 30 --time-zone America/Chicago
    """
    try:
        known = time_zone(zone)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--time-zone") from None
    now = datetime.now(UTC)
    today = now.astimezone(known).date()
    asked = {"time_zone": known, "first_day": today - timedelta(days=days), "last_day": today}
    page = document(connect_engine(config.load().required_database_url()), asked, now)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} can't be written: {error.strerror}") from None
    typer.echo(f"written: {file}", err=True)


for _report in REPORTS.values():
    app.command(_report.name, help=_help(_report), short_help=f"{_report.title}.")(_command(_report))
