"""Unique indexes that nobody declared: by them a row is refused, or meets another's, through no fault of its own."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Table, bindparam, text

from stream.declaration.tables import other_unique_columns
from stream.errors import DatabaseUnavailable, Trouble

QUERY = text(
    "SELECT table_name, index_name, column_name, sub_part FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() AND non_unique = 0 AND table_name IN :names"
).bindparams(bindparam("names", expanding=True))


def require_declared(connection: Connection, tables: Sequence[Table]) -> None:
    """Raises DatabaseUnavailable where one of the tables has a unique index that may refuse what the declared ones let
    pass: then the record at hand is not at fault, and waits until the index is gone."""
    names = [table.name for table in tables]
    indexes: dict[tuple[str, str], set[str]] = {}
    for table_name, index_name, column_name, length in connection.execute(QUERY, {"names": names}):
        # Of a column's beginning, or of an expression, it is another rule than of the column.
        columns = indexes.setdefault((table_name, index_name), set())
        if column_name is not None and length is None:
            columns.add(column_name)
    declared = {table.name: _unique_columns(table) for table in tables}
    if any(not any(unique <= columns for unique in declared[name]) for (name, _), columns in indexes.items()):
        raise DatabaseUnavailable(Trouble.TABLES_DIFFER, None)


def _unique_columns(table: Table) -> Iterable[set[str]]:
    return [set(table.primary_key.columns.keys()), *({name} for name in other_unique_columns(table))]
