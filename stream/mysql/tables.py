"""The tables as the server has them, compared with the declared ones.

A difference is harmful where a write could fail by it, or store something else than it says. What somebody adds for
purposes of their own (a table, an index, a column that may stay empty) is their business, and worth a remark at most.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, String, Table, bindparam, text

from stream.catalog import METADATA
from stream.declaration.tables import TABLE_OPTIONS, other_unique_columns
from stream.declaration.types import BINARY_COLLATION
from stream.errors import DatabaseUnavailable, Trouble

HARMLESS = {"modify_comment", "add_table_comment", "remove_table_comment"}
"""Differences of alembic's that change no row."""


ADDITIONS = {
    # Who adds one means to have records rejected by it.
    "a CHECK, {}, which rejects records": (
        "SELECT table_name, constraint_name FROM information_schema.table_constraints "
        "WHERE table_schema = DATABASE() AND constraint_type = 'CHECK' AND table_name IN :names"
    ),
    "a trigger, {}": (
        "SELECT event_object_table, trigger_name FROM information_schema.triggers "
        "WHERE event_object_schema = DATABASE() AND event_object_table IN :names"
    ),
}
"""The kinds of things that we declare none of, each with the query for a table's."""


class Difference(NamedTuple):
    """A way in which a table is not as declared."""

    text: str
    is_harmful: bool
    may_refuse: bool = False
    """Whether a row may be refused by it that the declared table takes."""


def differences(connection: Connection, names: Collection[str] = METADATA.tables.keys()) -> list[Difference]:
    """The differences of declared tables; those that nobody declared are left out."""
    return list(_differences(connection, names))


def harmful(connection: Connection) -> list[str]:
    """The differences that keep writes from being right."""
    return [difference.text for difference in differences(connection) if difference.is_harmful]


def require_declared(connection: Connection, tables: Sequence[Table]) -> None:
    """Raises DatabaseUnavailable where one of the tables may refuse what it takes as declared: then the record at hand
    is not at fault, and waits until somebody has changed the table back."""
    if any(difference.may_refuse for difference in _differences(connection, [table.name for table in tables])):
        raise DatabaseUnavailable(Trouble.TABLES_DIFFER, None)


def _differences(connection: Connection, names: Collection[str]) -> Iterator[Difference]:
    for compare in (_unique_indexes, _definitions, _engines, _collations, _additions):
        yield from compare(connection, names)


def _definitions(connection: Connection, names: Collection[str]) -> Iterator[Difference]:
    """Alembic's differences, without unique indexes that somebody added: it doesn't see those of expressions."""

    def is_asked_for(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name in names

    def is_compared(subject: Any, name: str | None, kind: str, is_stored: bool, other: Any) -> bool:
        is_added = is_stored and other is None
        return is_asked_for(name, kind, None) and not (is_added and kind == "index" and subject.unique)

    options = {"compare_type": True, "compare_server_default": True}
    filters = {"include_name": is_asked_for, "include_object": is_compared}
    context = MigrationContext.configure(connection, opts={**options, **filters})
    for each in compare_metadata(context, METADATA):
        yield Difference(_described(each), _is_harmful(each), _may_refuse(each))


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
        case ["remove_index", _]:
            return False
        case ["remove_column", _, _, column]:
            return not (column.nullable or column.server_default is not None or column.computed is not None)
        case ["modify_type", _, _, _, _, stored, declared]:
            return not _is_wider(stored, declared)
        case [action, *_]:
            return action not in HARMLESS
    return True


def _may_refuse(difference: Any) -> bool:
    match difference:
        case list():
            return any(map(_may_refuse, difference))
        case ["modify_nullable", _, _, _, _, is_nullable, _]:
            return not is_nullable
        case ["modify_type" | "remove_column" | "remove_fk", *_]:
            return _is_harmful(difference)
    return False


def _is_wider(stored: Any, declared: Any) -> bool:
    is_text = type(stored) is type(declared) and isinstance(stored, String)
    return is_text and (stored.length or 0) > (declared.length or 0)


def _unique_indexes(connection: Connection, names: Collection[str]) -> Iterator[Difference]:
    """Unique indexes that nobody declared: by them a row is refused, or meets another's. An index that has all columns
    of a declared one refuses nothing more."""
    query = (
        "SELECT table_name, index_name, column_name, sub_part FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() AND non_unique = 0 AND table_name IN :names"
    )
    indexes: dict[tuple[str, str], set[str]] = {}
    for table_name, index_name, column_name, length in _ask(connection, query, names):
        # Of a column's beginning, or of an expression, it is another rule than of the column.
        columns = indexes.setdefault((table_name, index_name), set())
        if column_name is not None and length is None:
            columns.add(column_name)
    for (table_name, index_name), columns in indexes.items():
        table = METADATA.tables[table_name]
        declared = [set(table.primary_key.columns.keys()), *({name} for name in other_unique_columns(table))]
        if columns not in declared:
            is_harmful = not any(unique <= columns for unique in declared)
            yield Difference(f"{table_name} has a unique index, {index_name}", is_harmful, is_harmful)


def _engines(connection: Connection, names: Collection[str]) -> Iterator[Difference]:
    query = (
        "SELECT table_name, engine FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_name IN :names"
    )
    for table_name, engine in _ask(connection, query, names):
        if (engine or "InnoDB").lower() != "innodb":
            yield Difference(f"{table_name} has engine {engine}, which has no transactions", is_harmful=True)


def _collations(connection: Connection, names: Collection[str]) -> Iterator[Difference]:
    """Text ids are compared as bytes: another collation would take two ids for one."""
    query = (
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND collation_name IS NOT NULL AND table_name IN :names"
    )
    for table_name, column_name, collation in _ask(connection, query, names):
        column = METADATA.tables[table_name].columns.get(column_name)
        if column is None or not isinstance(column.type, String) or collation == _collation(column):
            continue
        is_harmful = _collation(column) == BINARY_COLLATION or not collation.startswith("utf8mb4_")
        yield Difference(f"{column} has the collation {collation}, declared {_collation(column)}", is_harmful)


def _collation(column: Column[Any]) -> str:
    return str(getattr(column.type, "collation", None) or TABLE_OPTIONS["mysql_collate"])


def _additions(connection: Connection, names: Collection[str]) -> Iterator[Difference]:
    for addition, query in ADDITIONS.items():
        for table_name, name in _ask(connection, query, names):
            yield Difference(f"{table_name} has {addition.format(name)}", is_harmful=False)


def _ask(connection: Connection, query: str, names: Collection[str]) -> Iterator[Sequence[Any]]:
    yield from connection.execute(text(query).bindparams(bindparam("names", list(names), expanding=True)))
