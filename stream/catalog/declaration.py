"""What a topic's catalog file is written with: events, upserted tables, and the stream that joins them.

A column takes the event's attribute of its own name, unless `into` names another. So a value that is not simply
a field (the decimal text of a number, a default) is a property of the event, beside the fields it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Person:
    """Whose person a row is about."""

    kind: PersonKind
    column: str


def app(column_name: str) -> Person:
    """The person is the app user whose id, a number or its decimal text, is in this column."""
    return Person(PersonKind.APP, column_name)


class OnErasure(StrEnum):
    """What erasing a person does to a table's rows about them."""

    DELETE_ROW = "delete_row"


VERSION_COLUMNS = ("event_time", "event_id")
LINEAGE_COLUMNS = ("kafka_partition", "kafka_offset", "loaded_on")


def upserted_table(name: str, *columns: Column[Any], person: Person, on_erasure: OnErasure, comment: str) -> Table:
    """A table whose rows are upserted from events, with the columns that all of these tables share.

    `created_on` is the entity's own; `modified_on`, `event_time` and `event_id` are those of the event that last
    won. Only `loaded_on` tells the wall clock.
    """
    table = Table(
        name,
        METADATA,
        *columns,
        column("created_on", Micros, comment="when the entity came to be (UTC)"),
        column("modified_on", Micros, comment="when the event that last won occurred (UTC)"),
        column("event_time", Micros, comment="version: occurred_at of the event that last won"),
        Column("event_id", mysql.BINARY(16), nullable=False, comment="version: id of the event that last won"),
        Column("kafka_partition", mysql.INTEGER(unsigned=True), nullable=False, comment="where that event came from"),
        Column("kafka_offset", mysql.BIGINT(unsigned=True), nullable=False, comment="where that event came from"),
        column("loaded_on", Micros, comment="when the row was last written (UTC)"),
        comment=comment,
        info={"person": person, "on_erasure": on_erasure},
        **TABLE_OPTIONS,
    )
    index_person(table, person)
    return table


def index_person(table: Table, person: Person) -> None:
    """Index the person's column unless an index already begins with it: an erasure finds rows by it."""
    if not any(next(iter(index.columns)).name == person.column for index in table.indexes):
        Index(None, table.c[person.column])


@dataclass(frozen=True)
class Into:
    """A table that an event feeds, and the attributes that its columns take where the names differ."""

    table: Table
    sources: Mapping[str, str]


def into(table: Table, **sources: str) -> Into:
    """Feed `table`; each keyword names a column and the event's attribute that it takes.

    Without one a column takes the attribute of its own name; `created_on` takes `occurred_at` where the event has
    no field of that name, as becomes a fact that never changes.
    """
    return Into(table, sources)


@dataclass(frozen=True)
class Feed:
    """How events of one class become rows of one table."""

    table: Table
    columns: tuple[str, ...]
    """The table's columns in their order, without version and lineage, which every row has."""
    sources: tuple[str, ...]
    """For each column the event's attribute that it takes."""
    values: Callable[[Any], tuple[Any, ...]] = field(compare=False)
    """Event → the columns' values, in their order."""
    identity: Callable[[Any], Any] = field(compare=False)
    """Event → key and person. Of two events that share it, the newer supersedes the older."""


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

    @property
    def record_name(self) -> str:
        return self.event.__name__


@dataclass(frozen=True)
class Stream:
    """One topic: what it carries and what becomes of it."""

    topic: str
    key: str
    """The field that the Kafka key names; what must stay in order shares it."""
    routes: Mapping[type[Event], Sequence[Into]]
    partitions: int = 6
    retention_ms: int = 30 * 24 * 3600 * 1000
    max_message_bytes: int = 4 * 1024 * 1024
    """Room for a record that is far too large: it must reach the dead letters, not vanish at the producer."""

    @property
    def tables(self) -> list[Table]:
        """The tables that this topic feeds, each once, in the order of declaration."""
        return list({feed.table.name: feed.table for route in self.bound_routes for feed in route.feeds}.values())

    @cached_property
    def bound_routes(self) -> tuple[Route, ...]:
        return tuple(_route(event, targets, self.key) for event, targets in self.routes.items())


def _route(event: type[Event], targets: Sequence[Into], key: str) -> Route:
    return Route(
        event=event,
        feeds=tuple(_feed(event, target) for target in targets),
        key=key,
        checks=tuple(field_extras(event, "check")),
        decimals=tuple(field_extras(event, "digits")),
    )


def _feed(event: type[Event], target: Into) -> Feed:
    shared = {*VERSION_COLUMNS, *LINEAGE_COLUMNS}
    columns = tuple(one.name for one in target.table.columns if one.name not in shared)
    unknown = set(target.sources) - set(columns)
    if unknown:
        raise TypeError(f"into({target.table.name}) names columns that the table lacks: {sorted(unknown)}")
    sources = tuple(_source(event, target, name) for name in columns)
    by_column = dict(zip(columns, sources, strict=True))
    person: Person = target.table.info["person"]
    identity = dict.fromkeys([*(key.name for key in target.table.primary_key), person.column])
    return Feed(
        table=target.table,
        columns=columns,
        sources=sources,
        values=attrgetter(*sources),
        identity=attrgetter(*(by_column[name] for name in identity)),
    )


def _source(event: type[Event], target: Into, column_name: str) -> str:
    if column_name == "modified_on":
        return "occurred_at"
    source = target.sources.get(column_name, column_name)
    if hasattr(event, source):
        return source
    if column_name == "created_on":
        return "occurred_at"
    raise TypeError(f"{event.__name__} has no attribute {source!r} for {target.table.name}.{column_name}")
