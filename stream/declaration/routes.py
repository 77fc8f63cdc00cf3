"""Routes: what becomes of the events of one class.

A column takes the event's attribute of its own name, unless `into` names another. So a value that is not simply
a field (the decimal text of a number, a default) is a property of the event, beside the fields it comes from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, Self

import msgspec
from sqlalchemy import Table

from stream.declaration.events import Event, HashedEvent, PersonErased
from stream.declaration.persons import OnErasure, PersonKind
from stream.declaration.tables import (
    LINEAGE_COLUMNS,
    VERSION_COLUMNS,
    named_columns,
    persons_of,
    unstored_of,
    written_columns,
)
from stream.declaration.types import Rule, field_extras, is_absent_where_empty, items_of, meta_of
from stream.errors import DeclarationError


@dataclass(frozen=True)
class Into:
    """A table that an event feeds, and the attributes that its columns take where the names differ."""

    table: Table
    sources: Mapping[str, str]
    condition: str | None = None
    """The event's attribute that says whether there is a row at all."""
    items: str | None = None
    """The event's attribute that lists items, of which each is a row."""

    def where(self, attribute: str) -> Self:
        """Feed the table only where this attribute of the event is true."""
        return replace(self, condition=attribute)

    def each(self, attribute: str) -> Self:
        """Feed the table with a row for each item of this list; an item's attributes go before the event's."""
        return replace(self, items=attribute)


def into(table: Table, **sources: str) -> Into:
    """Feed `table`; each keyword names a column and the event's attribute that it takes. Where the event has no field
    `created_on`, that column takes `occurred_at`, as becomes a fact that never changes."""
    return Into(table, sources)


@dataclass(frozen=True)
class Erases:
    """The event erases a person: nothing personal of theirs is ever stored again, whatever comes later."""

    kind: PersonKind
    attribute: str
    """The event's attribute that is the person's id."""


erases = Erases


@dataclass(frozen=True)
class Admits:
    """The event says that an erased person is back and has agreed again: what occurs after it is stored."""

    kind: PersonKind
    attribute: str
    """The event's attribute that is the person's id."""


admits = Admits


@dataclass(frozen=True)
class Feed:
    """The way from events of one class to rows of one table."""

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
    named: tuple[tuple[str, str], ...] = ()
    """The columns that only events that name them change, each with the event's attribute: None where it doesn't."""
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
    checks: tuple[tuple[str, Rule], ...]
    """Fields with a check beyond type, range and length."""
    decimals: tuple[tuple[str, tuple[int, int]], ...]
    """Fields that are Avro decimals, each with precision and scale."""
    absent_where_empty: tuple[str, ...]
    """Fields in which an empty text means that there is no value, as null does."""
    items_max: Mapping[str, int]
    """Fields that are lists, each with the number of items that it may have."""
    moments: tuple[str, ...]
    """Fields that are business times."""
    moments_of_items: tuple[tuple[str, tuple[str, ...]], ...]
    """Fields that list items with business times, each with the names of these."""
    erases: Erases | None = None
    admits: Admits | None = None

    @cached_property  # asked for each record, and cheaper than isinstance there
    def is_hashed(self) -> bool:
        return issubclass(self.event, HashedEvent)

    @cached_property
    def events(self) -> Any:
        """The type of a list of the event."""
        return list[self.event]  # type: ignore[name-defined]

    @property
    def record_name(self) -> str:
        return self.event.__name__


def route_of(event: type[Event], targets: Sequence[Into | Erases | Admits], key: str) -> Route:
    """The route of a topic's events; `key` is the attribute that is the Kafka key. Raises DeclarationError for what
    can't be served."""
    _require_attribute(event, None if event is PersonErased else key)  # a tombstone's key is all that it has
    for target in targets:
        _require_attribute(event, None if isinstance(target, Into) else target.attribute)
    return Route(
        event=event,
        feeds=tuple(_feed(event, target) for target in targets if isinstance(target, Into)),
        key=key,
        checks=tuple(field_extras(event, "check")),
        decimals=tuple(field_extras(event, "digits")),
        absent_where_empty=tuple(
            each.name for each in msgspec.structs.fields(event) if is_absent_where_empty(each.type)
        ),
        items_max={name: _items_max(event, name) for name in items_of(event)},
        moments=tuple(name for name in _moments(event) if name != "occurred_at"),
        moments_of_items=tuple(
            (name, moments) for name, item in items_of(event).items() if (moments := _moments(item))
        ),
        erases=next((target for target in targets if isinstance(target, Erases)), None),
        admits=next((target for target in targets if isinstance(target, Admits)), None),
    )


def _require_attribute(event: type[Event], name: str | None) -> None:
    if name is not None and not hasattr(event, name):
        raise DeclarationError(f"{event.__name__} has no attribute {name!r}")


def _feed(event: type[Event], target: Into) -> Feed:
    shared = {*VERSION_COLUMNS, *LINEAGE_COLUMNS, "modified_on"}  # modified_on is event_time, by definition
    columns = tuple(column.name for column in written_columns(target.table) if column.name not in shared)
    unknown = set(target.sources) - set(columns)
    if unknown:
        raise DeclarationError(f"into({target.table.name}) names columns that the table lacks: {sorted(unknown)}")
    if target.items is not None and target.items not in items_of(event):
        raise DeclarationError(f"{event.__name__} has no list of structs {target.items!r} for {target.table.name}")
    if (target.items is None) is not (target.table.info["set_of"] is None):
        raise DeclarationError(f"into({target.table.name}): a set, and only a set, is fed by .each(…)")
    _require_attribute(event, target.condition)
    item = None if target.items is None else items_of(event)[target.items]
    sources = tuple(_source(event, item, target, name) for name in (*columns, *unstored_of(target.table)))
    source_of = dict(zip(columns, sources, strict=False))
    of_item = [f"item.{name}" if hasattr(item, name) else f"event.{name}" for name in sources]
    return Feed(
        table=target.table,
        columns=columns,
        sources=sources,
        values=attrgetter(*(sources if item is None else of_item)),
        identity=attrgetter(*_identity(target.table, source_of, item is not None)),
        named=tuple((name, source_of[name]) for name in named_columns(target.table)),
        condition=target.condition,
        items=target.items,
    )


def _identity(table: Table, source_of: Mapping[str, str], is_set: bool) -> Sequence[str]:
    """The attributes that make up a feed's identity."""
    key = [column.name for column in table.primary_key]
    if is_set:  # replaced as a whole: the newest event of the parent has all of it
        return [source_of[key[0]]]
    suppressing = [person.column for person in persons_of(table) if person.on_erasure is OnErasure.DELETE_ROW]
    return [source_of.get(name, name) for name in dict.fromkeys([*key, *suppressing])]


def _items_max(event: type[Event], name: str) -> int:
    (annotation,) = (each.type for each in msgspec.structs.fields(event) if each.name == name)
    items_max = meta_of(annotation).max_length if hasattr(annotation, "__metadata__") else None
    if items_max is None:
        raise DeclarationError(f"{event.__name__}.{name} is a list without a bound: say Meta(max_length=…)")
    return items_max


def _moments(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name, _ in field_extras(struct, "is_moment"))


def _source(event: type[Event], item: type[msgspec.Struct] | None, target: Into, column_name: str) -> str:
    source = target.sources.get(column_name, column_name)
    if hasattr(event, source) or hasattr(item, source):
        return source
    if column_name == "created_on":
        return "occurred_at"
    raise DeclarationError(f"{event.__name__} has no attribute {source!r} for {target.table.name}.{column_name}")
