"""The choice of the database: MySQL, or MariaDB where MySQL cannot be had, and then a line says so."""

from pathlib import Path

from deploy.local.database import Database
from deploy.local.errors import UnavailableError
from deploy.local.mariadb import MariaDB
from deploy.local.mysql import MySQL, mysql_program
from deploy.local.parts import say


def start_database(folder: Path) -> Database:
    """Start a MySQL, else a MariaDB, and return it when clients are served; `flavour` says which it is.

    The data are in `folder/mysql` or `folder/mariadb`, for neither can read the other's.
    Raises UnavailableError if neither can be had, ServerError.
    """
    database = choose_database(folder)
    database.start()
    return database


def choose_database(folder: Path, *, background: bool = False) -> Database:
    """Return the MySQL, else the MariaDB, of `folder`, not started. Raises UnavailableError."""
    try:
        mysql_program()
    except UnavailableError as error:
        say(f"warning: MariaDB takes the place of MySQL, which cannot be had here. The reason: {error}")
        return MariaDB(folder / "mariadb", background=background)
    return MySQL(folder / "mysql", background=background)
