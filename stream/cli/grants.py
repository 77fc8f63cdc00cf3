"""The command that prints the rights of an account."""

from typing import Annotated

import typer

from stream import settings as config
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.grants import Purpose, grant_statements

FORBIDDEN = "\\\0\n\r"


def _usable(name: str) -> str:
    if not name or any(character in name for character in FORBIDDEN):
        raise typer.BadParameter("must say something, without backslashes and line breaks")
    return name


def grants_command(
    user: Annotated[str, typer.Option("--user", callback=_usable, help="The account that is to read.")],
    host: Annotated[str, typer.Option("--host", callback=_usable, help="From where it connects; % is anywhere.")] = "%",
    purpose: Annotated[Purpose, typer.Option("--for", help="What the account is for.")] = Purpose.READ,
) -> None:
    """Print the GRANT statements that give an account what its purpose needs, and no more.

    To read is what analysts may: tables of events, rollups and views, and never dead letters, erasures or progress.
    docs/rights.md says which command needs what. Create the account first, with a password of its own, and have
    somebody run the statements who may grant, as by `| mysql stream`; for reading, again after each `stream migrate`,
    for there may be new views.

    Examples:

        stream grants --user quicksight
        stream grants --user stream --for run
        stream grants --user quicksight --host 10.0.0.%
    """
    with read_connection(connect_engine(config.load().required_database_url())) as connection:
        for statement in grant_statements(connection, user, host, purpose):
            typer.echo(statement)
