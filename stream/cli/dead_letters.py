"""Commands for dead letters: what was rejected, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stream import config
from stream import dead_letters as letters
from stream.cli.output import Format, FormatOption, show
from stream.database import connect_engine, read_connection
from stream.errors import Reason, TerminalError

app = typer.Typer(help="Records that were rejected: each kept once, with why.", no_args_is_help=True)

HIDDEN = "(hidden: --reveal shows it)"


@app.command("list")
def list_command(
    topic: Annotated[str | None, typer.Option(help="Only of this topic.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only with this reason.")] = None,
    status: Annotated[str | None, typer.Option(help="waiting, resolved, discarded or erased.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 50,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """The latest rejected records: coordinates, stage, reason and field, never their content.

    Example: stream dead-letters list --topic trip --reason out_of_range
    """
    with read_connection(connect_engine(config.load().required_database_url())) as connection:
        found = letters.find(connection, topic=topic, reason=reason, status=status, limit=limit)
    rows = [{"coordinates": _coordinates(row), **_without_coordinates(row)} for row in found]
    show(rows, output_format, empty="no dead letters")


@app.command("show")
def show_command(
    coordinates: Annotated[str, typer.Argument(help="topic/partition/offset, as `list` prints them.")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show key, value and headers too; they may be personal.")
    ] = False,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """One rejected record, with its content as hex where that is asked for.

    Example: stream dead-letters show trip/3/1045 --reveal
    """
    try:
        where = letters.Coordinates.parse(coordinates)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with read_connection(connect_engine(config.load().required_database_url())) as connection:
        found = letters.get(connection, where)
    if found is None:
        raise TerminalError(f"no dead letter at {coordinates}: `stream dead-letters list` shows what there is")
    rows = [{"name": name, "value": _shown(name, value, reveal)} for name, value in found.items()]
    show(rows, output_format, empty="")


def _coordinates(row: Any) -> str:
    return f"{row['topic']}/{row['kafka_partition']}/{row['kafka_offset']}"


def _without_coordinates(row: Any) -> dict[str, Any]:
    hidden = ("topic", "kafka_partition", "kafka_offset", "topic_id")
    return {name: value for name, value in row.items() if name not in hidden}


def _shown(name: str, value: Any, is_revealed: bool) -> Any:
    if name not in ("record_key", "record_value", "record_headers") or value is None:
        return value
    if not is_revealed:
        return HIDDEN
    return value.hex() if isinstance(value, bytes) else value
