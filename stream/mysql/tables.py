"""The tables as the server has them, compared with the declared ones.

A difference is harmful where a write could fail by it, or store something else than it says. What somebody adds for
purposes of their own (a table, an index, a column that may stay empty) is their business, and worth a remark at most.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, String, text

from stream.catalog import METADATA
from stream.declaration.tables import TABLE_OPTIONS
from stream.declaration.types import BINARY_COLLATION

HARMLESS = {"modify_comment", "add_table_comment", "remove_table_comment"}
"""Differences of alembic's that change no row."""


class Difference(NamedTuple):
    """A way in which a table is not as declared."""

    text: str
    is_harmful: bool


def differences(connection: Connection) -> list[Difference]:
    """The differences of the declared tables; those that nobody declared are left out."""
    options = {"compare_type": True, "compare_server_default": True, "include_name": _is_declared}
    context = MigrationContext.configure(connection, opts=options)
    compared = [Difference(_described(each), _is_harmful(each)) for each in compare_metadata(context, METADATA)]
    return [*compared, *_engines(connection), *_collations(connection), *_triggers(connection)]


def harmful(connection: Connection) -> list[str]:
    """The differences that keep writes from being right."""
    return [difference.text for difference in differences(connection) if difference.is_harmful]


def _is_declared(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "table" or name in METADATA.tables


def _described(difference: Any) -> str:
    if isinstance(difference, list):  # changes of one column come as a list
        return "; ".join(map(_described, difference))
    action, *subject = difference
    names = [str(getattr(part, "name", part)) for part in subject if part is not None]
    return f"{action}: {' '.join(names)}"


def _is_harmful(difference: Any) -> bool:
    """Whether it is; what alembic would remove is what somebody added."""
    match difference:
        case list():
            return any(map(_is_harmful, difference))
        case ["remove_index", index]:
            return bool(index.unique)
        case ["remove_column", _, _, column]:
            return not (column.nullable or column.server_default is not None or column.computed is not None)
        case ["modify_type", _, _, _, _, stored, declared]:
            return not _is_wider(stored, declared)
        case [action, *_]:
            return action not in HARMLESS
    return True


def _is_wider(stored: Any, declared: Any) -> bool:
    is_text = type(stored) is type(declared) and isinstance(stored, String)
    return is_text and (stored.length or 0) > (declared.length or 0)


def _engines(connection: Connection) -> Iterator[Difference]:
    query = "SELECT table_name AS name, engine AS engine FROM information_schema.tables WHERE table_schema = DATABASE()"
    for row in connection.execute(text(query)):
        if row.name in METADATA.tables and (row.engine or "InnoDB").lower() != "innodb":
            yield Difference(f"{row.name} has engine {row.engine}, which has no transactions", is_harmful=True)


def _collations(connection: Connection) -> Iterator[Difference]:
    """Text ids are compared as bytes: another collation would take two ids for one."""
    query = (
        "SELECT table_name AS name, column_name AS column_name, collation_name AS collation "
        "FROM information_schema.columns WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
    )
    for row in connection.execute(text(query)):
        table = METADATA.tables.get(row.name)
        column = None if table is None else table.columns.get(row.column_name)
        if column is None or not isinstance(column.type, String) or row.collation == _collation(column):
            continue
        is_harmful = _collation(column) == BINARY_COLLATION or not row.collation.startswith("utf8mb4_")
        yield Difference(f"{column} has the collation {row.collation}, declared {_collation(column)}", is_harmful)


def _collation(column: Column[Any]) -> str:
    return str(getattr(column.type, "collation", None) or TABLE_OPTIONS["mysql_collate"])


def _triggers(connection: Connection) -> Iterator[Difference]:
    query = (
        "SELECT trigger_name AS name, event_object_table AS table_name FROM information_schema.triggers "
        "WHERE event_object_schema = DATABASE()"
    )
    for row in connection.execute(text(query)):
        if row.table_name in METADATA.tables:
            yield Difference(f"{row.table_name} has a trigger, {row.name}", is_harmful=False)
