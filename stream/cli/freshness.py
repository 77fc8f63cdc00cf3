"""Commands for those who serve analysts: the freshness of tables, and data sets that changed behind their windows."""

from datetime import datetime
from typing import Annotated

import typer

from stream import settings as config
from stream.cli.output import Format, FormatOption, show
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.freshness import freshness
from stream.mysql.late_changes import late_data_sets


def freshness_command(output_format: FormatOption = Format.TABLE) -> None:
    """Say through which moment each table holds all that its topic does; the view `freshness` says the same.

    complete_through is empty while a partition was never applied. Records that wait as dead letters count as applied,
    and are counted beside it. rollup_behind_since tells since when rows wait to be summed, where any do.

    Examples:

        stream freshness
        stream freshness --format json
    """
    with read_connection(connect_engine(config.load().required_database_url())) as connection:
        tables = freshness(connection)
    show(tables, output_format, empty="nothing was ever consumed: start `stream run`")


def late_changes_command(
    since: Annotated[datetime | None, typer.Option(help="Only what changed at this moment (UTC) or after it.")] = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """List the data sets that want a wider refresh, once: dates changed that their look-back window had passed.

    look_back_days tells how wide: in days before today (UTC). The window is STREAM_LOOK_BACK_DAYS.

    Examples:

        stream late-changes
        stream late-changes --since 2026-03-01
    """
    with read_connection(connect_engine(config.load().required_database_url())) as connection:
        data_sets = late_data_sets(connection, since)
    show(data_sets, output_format, empty="no date changed behind the window")
