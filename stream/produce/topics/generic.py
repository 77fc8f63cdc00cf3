"""Events of a record that no file here tells of: values that its fields' types allow, about the town's riders.

So a new stream can be produced as soon as its catalog file is there. Types don't say what belongs together and when
it happens: a file of the topic's own tells that better, and takes this one's place.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple, get_args

import msgspec

from stream.declaration.persons import PersonKind
from stream.declaration.routes import Route
from stream.declaration.tables import other_unique_columns, persons_of
from stream.declaration.types import check_hash_id, extra_of, meta_of, python_type_of, words_of
from stream.errors import ConfigurationError, Reason, Rejection
from stream.hashing import Hasher
from stream.produce.accounts import DAY, HOUR, RETURN_AFTER
from stream.produce.riders import Rider, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic, unscaled
from stream.records import Record
from stream.stages.validate import validate

TOLD_SHARE = 0.2
"""The share of a day's riders who tell such an event."""

NULL_SHARE = 0.2

SPREAD = 100
"""The range of a number, from the least that is allowed upwards: few numbers are large."""

CENTS_MAX = 5000

TRIES_MAX = 100
"""The limit of draws for an event that rules beyond its types refuse: each draw takes some microseconds."""

ANY_HASHER = Hasher((b"whatever this is, it is only tried",))


class Moment(NamedTuple):
    """A rider who tells an event, and the moment."""

    rider: Rider
    occurred_at: int
    chance: Random
    ids: Iterator[int]


@dataclass(frozen=True)
class Roles:
    """The meaning of an event's attributes to its tables."""

    persons: Mapping[str, PersonKind]
    names: frozenset[str]
    """Attributes that name entities: each event is about an entity of its own."""


class _Untold(Exception):
    """This rider has nothing to tell: there is no account of the kind that is needed."""


def generic(route: Route) -> Synthetic:
    """The recipe for the events of a route, made from their types alone."""
    roles = _roles(route)

    def tell(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
        occurred_at = _when(route, day, chance)
        if occurred_at is not None:
            try:
                yield _fit(route, roles, Moment(day.rider, occurred_at, chance, ids))
            except _Untold:
                return

    return Synthetic(route.event, tell=tell, earlier=_earlier(route, roles))


def _roles(route: Route) -> Roles:
    persons: dict[str, PersonKind] = {}
    names = {route.key}
    for feed in route.feeds:
        source_of = dict(zip(feed.columns, feed.sources, strict=False))
        unique = [*(column.name for column in feed.table.primary_key), *other_unique_columns(feed.table)]
        names |= {source_of[name] for name in unique if name in source_of}
        persons |= {source_of.get(person.column, person.column): person.kind for person in persons_of(feed.table)}
    for about in (route.erases, route.admits):
        if about is not None:
            persons[about.attribute] = about.kind
    return Roles(persons, frozenset(names - persons.keys()))


def _when(route: Route, day: RiderDay, chance: Random) -> int | None:
    """The moment of this day at which the event is told; None where it isn't."""
    farewell = day.rider.account.farewell
    if route.erases is not None:
        is_theirs = farewell is not None and farewell.kind is route.erases.kind and day.has(farewell.occurs_on)
        return farewell.occurs_on if farewell is not None and is_theirs else None
    if route.admits is not None:
        is_theirs = farewell is not None and farewell.kind is route.admits.kind
        return day.midnight + RETURN_AFTER if is_theirs and day.follows_farewell_of(day.rider.account) else None
    return day.midnight + int(chance.random() * DAY) if chance.random() < TOLD_SHARE else None


def _fit(route: Route, roles: Roles, moment: Moment) -> Datum:
    """An event that passes the route's rules.

    Raises ConfigurationError where no draw passes.
    """
    for _ in range(TRIES_MAX):
        datum = {"occurred_at": moment.occurred_at, **_struct(route.event, roles, moment)}
        if _is_fit(datum, route):
            return datum
    raise ConfigurationError(
        f"{route.record_name} has rules that its types don't tell: tell of it in a file of stream/produce/topics/"
    )


def _is_fit(datum: Datum, route: Route) -> bool:
    """Whether the datum is right but for the key, which is judged last and isn't there."""
    whole = {"event_id": "00000000-0000-4000-a000-000000000000", **datum}
    try:
        validate(whole, Record(0, datum["occurred_at"] // 1000, None, b""), route, ANY_HASHER)
    except Rejection as rejection:
        return rejection.reason is Reason.MISSING_KEY
    return True


# --- Values


def _struct(kind: type[msgspec.Struct], roles: Roles, moment: Moment) -> Datum:
    return {
        field.name: _value(field.name, field.type, roles, moment)
        for field in msgspec.structs.fields(kind)
        if field.name not in ("event_id", "occurred_at")
    }


def _value(name: str, annotation: Any, roles: Roles, moment: Moment) -> Any:
    is_nullable = type(None) in get_args(annotation)
    if is_nullable and moment.chance.random() < NULL_SHARE:
        return None
    if words := words_of(annotation):
        return moment.chance.choice(words)
    kind = python_type_of(annotation)
    if name in roles.persons and roles.persons[name] is not PersonKind.RESEARCH:
        return _person(roles.persons[name], kind, moment, is_nullable=is_nullable)
    if name in roles.names:
        number = next(moment.ids)
        return number if kind is int else f"{name}-{number}"
    if kind is list:
        return _list(name, annotation, roles, moment)
    return MAKERS[kind](name, annotation, moment)


def _person(kind: PersonKind, python_type: type, moment: Moment, *, is_nullable: bool) -> Any:
    account = moment.rider.account
    person_id = {
        PersonKind.APP: moment.rider.rider_id,
        PersonKind.CLERK: account.clerk_id,
        PersonKind.TELEGRAM: account.telegram_id,
    }[kind]
    if person_id is None and not is_nullable:
        raise _Untold
    return person_id if person_id is None or python_type is int else str(person_id)


def _list(name: str, annotation: Any, roles: Roles, moment: Moment) -> list[Any]:
    listed = next(part for part in (annotation, *get_args(annotation)) if hasattr(part, "__metadata__")).__origin__
    (item,) = get_args(listed)
    is_struct = isinstance(item, type) and issubclass(item, msgspec.Struct)
    count = max(1, meta_of(annotation).min_length or 0)
    return [_struct(item, roles, moment) if is_struct else _value(name, item, roles, moment) for _ in range(count)]


def _bounds(annotation: Any) -> tuple[float, float]:
    meta = meta_of(annotation)
    low = meta.ge if meta.ge is not None else (meta.gt or 0) + 1
    return low, meta.le if meta.le is not None else low + SPREAD


def _integer(_name: str, annotation: Any, moment: Moment) -> int:
    low, high = _bounds(annotation)
    if extra_of(annotation).get("is_moment"):
        return max(int(low), moment.occurred_at - int(moment.chance.random() * HOUR))
    return moment.chance.randint(int(low), int(min(high, low + SPREAD)))


def _real(_name: str, annotation: Any, moment: Moment) -> float:
    low, high = _bounds(annotation)
    home = moment.rider.home
    if low == -high:  # degrees; the greater ones are those of longitude
        return home.latitude if high == 90 else home.longitude
    return min(high, round(low + moment.chance.random() * min(high - low, SPREAD), 6))


def _amount(_name: str, annotation: Any, moment: Moment) -> bytes:
    precision, _scale = extra_of(annotation)["digits"]
    return unscaled(moment.chance.randint(1, min(10**precision - 1, CENTS_MAX)))


def _flag(_name: str, _annotation: Any, moment: Moment) -> bool:
    return moment.chance.random() < 0.5


def _text(name: str, annotation: Any, moment: Moment) -> str:
    extra, meta = extra_of(annotation), meta_of(annotation)
    if extra.get("check") is check_hash_id:
        return sha256(moment.chance.randbytes(8)).hexdigest()
    if extra.get("is_json"):
        return "{}"
    text = f"{name}-{moment.chance.randrange(SPREAD)}"
    return text.ljust(meta.min_length or 0, "x")[: meta.max_length]


MAKERS: Mapping[type, Callable[[str, Any, Moment], Any]] = {
    bool: _flag,
    int: _integer,
    float: _real,
    Decimal: _amount,
    str: _text,
}


# --- What was said before


def _earlier(route: Route, roles: Roles) -> Callable[[Datum], Datum] | None:
    """The function that makes a datum older: one field that names nothing and nobody gets another value."""
    if route.erases is not None or route.admits is not None:
        return None
    fixed = {"event_id", "occurred_at", *roles.names, *roles.persons}
    free = [field for field in msgspec.structs.fields(route.event) if field.name not in fixed]
    others = {field.name: other for field in free if (other := _other_value(field.type))}
    return (lambda datum: _first_fit(datum, others, route)) if others else None


def _first_fit(datum: Datum, others: Mapping[str, Callable[[Any], Any]], route: Route) -> Datum:
    """The datum with another value in the first field that may have one, or unchanged where rules forbid all of
    them."""
    changed = ({**datum, name: other(datum[name])} for name, other in others.items())
    return next((older for older in changed if _is_fit(older, route)), datum)


def _other_value(annotation: Any) -> Callable[[Any], Any] | None:
    """A field's value → another that its type allows; None where this can't be said of the type."""
    if words := words_of(annotation):
        return (
            (lambda value: words[words.index(value) - 1])
            if len(words) > 1 and type(None) not in get_args(annotation)
            else None
        )
    kind = python_type_of(annotation)
    if kind is bool:
        return lambda value: not value
    if kind in (int, float):
        low, high = _bounds(annotation)
        other = math.floor(min(low + SPREAD + 1, high))
        return lambda value: kind(low) if value == other else kind(other)
    if kind is str and not {"check", "is_json"} & extra_of(annotation).keys():
        text = "said before"[: meta_of(annotation).max_length]
        return lambda _value: text
    return None
