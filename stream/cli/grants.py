"""The command that prints the rights of an account for reading."""

from typing import Annotated

import typer

from stream import settings as config
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.grants import grant_statements

FORBIDDEN = "\\\0\n\r"


def _usable(name: str) -> str:
    if not name or any(character in name for character in FORBIDDEN):
        raise typer.BadParameter("must say something, without backslashes and line breaks")
    return name


def grants_command(
    user: Annotated[str, typer.Option("--user", callback=_usable, help="The account that is to read.")],
    host: Annotated[str, typer.Option("--host", callback=_usable, help="From where it connects; % is anywhere.")] = "%",
) -> None:
    """Print the GRANT statements that let an account read what analysts may: tables of events, rollups and views.

    Never dead letters, erasures or progress. Create the account first, with a password of its own, and have somebody
    run the statements who may grant, as by `| mysql stream`; again after each `stream migrate`, for there may be new
    views.

    Examples:

        stream grants --user quicksight
        stream grants --user quicksight --host 10.0.0.%
    """
    with read_connection(connect_engine(config.load().required_database_url())) as connection:
        for statement in grant_statements(connection, user, host):
            typer.echo(statement)
