"""What a topic's catalog file is written with: events, upserted tables, and the stream that joins them.

A column takes the event's attribute of its own name, unless `into` names another. So a value that is not simply
a field (the decimal text of a number, a default) is a property of the event, beside the fields it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Column, Index, MetaData, Table
from sqlalchemy.dialects import mysql

from stream.catalog.types import Check, Micros, column, field_extras
from stream.errors import Reason, Rejection, Stage

METADATA = MetaData(
    # Constraints have names that migrations can rely on.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

TABLE_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}


class Event(msgspec.Struct, kw_only=True, gc=False):
    """What every event begins with. It carries the whole state of its entity at `occurred_at`, never a difference."""

    event_id: str
    """A UUID on the wire; after construction its 32 lower-case hex digits, which compare as its bytes do."""
    occurred_at: Micros

    def __post_init__(self) -> None:
        self.event_id = uuid_digits(self.event_id)

    @property
    def version(self) -> tuple[int, str]:
        """Which of two events of one key is newer: the greater pair wins."""
        return (self.occurred_at, self.event_id)


def uuid_digits(text: str) -> str:
    """The 32 lower-case hex digits of a UUID in its usual form of 36 characters.

    Raises Rejection where it is not one.
    """
    digits = text.replace("-", "")
    if len(text) == 36 and len(digits) == 32 and text[8] == text[13] == text[18] == text[23] == "-":
        try:
            # fromhex is the quickest check, but skips spaces: then the result is shorter than 16 bytes.
            raw = bytes.fromhex(digits)
        except ValueError:
            raw = b""
        if len(raw) == 16:
            return raw.hex()
    raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "event_id")


class PersonKind(StrEnum):
    """Which of the three kinds of id names a person."""

    APP = "app"
    CLERK = "clerk"
    TELEGRAM = "telegram"


class OnErasure(StrEnum):
    """What erasing a person does to a row about them."""

    DELETE_ROW = "delete_row"
    EMPTY_COLUMNS = "empty_columns"


@dataclass(frozen=True)
class Person:
    """One of the persons that a table's rows are about, and what their erasure does to a row."""

    kind: PersonKind
    column: str
    on_erasure: OnErasure = OnErasure.DELETE_ROW
    emptied: tuple[str, ...] = ()
    """The columns that become NULL where the row is kept."""

    def but_keep_row(self, *emptied: str) -> Person:
        """The same person, whose erasure empties these columns and keeps the row."""
        return replace(self, on_erasure=OnErasure.EMPTY_COLUMNS, emptied=emptied)


def app(column_name: str) -> Person:
    """The app user whose id, a number or its decimal text, is in this column."""
    return Person(PersonKind.APP, column_name)


def clerk(column_name: str) -> Person:
    """The holder of the Clerk account whose id is in this column."""
    return Person(PersonKind.CLERK, column_name)


def telegram(column_name: str) -> Person:
    """The Telegram user whose id is in this column."""
    return Person(PersonKind.TELEGRAM, column_name)


VERSION_COLUMNS = ("event_time", "event_id")
LINEAGE_COLUMNS = ("kafka_partition", "kafka_offset", "loaded_on")


def upserted_table(name: str, *columns: Column[Any], persons: Sequence[Person], comment: str) -> Table:
    """A table whose rows are upserted from events, with the columns that all of these tables share.

    `created_on` is the entity's own; `modified_on`, `event_time` and `event_id` are those of the event that last
    won. Only `loaded_on` tells the wall clock. A table without a key of its own is a history: each event is a row.
    """
    is_history = not any(one.primary_key for one in columns)
    table = Table(
        name,
        METADATA,
        *columns,
        column("created_on", Micros, comment="when the entity came to be (UTC)"),
        column("modified_on", Micros, comment="when the event that last won occurred (UTC)"),
        column("event_time", Micros, comment="version: occurred_at of the event that last won"),
        Column(
            "event_id",
            mysql.BINARY(16),
            nullable=False,
            primary_key=is_history,
            comment="version: id of the event that last won",
        ),
        Column("kafka_partition", mysql.INTEGER(unsigned=True), nullable=False, comment="where that event came from"),
        Column("kafka_offset", mysql.BIGINT(unsigned=True), nullable=False, comment="where that event came from"),
        column("loaded_on", Micros, comment="when the row was last written (UTC)"),
        comment=comment,
        info={"persons": tuple(persons)},
        **TABLE_OPTIONS,
    )
    for person in persons:
        index_person(table, person)
    return table


def persons_of(table: Table) -> tuple[Person, ...]:
    """The persons that an upserted table's rows are about; none for a table of another kind."""
    persons: tuple[Person, ...] = table.info.get("persons", ())
    return persons


def index_person(table: Table, person: Person) -> None:
    """Index the person's column unless an index or the key already begins with it: an erasure finds rows by it."""
    leading = [next(iter(index.columns)).name for index in table.indexes]
    leading.append(next(iter(table.primary_key.columns)).name)
    if person.column not in leading:
        Index(None, table.c[person.column])


@dataclass(frozen=True)
class Into:
    """A table that an event feeds, and the attributes that its columns take where the names differ."""

    table: Table
    sources: Mapping[str, str]
    condition: str | None = None
    """The event's attribute that says whether there is a row at all."""

    def where(self, attribute: str) -> Into:
        """Feed the table only where this attribute of the event is true."""
        return replace(self, condition=attribute)


def into(table: Table, **sources: str) -> Into:
    """Feed `table`; each keyword names a column and the event's attribute that it takes.

    Without one a column takes the attribute of its own name; `created_on` takes `occurred_at` where the event has
    no field of that name, as becomes a fact that never changes.
    """
    return Into(table, sources)


class PersonErased(Event):
    """What a tombstone says: the person whom its key names is to be forgotten."""

    person_id: str


@dataclass(frozen=True)
class Erases:
    """The event erases a person: nothing personal of theirs is ever stored again, whatever comes later."""

    kind: PersonKind
    attribute: str
    """The event's attribute that is the person's id."""


def erases(kind: PersonKind, attribute: str) -> Erases:
    """The event erases the person of this kind whose id is in this attribute."""
    return Erases(kind, attribute)


@dataclass(frozen=True)
class Feed:
    """How events of one class become rows of one table."""

    table: Table
    columns: tuple[str, ...]
    """The table's own columns in their order, without those that every row has."""
    sources: tuple[str, ...]
    """For each column the event's attribute that it takes."""
    values: Callable[[Any], tuple[Any, ...]] = field(compare=False)
    """Event → the columns' values, in their order."""
    identity: Callable[[Any], Any] = field(compare=False)
    """Event → key, and the persons whose erasure suppresses the row. Of two events that share both, the newer
    supersedes the older."""
    condition: str | None = None
    """The event's attribute that says whether there is a row at all."""


@dataclass(frozen=True)
class Route:
    """All that happens to events of one class."""

    event: type[Event]
    feeds: tuple[Feed, ...]
    key: str
    """The attribute that the Kafka key must name."""
    checks: tuple[tuple[str, Check], ...]
    """Fields with a check beyond type, range and length."""
    decimals: tuple[tuple[str, tuple[int, int]], ...]
    """Fields that are Avro decimals, each with precision and scale."""
    erases: Erases | None = None

    @property
    def record_name(self) -> str:
        return self.event.__name__


@dataclass(frozen=True)
class Stream:
    """One topic: what it carries and what becomes of it."""

    topic: str
    key: str
    """The attribute that the Kafka key names; what must stay in order shares it."""
    routes: Mapping[type[Event], Sequence[Into | Erases]]
    has_tombstones: bool = False
    """A record without a value erases the person that its key names, as `app:7` does."""
    partitions: int = 6
    retention_ms: int = 30 * 24 * 3600 * 1000
    max_message_bytes: int = 4 * 1024 * 1024
    """Room for a record that is far too large: it must reach the dead letters, not vanish at the producer."""

    @property
    def tables(self) -> list[Table]:
        """The tables that this topic feeds, each once, in the order of declaration."""
        return list({feed.table.name: feed.table for route in self.bound_routes for feed in route.feeds}.values())

    @cached_property
    def tombstone_routes(self) -> Mapping[PersonKind, Route]:
        """What becomes of records without a value, by the kind of person that their key names."""
        kinds = PersonKind if self.has_tombstones else ()
        return {kind: _route(PersonErased, [Erases(kind, "person_id")], self.key) for kind in kinds}

    @cached_property
    def bound_routes(self) -> tuple[Route, ...]:
        return tuple(_route(event, targets, self.key) for event, targets in self.routes.items())


def _route(event: type[Event], targets: Sequence[Into | Erases], key: str) -> Route:
    return Route(
        event=event,
        feeds=tuple(_feed(event, target) for target in targets if isinstance(target, Into)),
        key=key,
        checks=tuple(field_extras(event, "check")),
        decimals=tuple(field_extras(event, "digits")),
        erases=next((target for target in targets if isinstance(target, Erases)), None),
    )


def _feed(event: type[Event], target: Into) -> Feed:
    shared = {*VERSION_COLUMNS, *LINEAGE_COLUMNS, "modified_on"}  # modified_on is event_time, by definition
    columns = tuple(one.name for one in target.table.columns if one.name not in shared)
    unknown = set(target.sources) - set(columns)
    if unknown:
        raise TypeError(f"into({target.table.name}) names columns that the table lacks: {sorted(unknown)}")
    sources = tuple(_source(event, target, name) for name in columns)
    by_column = dict(zip(columns, sources, strict=True))
    suppressing = [one.column for one in persons_of(target.table) if one.on_erasure is OnErasure.DELETE_ROW]
    identity = dict.fromkeys([*(key.name for key in target.table.primary_key), *suppressing])
    return Feed(
        table=target.table,
        columns=columns,
        sources=sources,
        values=attrgetter(*sources),
        identity=attrgetter(*(by_column.get(name, name) for name in identity)),
        condition=target.condition,
    )


def _source(event: type[Event], target: Into, column_name: str) -> str:
    source = target.sources.get(column_name, column_name)
    if hasattr(event, source):
        return source
    if column_name == "created_on":
        return "occurred_at"
    raise TypeError(f"{event.__name__} has no attribute {source!r} for {target.table.name}.{column_name}")
