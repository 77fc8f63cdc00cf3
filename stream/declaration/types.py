"""The types of fields: for each, what a producer may send and how MySQL keeps it, stated together and once.

A type is an annotation for the fields of an `Event`; `msgspec` checks its range and length. `tables.column` makes the
column of the same type, so that a width can't differ between the check and the table.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.inspect import is_struct_type
from sqlalchemy.dialects import mysql

from stream.moments import MICROS_MAX

BINARY_COLLATION = "utf8mb4_bin"
"""Compares ids as bytes: utf8mb4_unicode_ci would take user_2aB and user_2Ab for one."""

HASH_ID = re.compile(r"[0-9a-f]{64}")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_text_id(text: str) -> bool:
    """Whether `text` may name something: no spaces around it and no control characters (docs/events.md, "Ids")."""
    # isprintable() is a quick yes for nearly every id; the pattern decides about the rest.
    return text.strip() == text and (text.isprintable() or CONTROL_CHARACTERS.search(text) is None)


def check_app_id_text(text: str) -> bool:
    """Whether `text` may name an app user. Where it is digits only, it must be the one decimal text of a number.
    Erasing app user 7 looks for the text 7, and would not find 007 or Arabic digits."""
    return check_text_id(text) and (not text.isdecimal() or (text[0] != "0" and text.isascii()))


def check_hash_id(text: str) -> bool:
    """Whether `text` is the hex digits of a SHA-256, in lower case."""
    return HASH_ID.fullmatch(text) is not None


# Ids come from the events (never AUTO_INCREMENT, for which 0 would silently become another id).
EntityId = Annotated[int, Meta(gt=0, le=2**32 - 1, extra={"sql": mysql.INTEGER(unsigned=True)})]
"""A row's own key, or its person: greater than 0."""

TelegramId = Annotated[int, Meta(gt=0, le=2**63 - 1, extra={"sql": mysql.BIGINT(unsigned=True)})]
"""A Telegram user's id: greater than 0, and longer than 32 bits."""

ReferenceId = Annotated[int, Meta(ge=0, le=2**32 - 1, extra={"sql": mysql.INTEGER(unsigned=True)})]
"""Another entity's id; 0 where there is none."""

YEAR_2000 = 946_684_800_000_000
"""The earliest moment of an event, in microseconds since 1970. Milliseconds or seconds sent in their place would lie
in January 1970, and an update with such an `occurred_at` would lose against the stored row without a word."""

AHEAD_MICROS_MAX = 3653 * 24 * 3600 * 1_000_000
"""The most that a moment may lie after the `occurred_at` of its event: ten years, leap days included. Passes and tokens
don't run longer, and dates such as 9999-12-31, which people write for "never", would stretch every plot and sum."""

Micros = Annotated[int, Meta(ge=YEAR_2000, le=MICROS_MAX, extra={"sql": mysql.DATETIME(fsp=6), "is_moment": True})]
"""A moment, in microseconds since 1970, UTC; kept as DATETIME(6)."""

EventId = Annotated[str, Meta(extra={"sql": mysql.BINARY(16)})]
"""The hex digits of a UUID; kept as its bytes."""

NamedVersion = Annotated[str, Meta(extra={"sql": mysql.BINARY(24)})]
"""The version of a single value: eight bytes of its event's time and sixteen of its id, which compare as the pair
does."""

Probability = Annotated[float, Meta(ge=0, le=1, extra={"sql": mysql.DOUBLE(asdecimal=False)})]

Rating = Annotated[int, Meta(ge=1, le=5, extra={"sql": mysql.TINYINT(unsigned=True)})]

PaymentStatus = Annotated[int, Meta(ge=0, le=2, extra={"sql": mysql.TINYINT(unsigned=True)})]
"""The stage of a payment: 0 booked, 1 announced, 2 confirmed."""

Latitude = Annotated[float, Meta(ge=-90, le=90, extra={"sql": mysql.DOUBLE(asdecimal=False)})]
Longitude = Annotated[float, Meta(ge=-180, le=180, extra={"sql": mysql.DOUBLE(asdecimal=False)})]

# The bound is finite, so that an infinite distance is refused: DOUBLE can't hold one.
Metres = Annotated[float, Meta(ge=0, le=1e9, extra={"sql": mysql.DOUBLE(asdecimal=False)})]

Money = Annotated[Decimal, Meta(extra={"sql": mysql.DECIMAL(10, 2), "digits": (10, 2)})]
"""An amount with two decimals; Avro's decimal(10, 2)."""

Flag = Annotated[bool, Meta(extra={"sql": mysql.TINYINT(1)})]


def _text(length: int) -> Meta:
    return Meta(max_length=length, extra={"sql": mysql.VARCHAR(length)})


def _text_id(length: int, check: Callable[[str], bool] = check_text_id) -> Meta:
    sql = mysql.VARCHAR(length, collation=BINARY_COLLATION)
    return Meta(min_length=1, max_length=length, extra={"sql": sql, "check": check})


# Ids that are text: compared as bytes, never empty.
TextId16 = Annotated[str, _text_id(16)]
TextId32 = Annotated[str, _text_id(32)]
TextId45 = Annotated[str, _text_id(45)]
TextId64 = Annotated[str, _text_id(64)]
TextId256 = Annotated[str, _text_id(256)]
TextId512 = Annotated[str, _text_id(512)]

AppIdText = Annotated[str, _text_id(256, check_app_id_text)]
"""An app user's id as text, as the research platform keeps it."""

_HASH = mysql.VARCHAR(256, collation=BINARY_COLLATION)
HashId = Annotated[str, Meta(min_length=64, max_length=64, extra={"sql": _HASH, "check": check_hash_id})]
"""A research participant's hash; the column has the migration's width."""

Text32 = Annotated[str, _text(32)]
Text128 = Annotated[str, _text(128)]
Text200 = Annotated[str, _text(200)]
Text512 = Annotated[str, _text(512)]
Text1024 = Annotated[str, _text(1024)]
Text4096 = Annotated[str, _text(4096)]

TEXT_LENGTH_MAX = 16_000
"""In characters; TEXT holds as many even where each takes four bytes."""

LongText = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX, extra={"sql": mysql.TEXT()})]

JsonText = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX, extra={"sql": mysql.TEXT(), "is_json": True})]
"""JSON, kept as text: QuickSight doesn't read JSON columns."""


def json_text(value: Any) -> str:
    """A value as JSON, in the form of `JsonText`."""
    return msgspec.json.encode(value).decode()


def meta_of(annotation: Any) -> Meta:
    """The `Meta` of a type of this file, also where it is `… | None`. Raises TypeError for one that has none."""
    for part in (annotation, *get_args(annotation)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, Meta):
                return meta
    raise TypeError(f"{annotation} is not a type of stream/declaration/types.py")


def python_type_of(annotation: Any) -> Any:
    """`float` for `Annotated[float, …] | None`, `list` for a list. Raises TypeError for what is not annotated."""
    for part in (annotation, *get_args(annotation)):
        if hasattr(part, "__metadata__"):
            return get_origin(part.__origin__) or part.__origin__
    raise TypeError(f"{annotation} is not annotated")


def extra_of(annotation: Any) -> dict[str, Any]:
    """The facts of a type beyond msgspec's own checks: `sql`, and `check` or `digits` where it has them."""
    return dict(meta_of(annotation).extra or {})


def field_extras(event: type[msgspec.Struct], name: str) -> list[tuple[str, Any]]:
    """The fields of `event` whose type carries `extra[name]`, each with that value, in the order of declaration."""
    extras = []
    for field in msgspec.structs.fields(event):
        try:
            extra = extra_of(field.type)
        except TypeError:
            continue
        if name in extra:
            extras.append((field.name, extra[name]))
    return extras


def words_of(annotation: Any) -> tuple[str, ...]:
    """The words of which a field takes one; none for a field of another kind."""
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is Literal:
            return get_args(part)
    return ()


def is_absent_where_empty(annotation: Any) -> bool:
    """Whether an empty text in a field means that the field has no value: it is optional, and names something or is one
    of a few words, which no empty text is."""
    if type(None) not in get_args(annotation):
        return False
    return bool(words_of(annotation)) or (python_type_of(annotation) is str and bool(meta_of(annotation).min_length))


def items_of(struct: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The fields of `struct` that list structs, each with the struct that it lists."""
    items = {}
    for field in msgspec.structs.fields(struct):
        listed = get_args(field.type)[0] if hasattr(field.type, "__metadata__") else field.type
        if get_origin(listed) is list and is_struct_type(get_args(listed)[0]):
            items[field.name] = get_args(listed)[0]
    return items


Rule = Callable[[Any], bool]
"""Whether a value that has the right type, range and length may be so."""
