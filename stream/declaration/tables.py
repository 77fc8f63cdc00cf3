"""Tables whose rows are upserted from events: the columns that all of them share, and what else is known of them."""

from collections.abc import Sequence
from functools import cache
from typing import Any, get_args

from sqlalchemy import Column, Index, MetaData, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

from stream.declaration.persons import RETURNING_KINDS, OnErasure, PersonColumn
from stream.declaration.types import EventId, Micros, NamedVersion, extra_of
from stream.errors import DeclarationError

# Constraints have names that migrations can rely on.
_BY_COLUMNS = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in ("ix", "uq", "fk")}
METADATA = MetaData(naming_convention={**_BY_COLUMNS, "ck": "ck_%(table_name)s_%(constraint_name)s"})

TABLE_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}

VERSION_COLUMNS = ("event_time", "event_id")
LINEAGE_COLUMNS = ("kafka_partition", "kafka_offset", "loaded_on")


def column(name: str, annotation: Any, *constraints: SchemaItem, **options: Any) -> Column[Any]:
    """A column for values of `annotation`; NOT NULL unless the annotation allows None."""
    nullable = type(None) in get_args(annotation)
    sql = extra_of(annotation)["sql"]
    return Column(name, sql, *constraints, nullable=nullable, **{"autoincrement": False, **options})


def named(name: str, annotation: Any, *, otherwise: str, comment: str) -> tuple[Column[Any], Column[Any]]:
    """A column that only events that name it change, and its version: an event in which it is None leaves it as it is,
    whichever comes first. It is `otherwise` where no event names it."""
    return (
        column(name, annotation, comment=comment, info={"otherwise": otherwise}),
        column(_version_of(name), NamedVersion, comment=f"version: of the event that last named {name}; 0 for none"),
    )


def _version_of(name: str) -> str:
    return f"{name}_version"


def upserted_table(
    name: str,
    *parts: Column[Any] | Index,
    persons: Sequence[PersonColumn],
    comment: str,
    set_of: Table | None = None,
    business_time: str | None = None,
    owner: tuple[str, str] | None = None,
) -> Table:
    """A table whose rows are upserted from events, with the columns that all of these tables share.

    `created_on` is the entity's own; `modified_on`, `event_time` and `event_id` are those of the event that last
    won. Only `loaded_on` tells the wall clock. A table without a key of its own is a history: each event is a row.

    The rows of a `set_of` another table belong to a version of their parent there, whom a foreign key names: they
    are replaced as a set, and go with it.

    `business_time` names the column whose date dashboards show the row under, where there is one.

    `owner` names the column whose first value keeps the row, and the events' attribute that lists, with commas, all the
    values by which that column may name the same: an event under the row's key whose list lacks the stored value is a
    conflict, be it newer or older.

    Raises DeclarationError for a table that writes can't serve.
    """
    if any(person.on_erasure is OnErasure.EMPTY_COLUMNS and person.kind in RETURNING_KINDS for person in persons):
        # What an erasure emptied the same event can't fill again.
        raise DeclarationError(f"{name} keeps rows of persons who may come back: their erasure must delete the row")
    columns = [part for part in parts if isinstance(part, Column)]
    key = [column.name for column in columns if column.primary_key]
    for index in (part for part in parts if isinstance(part, Index) and part.unique):
        raise DeclarationError(f"{name}: instead of the unique index {index.name} say unique=True of its one column")
    if any("otherwise" in column.info for column in columns) and (business_time is not None or set_of is not None):
        # Late changes and sets go by the version of the whole row, which says nothing of such a column's.
        raise DeclarationError(f"{name} has a business time or is a set: each column must be of the row's version")
    if any(column.unique for column in columns):
        _require_found_by_key(name, "a unique column", columns)
    if business_time is not None:
        _require_business_time(name, business_time, columns)
    if set_of is not None:
        _require_set(name, set_of, columns)
    _require_persons(name, persons, columns)
    table = Table(
        name,
        METADATA,
        *columns,
        column("created_on", Micros, comment="when the entity came to be (UTC)"),
        column("modified_on", Micros, comment="when the event that last won occurred (UTC)"),
        column("event_time", Micros, comment="version: occurred_at of the event that last won"),
        column("event_id", EventId, primary_key=not key, comment="version: id of the event that last won"),
        Column("kafka_partition", mysql.INTEGER(unsigned=True), nullable=False, comment="where that event came from"),
        Column("kafka_offset", mysql.BIGINT(unsigned=True), nullable=False, comment="where that event came from"),
        column("loaded_on", Micros, comment="when the row was last written (UTC)"),
        *(part for part in parts if isinstance(part, Index)),
        comment=comment,
        info={"persons": tuple(persons), "set_of": set_of, "business_time": business_time, "owner": owner},
        **TABLE_OPTIONS,
    )
    for person in persons:  # an erasure finds rows by it
        leading = [next(iter(table.primary_key)), *(next(iter(index.columns)) for index in table.indexes)]
        if person.is_stored and person.column not in {column.name for column in leading}:
            Index(None, table.c[person.column])
    return table


def _require_found_by_key(name: str, why: str, columns: Sequence[Column[Any]], *, is_history_fit: bool = False) -> None:
    """Raises DeclarationError where writes can't look for stored rows by their key: one column, sent as it is kept.
    They do so before they overwrite rows that have a business time, after rows that another unique column may refuse,
    and for the parents of sets."""
    key = [column for column in columns if column.primary_key]
    if not key and is_history_fit:  # a history's rows are never overwritten, so nobody looks for them
        return
    if len(key) != 1 or isinstance(key[0].type, mysql.DATETIME | mysql.BINARY):
        names = [column.name for column in key]
        raise DeclarationError(f"{name} has {why}: its key must be one column, a number or a text, not {names}")


def _require_business_time(name: str, business_time: str, columns: Sequence[Column[Any]]) -> None:
    _require_found_by_key(name, "a business time", columns, is_history_fit=True)
    if business_time in ("created_on", "modified_on", "event_time"):  # every table has these
        return
    own = next((column for column in columns if column.name == business_time), None)
    if own is None or not isinstance(own.type, mysql.DATETIME) or own.nullable or own.computed is not None:
        raise DeclarationError(f"{name}: its business time, {business_time}, must be a column of moments, never null")


def _require_set(name: str, parent: Table, columns: Sequence[Column[Any]]) -> None:
    key = [column for column in columns if column.primary_key]
    links = [link.target_fullname for column in columns for link in column.foreign_keys]
    parent_key = [f"{parent.name}.{column.name}" for column in parent.primary_key]
    _require_found_by_key(parent.name, f"the set {name}", list(parent.columns))
    if len(key) < 2 or links != parent_key or not key[0].foreign_keys:
        raise DeclarationError(
            f"{name} is a set of {parent.name}: its key must begin with its one foreign key, {parent_key[0]}"
        )


def _require_persons(name: str, persons: Sequence[PersonColumn], columns: Sequence[Column[Any]]) -> None:
    names = {column.name for column in columns}
    needed = {each for person in persons for each in (person.column, *person.emptied) if person.is_stored}
    if needed - names:
        raise DeclarationError(f"{name} tells of persons in columns that it lacks: {sorted(needed - names)}")
    fixed = {column.name for column in columns if column.primary_key or not column.nullable}
    emptied = {each for person in persons for each in person.emptied}
    if emptied & fixed:
        raise DeclarationError(f"{name} can't empty columns that are never null: {sorted(emptied & fixed)}")


def persons_of(table: Table) -> tuple[PersonColumn, ...]:
    """The persons that an upserted table's rows are about; none for a table of another kind."""
    persons: tuple[PersonColumn, ...] = table.info.get("persons", ())
    return persons


def owner_of(table: Table) -> tuple[str, str] | None:
    """The column whose first value keeps a row, and the attribute that lists what names the same; None without one."""
    owner: tuple[str, str] | None = table.info.get("owner")
    return owner


def unstored_of(table: Table) -> list[str]:
    """The attributes of events that rows carry and no column keeps."""
    persons = [person.column for person in persons_of(table) if not person.is_stored]
    owner = owner_of(table)
    return persons if owner is None else [*persons, owner[1]]


def business_time_of(table: Table) -> Column[Any] | None:
    """The column whose date dashboards show the table's rows under; None where there is none."""
    name: str | None = table.info.get("business_time")
    return None if name is None else table.c[name]


@cache
def named_columns(table: Table) -> dict[str, str]:
    """The columns that only events that name them change, each with its version column."""
    return {column.name: _version_of(column.name) for column in table.columns if "otherwise" in column.info}


@cache
def guards_of(table: Table) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """The versions in a row, each with the columns that go by it: that of the row, and those of its named columns."""
    named = named_columns(table)
    besides = {*table.primary_key.columns.keys(), *VERSION_COLUMNS, *LINEAGE_COLUMNS, *named}
    own = tuple(column.name for column in written_columns(table) if column.name not in besides)
    return (VERSION_COLUMNS, own), *(((version,), (name,)) for name, version in named.items())


@cache
def sets_of(table: Table) -> list[Table]:
    """The tables whose rows belong, as sets, to the rows of this one."""
    return [each for each in METADATA.tables.values() if each.info.get("set_of") is table]


def written_columns(table: Table) -> list[Column[Any]]:
    """The columns that rows carry; the others the server computes from these."""
    versions = named_columns(table).values()
    return [column for column in table.columns if column.computed is None and column.name not in versions]


def is_claiming(table: Table) -> bool:
    """Whether a row may claim what another row has: then the order in which rows come counts."""
    return owner_of(table) is not None or bool(other_unique_columns(table))


@cache
def other_unique_columns(table: Table) -> tuple[str, ...]:
    """The columns that are unique besides the primary key."""
    return tuple(column.name for column in table.columns if column.unique)
