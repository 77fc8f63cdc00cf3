"""Accounts: what each purpose needs and no more, derived from what is declared.

The account for reading reads the tables that events feed, their rollups, the service's own tables that are marked as
for analysts, and all views; never dead letters, erasures or progress. Views run with the rights of the account that
migrated (SQL SECURITY DEFINER, the servers' default): so one may count dead letters for a reader who must not see them.
"""

from collections.abc import Iterator
from enum import StrEnum

from sqlalchemy import Connection, exc, inspect

from stream.catalog import METADATA, ROLLUPS, STREAMS


def readable_tables() -> list[str]:
    """The tables that analysts may read, by name."""
    fed = [table for stream in STREAMS.values() for table in stream.tables]
    marked = [table for table in METADATA.tables.values() if table.info.get("is_for_analysts")]
    return sorted({table.name for table in (*fed, *ROLLUPS.values(), *marked)})


class Purpose(StrEnum):
    """Purposes of an account."""

    READ = "read"
    RUN = "run"
    VERIFY = "verify"
    MIGRATE = "migrate"


RIGHTS = {
    Purpose.RUN: "SELECT, INSERT, UPDATE, DELETE, SHOW VIEW",
    Purpose.VERIFY: "SELECT, SHOW VIEW, CREATE TEMPORARY TABLES",
    Purpose.MIGRATE: "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW",
}
"""The rights on the database as a whole, by the account's purpose; who only reads has rights on single tables."""

ATTEMPTS = {
    "INSERT": "EXPLAIN INSERT INTO `{table}` (`{column}`) SELECT `{column}` FROM `{table}`",
    "UPDATE": "EXPLAIN UPDATE `{table}` SET `{column}` = `{column}`",
    "DELETE": "EXPLAIN DELETE FROM `{table}`",
}
"""Statements that need the right, and change nothing: the servers look at rights before they explain."""

DENIED = {1142, 1143}


def grant_statements(connection: Connection, user: str, host: str, purpose: Purpose = Purpose.READ) -> Iterator[str]:
    """The statements that give an account what its purpose needs. Granting again changes nothing."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    database = inspect(connection).default_schema_name
    assert database is not None, "the URL names a database"
    account = f"{_text(user)}@{_text(host)}"
    if purpose is not Purpose.READ:
        named = quote(database.replace("_", r"\_"))  # a whole database is granted by a pattern
        yield f"GRANT {RIGHTS[purpose]} ON {named}.* TO {account};"
        return
    for name in [*readable_tables(), *sorted(inspect(connection).get_view_names())]:
        yield f"GRANT SELECT ON {quote(database)}.{quote(name)} TO {account};"


def missing_rights(connection: Connection) -> dict[str, list[str]]:
    """The rights to write that this account lacks, each with the declared tables on which it does."""
    missing = {right: [name for name in METADATA.tables if _is_denied(connection, right, name)] for right in ATTEMPTS}
    return {right: names for right, names in missing.items() if names}


def _is_denied(connection: Connection, right: str, table: str) -> bool:
    column = next(iter(METADATA.tables[table].primary_key)).name
    try:
        connection.exec_driver_sql(ATTEMPTS[right].format(table=table, column=column)).close()
    except exc.DBAPIError as error:
        return error.orig is not None and error.orig.args[0] in DENIED
    return False


def _text(value: str) -> str:
    """A literal, whatever sql_mode says of backslashes: names of accounts with one are refused before."""
    return "'" + value.replace("'", "''") + "'"
