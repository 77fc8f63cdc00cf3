"""Commands for where partitions go on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from stream import config
from stream.catalog import STREAMS
from stream.cli.output import Format, FormatOption, show
from stream.database import connect_engine
from stream.offsets import accept, acceptances
from stream.source import admin_client

app = typer.Typer(help="Where partitions go on.", no_args_is_help=True)


@app.command("accept")
def accept_command(
    partition: Annotated[
        list[str] | None, typer.Argument(help="topic/partition, as in trip/3; without one, all that are stopped.")
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; without this the plan is only shown.")] = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Let partitions go on whose log changed under them: retention overtook us, or the topic was made anew.

    They go on where the log begins; what is read again changes nothing. A running service notices within seconds.

    Examples: stream offsets accept; stream offsets accept trip/3 --execute
    """
    settings = config.load()
    database = connect_engine(settings.required_database_url())
    plan = acceptances(admin_client(settings.required_kafka()), database, settings.group_id, list(STREAMS))
    if partition:
        unknown = set(partition) - {str(one.partition) for one in plan}
        if unknown:
            raise typer.BadParameter(f"not stopped: {', '.join(sorted(unknown))}")
        plan = [one for one in plan if str(one.partition) in partition]
    rows = [{**asdict(one), "partition": str(one.partition), "reason": one.reason.value} for one in plan]
    show(rows, output_format, empty="nothing to accept: every partition's progress fits its log")
    if plan and execute:
        accept(database, settings.group_id, plan)
        typer.echo(f"accepted: {len(plan)} partition(s) go on", err=True)
    elif plan:
        typer.echo("nothing was changed: --execute does it", err=True)
