"""What a topic's catalog file is written with: events, upserted tables, and the stream that joins them.

A column takes the event's attribute of its own name, unless `into` names another. So a value that is not simply
a field (the decimal text of a number, a default) is a property of the event, beside the fields it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, get_args, get_origin

import msgspec
from sqlalchemy import Column, Index, MetaData, Table
from sqlalchemy.dialects import mysql

from stream.declaration.types import Check, Micros, column, field_extras
from stream.errors import Reason, Rejection, Stage
from stream.hashing import Hasher

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

    one_of: ClassVar[Sequence[str]] = ()
    """The fields of which at least one has to say something; the first is called missing where none does."""

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
    """Which kind of id names a person."""

    APP = "app"
    CLERK = "clerk"
    TELEGRAM = "telegram"
    RESEARCH = "research"
    """A research participant's hash: another name of an app user, which only their erasure makes known."""


NAMED_KINDS = (PersonKind.APP, PersonKind.CLERK, PersonKind.TELEGRAM)
"""The kinds by which people and events name a person."""


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
    is_stored: bool = True
    """False where the id is an attribute of the events only, and no column keeps it."""

    @property
    def is_joined(self) -> bool:
        """Whether their erasure changes what is written; a row that keeps the bare id alone stays as it is."""
        return self.on_erasure is OnErasure.DELETE_ROW or bool(self.emptied)

    @property
    def keeps_bare_id(self) -> bool:
        """Whether their id stays in the row after their erasure, as ledgers want it."""
        return self.on_erasure is OnErasure.EMPTY_COLUMNS and self.is_stored and self.column not in self.emptied

    def unstored(self) -> Person:
        """The same person, whose id the events may have and no column keeps."""
        return replace(self, is_stored=False)

    def but_keep_row(self, *emptied: str) -> Person:
        """The same person, whose erasure empties these columns and keeps the row, with the bare id in it."""
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


def research(column_name: str) -> Person:
    """The research participant whose hash is in this column."""
    return Person(PersonKind.RESEARCH, column_name)


VERSION_COLUMNS = ("event_time", "event_id")
LINEAGE_COLUMNS = ("kafka_partition", "kafka_offset", "loaded_on")


def upserted_table(
    name: str,
    *parts: Column[Any] | Index,
    persons: Sequence[Person],
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
    """
    columns = [part for part in parts if isinstance(part, Column)]
    indexes = [part for part in parts if isinstance(part, Index)]
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
        *indexes,
        comment=comment,
        info={"persons": tuple(persons), "set_of": set_of, "business_time": business_time},
        **TABLE_OPTIONS,
    )
    for person in persons:
        if person.is_stored:
            index_person(table, person)
    return table


def persons_of(table: Table) -> tuple[Person, ...]:
    """The persons that an upserted table's rows are about; none for a table of another kind."""
    persons: tuple[Person, ...] = table.info.get("persons", ())
    return persons


def business_time_of(table: Table) -> Column[Any] | None:
    """The column whose date dashboards show the table's rows under; None where there is none."""
    name: str | None = table.info.get("business_time")
    return None if name is None else table.c[name]


@cache
def sets_of(table: Table) -> list[Table]:
    """The tables whose rows belong, as sets, to the rows of this one."""
    return [one for one in METADATA.tables.values() if one.info.get("set_of") is table]


def written_columns(table: Table) -> list[Column[Any]]:
    """The columns that rows carry; the others the server computes from these."""
    return [column for column in table.columns if column.computed is None]


@cache
def other_unique_columns(table: Table) -> tuple[str, ...]:
    """The columns that are unique besides the primary key."""
    return tuple(column.name for column in table.columns if column.unique)


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
    items: str | None = None
    """The event's attribute that lists items, of which each is a row."""

    def where(self, attribute: str) -> Into:
        """Feed the table only where this attribute of the event is true."""
        return replace(self, condition=attribute)

    def each(self, attribute: str) -> Into:
        """Feed the table with a row for each item of this list; an item's attributes go before the event's."""
        return replace(self, items=attribute)


def into(table: Table, **sources: str) -> Into:
    """Feed `table`; each keyword names a column and the event's attribute that it takes.

    Without one a column takes the attribute of its own name; `created_on` takes `occurred_at` where the event has
    no field of that name, as becomes a fact that never changes.
    """
    return Into(table, sources)


class HashedEvent(Event, dict=True, gc=True):
    """An event that names its person by a hash that we make: `seal` is called once its fields pass their rules."""

    def seal(self, hasher: Hasher) -> None:
        """Put the hash into its field. Raises Rejection where the event names its person wrongly."""
        raise NotImplementedError


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
    """Event → key (of a set: its parent's), and the persons whose erasure suppresses the row. Of two events that
    share both, the newer supersedes the older."""
    condition: str | None = None
    """The event's attribute that says whether there is a row at all."""
    items: str | None = None
    """The event's attribute that lists items, of which each is a row; then `values` takes an item and its event."""

    def item_values(self, event: Any) -> list[tuple[Any, ...]]:
        """The values of each item of an event that lists them."""
        assert self.items is not None
        return [self.values(_ItemOf(item, event)) for item in getattr(event, self.items)]


class _ItemOf(NamedTuple):
    item: Any
    event: Any


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
    def is_hashed(self) -> bool:
        return issubclass(self.event, HashedEvent)

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
    keyed_by: PersonKind | None = None
    """The kind of person whose bare id is the Kafka key, where it is."""
    has_hidden_values: bool = False
    """The values hold what may never be stored: dead letters keep coordinates only, and a redrive reads the log."""
    partitions: int = 6
    retention_ms: int = 30 * 24 * 3600 * 1000
    max_message_bytes: int = 4 * 1024 * 1024
    """Room for a record that is far too large: it must reach the dead letters, not vanish at the producer."""

    def __post_init__(self) -> None:
        # msgspec works a class out at its first use, and lets others see it half done meanwhile: two lanes that begin
        # with the same event end the process by signal 11. So it is done here, by whoever imports the catalog.
        for event in self.routes:
            msgspec.json.Decoder(event)

    def person_of_key(self, key: bytes) -> tuple[str, str] | None:
        """Kind and id of the person whom a record's key names; None where keys of this topic name no persons."""
        if self.keyed_by is not None:
            return self.keyed_by.value, key.decode(errors="replace")
        kind, _, person_id = key.decode(errors="replace").partition(":")
        return (kind, person_id) if self.has_tombstones else None

    def key_of_person(self, kind: PersonKind, person_id: str) -> bytes | None:
        """The key of the records about a person; None where this topic's keys do not name such persons."""
        if self.has_tombstones:
            return f"{kind}:{person_id}".encode()
        return person_id.encode() if self.keyed_by is kind else None

    @property
    def is_hashed(self) -> bool:
        """Whether the stream needs a key to make hashes with."""
        return any(route.is_hashed for route in self.bound_routes)

    @property
    def tables(self) -> list[Table]:
        """The tables that this topic feeds, each once, in the order of declaration."""
        return list({feed.table.name: feed.table for route in self.bound_routes for feed in route.feeds}.values())

    @cached_property
    def tombstone_routes(self) -> Mapping[PersonKind, Route]:
        """What becomes of records without a value, by the kind of person that their key names."""
        kinds = NAMED_KINDS if self.has_tombstones else ()
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
    columns = tuple(one.name for one in written_columns(target.table) if one.name not in shared)
    unknown = set(target.sources) - set(columns)
    if unknown:
        raise TypeError(f"into({target.table.name}) names columns that the table lacks: {sorted(unknown)}")
    item = None if target.items is None else _item_type(event, target.items)
    unstored = [one.column for one in persons_of(target.table) if not one.is_stored]
    sources = tuple(_source(event, item, target, name) for name in (*columns, *unstored))
    return Feed(
        table=target.table,
        columns=columns,
        sources=sources,
        values=attrgetter(*sources) if item is None else _item_values(item, sources),
        identity=attrgetter(*_identity(target.table, dict(zip(columns, sources, strict=False)), item is not None)),
        condition=target.condition,
        items=target.items,
    )


def _identity(table: Table, source_of: Mapping[str, str], is_set: bool) -> Sequence[str]:
    """The attributes that make up a feed's identity."""
    key = [one.name for one in table.primary_key]
    if is_set:  # replaced as a whole: the newest event of the parent has all of it
        return [source_of[key[0]]]
    suppressing = [one.column for one in persons_of(table) if one.on_erasure is OnErasure.DELETE_ROW]
    return [source_of.get(name, name) for name in dict.fromkeys([*key, *suppressing])]


def _item_type(event: type[Event], attribute: str) -> type[msgspec.Struct]:
    (listed,) = (one.type for one in msgspec.structs.fields(event) if one.name == attribute)
    while get_origin(listed) is not list:  # inside Annotated, for the length of the list
        listed = get_args(listed)[0]
    found: type[msgspec.Struct] = get_args(listed)[0]
    return found


def _item_values(item: type[msgspec.Struct], sources: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """`_ItemOf` → values, each of the one that has it."""
    return attrgetter(*(f"item.{name}" if hasattr(item, name) else f"event.{name}" for name in sources))


def _source(event: type[Event], item: type[msgspec.Struct] | None, target: Into, column_name: str) -> str:
    source = target.sources.get(column_name, column_name)
    if hasattr(event, source) or hasattr(item, source):
        return source
    if column_name == "created_on":
        return "occurred_at"
    raise TypeError(f"{event.__name__} has no attribute {source!r} for {target.table.name}.{column_name}")
