"""Tables whose rows are upserted from events: the columns that all of them share, and what else is known of them."""

from collections.abc import Sequence
from functools import cache
from typing import Any, get_args

from sqlalchemy import Column, Index, MetaData, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

from stream.declaration.persons import RETURNING_KINDS, OnErasure, PersonColumn
from stream.declaration.types import EventId, Micros, extra_of

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


def upserted_table(
    name: str,
    *parts: Column[Any] | Index,
    persons: Sequence[PersonColumn],
    comment: str,
    set_of: Table | None = None,
    business_time: str | None = None,
) -> Table:
    """A table whose rows are upserted from events, with the columns that all of these tables share.

    `created_on` is the entity's own; `modified_on`, `event_time` and `event_id` are those of the event that last
    won. Only `loaded_on` tells the wall clock. A table without a key of its own is a history: each event is a row.

    The rows of a `set_of` another table belong to a version of their parent there, whom a foreign key names: they
    are replaced as a set, and go with it.

    `business_time` names the column whose date dashboards show the row under, where there is one.

    Raises TypeError for a table that writes can't serve: before they overwrite rows that have a business time, and
    after rows that another unique column may refuse, they look for the stored ones by a key of one column. And what an
    erasure emptied can't be filled again by the same event, once the person has come back.
    """
    if any(person.on_erasure is OnErasure.EMPTY_COLUMNS and person.kind in RETURNING_KINDS for person in persons):
        raise TypeError(f"{name} keeps rows of persons who may come back: their erasure must delete the row")
    columns = [part for part in parts if isinstance(part, Column)]
    key = [column.name for column in columns if column.primary_key]
    if len(key) > 1 and (business_time is not None or any(column.unique for column in columns)):
        raise TypeError(f"{name} has a business time or a unique column: its key must be one column, not {key}")
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
        info={"persons": tuple(persons), "set_of": set_of, "business_time": business_time},
        **TABLE_OPTIONS,
    )
    for person in persons:  # an erasure finds rows by it
        leading = [next(iter(table.primary_key)), *(next(iter(index.columns)) for index in table.indexes)]
        if person.is_stored and person.column not in {column.name for column in leading}:
            Index(None, table.c[person.column])
    return table


def persons_of(table: Table) -> tuple[PersonColumn, ...]:
    """The persons that an upserted table's rows are about; none for a table of another kind."""
    persons: tuple[PersonColumn, ...] = table.info.get("persons", ())
    return persons


def business_time_of(table: Table) -> Column[Any] | None:
    """The column whose date dashboards show the table's rows under; None where there is none."""
    name: str | None = table.info.get("business_time")
    return None if name is None else table.c[name]


@cache
def sets_of(table: Table) -> list[Table]:
    """The tables whose rows belong, as sets, to the rows of this one."""
    return [each for each in METADATA.tables.values() if each.info.get("set_of") is table]


def written_columns(table: Table) -> list[Column[Any]]:
    """The columns that rows carry; the others the server computes from these."""
    return [column for column in table.columns if column.computed is None]


@cache
def other_unique_columns(table: Table) -> tuple[str, ...]:
    """The columns that are unique besides the primary key."""
    return tuple(column.name for column in table.columns if column.unique)
