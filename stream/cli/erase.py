"""The command that has a person forgotten."""

from typing import Annotated

import typer

from stream import moments
from stream import settings as config
from stream.cli.exit_codes import EXIT_TRY_AGAIN
from stream.cli.options import ExecuteOption
from stream.cli.output import Format, FormatOption, show
from stream.mysql.connection import connect_engine, read_connection
from stream.operate import erase as erasing


def erase_command(
    person: Annotated[str, typer.Argument(help="app:ID, clerk:ID or telegram:ID.")],
    execute: ExecuteOption = False,
    receipt: Annotated[bool, typer.Option("--receipt", help="Only show what an erasure has removed.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=0, help="How long to wait for `stream run` to apply it.")] = 60.0,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Forget a person for good: whatever comes later, nothing personal of theirs is stored again.

    Publishes the deletion event, which a running `stream run` applies; a replay or a restored backup applies it
    again. Ends with 75 where that was not seen in time. A Telegram user who comes back, and has agreed again, is let
    in by the event TelegramUserReturned, which the bot publishes.

    Examples:

        stream erase app:7
        stream erase app:7 --execute
        stream erase app:7 --receipt
    """
    settings = config.load()
    database = connect_engine(settings.required_database_url())
    try:
        who = erasing.parse_person(person)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not receipt and not execute:
        with read_connection(database) as connection:
            show(erasing.stored(connection, who), output_format, empty="no table is about persons of this kind")
        typer.echo("nothing was changed: --execute publishes the deletion", err=True)
        return
    if execute:
        occurred_at = moments.now_micros()
        event_id = erasing.publish_deletion(settings.required_kafka(), who, occurred_at)
        typer.echo(f"published: event {event_id}; waiting for `stream run` to apply it", err=True)
        if not erasing.wait_until_swept(database, who, occurred_at, wait_seconds):
            typer.echo("not applied yet: look again with --receipt", err=True)
            raise typer.Exit(EXIT_TRY_AGAIN)
    with read_connection(database) as connection:
        show(erasing.receipt(connection, who, settings.dead_letter_days), output_format, empty="")
