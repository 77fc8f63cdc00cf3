"""The account for reading: what whoever only reads is given, derived from what is declared.

It reads the tables that events feed, their rollups, the service's own tables that are marked as for analysts, and all
views; never dead letters, erasures or progress. Views run with the rights of the account that migrated (SQL SECURITY
DEFINER, the servers' default): so one may count dead letters for a reader who must not see them.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, inspect

from stream.catalog import METADATA, ROLLUPS, STREAMS


def readable_tables() -> list[str]:
    """The tables that analysts may read, by name."""
    fed = [table for stream in STREAMS.values() for table in stream.tables]
    marked = [table for table in METADATA.tables.values() if table.info.get("is_for_analysts")]
    return sorted({table.name for table in (*fed, *ROLLUPS.values(), *marked)})


def grant_statements(connection: Connection, user: str, host: str) -> Iterator[str]:
    """A statement for each table and view that an account may read. Granting again changes nothing."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    database = inspect(connection).default_schema_name
    assert database is not None, "the URL names a database"
    for name in [*readable_tables(), *sorted(inspect(connection).get_view_names())]:
        yield f"GRANT SELECT ON {quote(database)}.{quote(name)} TO {_text(user)}@{_text(host)};"


def _text(value: str) -> str:
    """A literal, whatever sql_mode says of backslashes: names of accounts with one are refused before."""
    return "'" + value.replace("'", "''") + "'"
