"""The command that looks for what is wrong with the rows."""

from typing import Annotated

import typer

from stream import settings as config
from stream.cli.exit_codes import EXIT_FAILED, EXIT_TRY_AGAIN
from stream.cli.output import Format, FormatOption, show
from stream.mysql.connection import connect_engine, read_connection
from stream.quality.checks import CHECKS
from stream.quality.inspect import inspect

SECONDS_MAX = 24 * 3600.0
"""A day: servers count in milliseconds, and have no endless limit that is said in seconds."""


def _known(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise typer.BadParameter(f"no check {', '.join(unknown)}; there are: {', '.join(CHECKS)}")
    return names


def quality_command(
    check: Annotated[
        list[str] | None,
        typer.Option("--check", callback=lambda names: _known(names or []), help="Only this check; may be repeated."),
    ] = None,
    seconds_max: Annotated[
        float,
        typer.Option(
            "--seconds-max", min=0.01, max=SECONDS_MAX, help="How long each check may take; then it is given up."
        ),
    ] = 60.0,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Look for what is wrong with the rows themselves: balances, references, repetitions, places and times.

    Tells of each check how many rows are at fault and names some of them: by their keys, or, where a key is a person's
    id, by the coordinates of the event that wrote them (kafka_partition and kafka_offset of the row). Reads without
    locks, so `stream run` may go on. Ends with 1 where any row is at fault, else with 75 where a check took too long,
    or the server refused it. docs/quality.md says what each check means.

    Examples:

        stream quality
        stream quality --check points_balance --format json
    """
    engine = connect_engine(config.load().required_database_url())
    with read_connection(engine) as connection:
        findings = [inspect(connection, CHECKS[name], seconds_max) for name in check or CHECKS]
    show(findings, output_format, empty="there are no checks")
    if any(finding.faults for finding in findings):
        raise typer.Exit(EXIT_FAILED)
    if any(finding.faults is None for finding in findings):
        raise typer.Exit(EXIT_TRY_AGAIN)
