"""Every way in which a record can be unfit, each with the judgement that a consumer has to reach.

A flaw is made from a sound event. Those of one field are found by the field's own type in the catalog (its
bounds, its length, its digits), so that a new stream's events are spoilt without another line here.

Not on the list, because Avro can't write it: a required field that is null or left out. The writer schema names
every field, so who leaves one out writes with another schema, whose fingerprint nobody knows (`field_left_out`).
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Meta

from stream import moments
from stream.declaration.persons import PersonKind
from stream.declaration.types import (
    AHEAD_MICROS_MAX,
    check_app_id_text,
    check_hash_id,
    check_text_id,
    items_of,
    meta_of,
    python_type_of,
)
from stream.errors import Reason
from stream.produce.encode import Encoder, written
from stream.produce.topics import Datum, Synthetic
from stream.produce.topics.declaration import unscaled
from stream.schemas.framing import CONFLUENT_MAGIC, SINGLE_OBJECT_MARKER

ID_MAX = 2**32 - 1
UNKNOWN_SCHEMA_ID = 2**31 - 1

YEAR_2999 = moments.to_micros(datetime(2999, 1, 1))
"""A moment ahead of every clock, so that the flaw does not depend on when it is published."""

NEVER = moments.to_micros(datetime(9999, 12, 31))
"""A date that people write for "never"."""

SOME_HASH = "0123456789abcdef" * 4

HUGE_CHARACTERS = 2 * 1024 * 1024

KEYS_OF_NOBODY = (
    b"7",
    b"app",
    b"app:",
    b"app:0",
    b"app:07",
    b"app:4294967296",
    b"app:" + b"7" * 5000,
    "app:٧".encode(),
    b"App:7",
    b"clerk:",
    b"clerk: user_2aB",
    b"clerk:" + b"x" * 257,
    b"telegram:-7",
    b"telegram:9223372036854775808",
    b"nobody:7",
    b"\xff:7",
)
"""Keys by which a tombstone erases no one."""

Schema = Any
NO_FIELD = ""


class Sound(NamedTuple):
    """The event that is about to be spoilt."""

    encoder: Encoder
    datum: Datum
    header: bytes
    strangers: Sequence[bytes]
    """Values of sound events of other topics."""

    @property
    def key(self) -> bytes:
        return self.encoder.key_of(self.datum)

    @property
    def value(self) -> bytes:
        return self.written_with(self.encoder.newest.plain)

    def written_with(self, schema: Schema, **changes: Any) -> bytes:
        """A value whose header names one schema and whose body follows another."""
        return written(self.header, schema, {**self.datum, **changes})


class Spoilt(NamedTuple):
    key: bytes | None
    value: bytes | None


Spoil = Callable[[Sound, str, Random], Spoilt]
Fields = Callable[[Synthetic], Sequence[str]]


@dataclass(frozen=True)
class Flaw:
    """One kind of broken record."""

    name: str
    reason: Reason
    spoil: Spoil
    """Sound event, the field to spoil (or NO_FIELD), chances → the broken record."""
    fields: Fields = lambda _: (NO_FIELD,)
    """The fields of a record that can have this flaw, or (NO_FIELD,); nothing where it can't."""
    is_field_known: bool = True
    """Whether a consumer can tell which field is at fault before the bytes turn out unfit."""
    is_huge: bool = False
    """Whether a broken record is so large that a single one for each record of the catalog is enough."""


# --- The fields that can have a flaw


def field_types(struct: type[msgspec.Struct]) -> dict[str, tuple[type, Meta]]:
    """The fields with bounds or a length: Python's type and what the catalog says of it."""
    bounded = {}
    for field in msgspec.structs.fields(struct):
        try:
            bounded[field.name] = (python_type_of(field.type), meta_of(field.type))
        except TypeError:  # event_id, whose rule is another
            continue
    return bounded


IsMeant = Callable[[type, Meta], bool]


def _where(is_meant: IsMeant) -> Fields:
    return lambda synthetic: [
        name for name, (kind, meta) in field_types(synthetic.route.event).items() if is_meant(kind, meta)
    ]


def _where_an_item(is_meant: IsMeant) -> Fields:
    """The lists of structs that have such a field; a consumer names the list."""
    return lambda synthetic: [
        name
        for name, item in items_of(synthetic.event).items()
        if any(is_meant(kind, meta) for kind, meta in field_types(item).values())
    ]


def _is_id(kind: type, meta: Meta) -> bool:
    return kind is int and meta.gt == 0


def _is_id_or_reference(kind: type, meta: Meta) -> bool:
    return kind is int and meta.le == ID_MAX


def _is_moment(_kind: type, meta: Meta) -> bool:
    return bool((meta.extra or {}).get("is_moment"))


def _is_coordinate(kind: type, meta: Meta) -> bool:
    return kind is float and meta.le is not None and meta.ge == -meta.le


def _is_other_number(kind: type, meta: Meta) -> bool:
    is_special = _is_id_or_reference(kind, meta) or _is_moment(kind, meta) or _is_coordinate(kind, meta)
    return meta.ge is not None and meta.le is not None and not is_special


def _is_float(kind: type, _meta: Meta) -> bool:
    return kind is float


def _is_text(kind: type, _meta: Meta) -> bool:
    return kind is str


def _has_length(kind: type, meta: Meta) -> bool:
    return kind is str and meta.max_length is not None


def _is_never_empty(kind: type, meta: Meta) -> bool:
    return kind is str and bool(meta.min_length)


def _is_never_empty_list(kind: type, meta: Meta) -> bool:
    return kind is list and bool(meta.min_length)


def _has_most_items(kind: type, meta: Meta) -> bool:
    return kind is list and meta.max_length is not None


def _is_json(_kind: type, meta: Meta) -> bool:
    return bool((meta.extra or {}).get("is_json"))


def _texts_that_must_say_something(synthetic: Synthetic) -> Sequence[str]:
    """An empty text stands for null where that is allowed."""
    names = _where(_is_never_empty)(synthetic)
    return [name for name in names if name not in synthetic.route.absent_where_empty]


def _text_ids(synthetic: Synthetic) -> Sequence[str]:
    return [name for name, check in synthetic.route.checks if check in (check_text_id, check_app_id_text)]


def _app_ids_as_text(synthetic: Synthetic) -> Sequence[str]:
    return [name for name, check in synthetic.route.checks if check is check_app_id_text]


def _hashes(synthetic: Synthetic) -> Sequence[str]:
    return [name for name, check in synthetic.route.checks if check is check_hash_id]


def _hashes_that_we_make(synthetic: Synthetic) -> Sequence[str]:
    """The hash of an event that names its person either by hash or by id."""
    return _hashes(synthetic) if synthetic.route.is_hashed else ()


def _business_times(synthetic: Synthetic) -> Sequence[str]:
    return synthetic.route.moments


def _decimals(synthetic: Synthetic) -> Sequence[str]:
    return [name for name, _ in synthetic.route.decimals]


def _nullables(synthetic: Synthetic) -> Sequence[str]:
    return [field.name for field in msgspec.structs.fields(synthetic.event) if type(None) in get_args(field.type)]


def _words(synthetic: Synthetic) -> Sequence[str]:
    """Fields that take one of a few words."""
    return _words_of(synthetic.event)


def _words_of(struct: type[msgspec.Struct]) -> Sequence[str]:
    fields = msgspec.structs.fields(struct)
    return [
        field.name
        for field in fields
        if any(get_origin(part) is Literal for part in (field.type, *get_args(field.type)))
    ]


def _words_of_items(synthetic: Synthetic) -> Sequence[str]:
    """Lists of structs that have such a field."""
    return [name for name, item in items_of(synthetic.event).items() if _words_of(item)]


def _first_of_several(synthetic: Synthetic) -> Sequence[str]:
    """The field that a consumer calls missing where none of several says anything."""
    return synthetic.event.one_of[:1]


def _only(*names: str) -> Fields:
    return lambda _synthetic: names


def _key_field(synthetic: Synthetic) -> Sequence[str]:
    return (synthetic.route.key,)


def _key_of_a_person(synthetic: Synthetic) -> Sequence[str]:
    """The key where it names a person with their kind, as those do that tombstones can have."""
    return _key_field(synthetic) if synthetic.stream.has_tombstones else ()


def _key_of_a_bare_id(synthetic: Synthetic) -> Sequence[str]:
    """The key where it is a person's id alone, or that of another entity of their topic."""
    return _key_field(synthetic) if synthetic.stream.keyed_by is not None else ()


def _no_field_with_tombstones(synthetic: Synthetic) -> Sequence[str]:
    return (NO_FIELD,) if synthetic.stream.has_tombstones else ()


def _no_field_without_tombstones(synthetic: Synthetic) -> Sequence[str]:
    return () if synthetic.stream.has_tombstones else (NO_FIELD,)


# --- A field with a value that its schema can write and its type forbids


def _field(value_for: Callable[[type, Meta], Any]) -> Spoil:
    """One field gets another value; the key goes along, so that nothing else is wrong."""

    def spoil(sound: Sound, field: str, _chance: Random) -> Spoilt:
        kind, meta = field_types(sound.encoder.synthetic.event).get(field, (str, Meta()))
        return _changed(sound, field, value_for(kind, meta))

    return spoil


def _in_an_item(is_meant: IsMeant, value_for: Callable[[type, Meta], Any]) -> Spoil:
    """One such field of one item gets another value."""

    def spoil(sound: Sound, field: str, chance: Random) -> Spoilt:
        types = field_types(items_of(sound.encoder.synthetic.event)[field])
        name = chance.choice([name for name, (kind, meta) in types.items() if is_meant(kind, meta)])
        return _with_spoilt_item(sound, field, chance, {name: value_for(*types[name])})

    return spoil


def _unknown_word_in_an_item(sound: Sound, field: str, chance: Random) -> Spoilt:
    name = chance.choice(_words_of(items_of(sound.encoder.synthetic.event)[field]))
    return _with_spoilt_item(sound, field, chance, {name: "neither"})


def _with_spoilt_item(sound: Sound, field: str, chance: Random, changes: Datum) -> Spoilt:
    items = list(sound.datum[field])
    place = chance.randrange(len(items))
    items[place] = {**items[place], **changes}
    return Spoilt(sound.key, sound.written_with(sound.encoder.newest.plain, **{field: items}))


def _too_many_items(sound: Sound, field: str, _chance: Random) -> Spoilt:
    _, meta = field_types(sound.encoder.synthetic.event)[field]
    items = [sound.datum[field][0]] * ((meta.max_length or 0) + 1)
    return Spoilt(sound.key, sound.written_with(sound.encoder.newest.plain, **{field: items}))


def _without_any(sound: Sound, _field: str, chance: Random) -> Spoilt:
    names = {name: chance.choice((None, "")) for name in sound.encoder.synthetic.event.one_of}
    return Spoilt(sound.key, sound.written_with(sound.encoder.newest.plain, **names))


def _always(value: Any) -> Spoil:
    return _field(lambda _kind, _meta: value)


def _above(kind: type, meta: Meta) -> int | float:
    limit = meta.le or 0
    return math.nextafter(limit, math.inf) if kind is float else int(limit) + 1


def _below(kind: type, meta: Meta) -> int | float:
    limit = meta.ge or 0
    return math.nextafter(limit, -math.inf) if kind is float else int(limit) - 1


def _too_long(_kind: type, meta: Meta) -> str:
    return "x" * ((meta.max_length or 0) + 1)


def _in_another_unit(micros: int) -> Spoil:
    """The field counts in another unit, of so many microseconds."""
    return lambda sound, field, _chance: _changed(sound, field, sound.datum["occurred_at"] // micros)


def _too_far_ahead(sound: Sound, field: str, _chance: Random) -> Spoilt:
    return _changed(sound, field, sound.datum["occurred_at"] + AHEAD_MICROS_MAX + 1)


def _changed(sound: Sound, field: str, value: Any) -> Spoilt:
    changed = sound._replace(datum={**sound.datum, field: value})
    return Spoilt(changed.key, changed.value)


def _huge(sound: Sound, field: str, _chance: Random) -> Spoilt:
    # The key stays: two megabytes in both would be more than a broker takes.
    return Spoilt(sound.key, sound.written_with(sound.encoder.newest.plain, **{field: "x" * HUGE_CHARACTERS}))


def _too_many_digits(sound: Sound, field: str, chance: Random) -> Spoilt:
    precision, _ = dict(sound.encoder.synthetic.route.decimals)[field]
    return _changed(sound, field, unscaled(chance.choice((1, -1)) * 10**precision))


def _named(user_id: str | None, hash_id: str | None) -> Spoil:
    """The person is named by id and hash, of which just one may be there."""

    def spoil(sound: Sound, field: str, _chance: Random) -> Spoilt:
        users = dict.fromkeys(_app_ids_as_text(sound.encoder.synthetic), user_id)
        return Spoilt(sound.key, sound.written_with(sound.encoder.newest.plain, **{**users, field: hash_id}))

    return spoil


# --- Bytes that are not what their header says


def _bytes(change: Callable[[Sound, Random], bytes | None]) -> Spoil:
    """Other bytes stand for the value; the key stays."""
    return lambda sound, _field, chance: Spoilt(sound.key, change(sound, chance))


def _cut(sound: Sound, chance: Random) -> bytes:
    value = sound.value
    return value[: chance.randrange(len(sound.header), len(value))]


def _with_more(sound: Sound, chance: Random) -> bytes:
    return sound.value + chance.randbytes(chance.randint(1, 8))


def _noise(_sound: Sound, chance: Random) -> bytes:
    # The first byte is neither Confluent's magic one nor that of the single-object marker.
    return bytes([chance.randrange(0x01, 0xC3)]) + chance.randbytes(chance.randrange(100))


def _json_text(sound: Sound, _chance: Random) -> bytes:
    return json.dumps({**sound.datum, "sent_as": "JSON"}, default=str).encode()


def _under_unknown_id(sound: Sound, _chance: Random) -> bytes:
    return CONFLUENT_MAGIC + UNKNOWN_SCHEMA_ID.to_bytes(4, "big") + sound.value[len(sound.header) :]


def _under_unknown_fingerprint(sound: Sound, chance: Random) -> bytes:
    return SINGLE_OBJECT_MARKER + chance.randbytes(8) + sound.value[len(sound.header) :]


def _by_newer_writer(sound: Sound, _chance: Random) -> bytes:
    fields = [*sound.encoder.newest.plain["fields"], {"name": "since_version_99", "type": "string"}]
    return _by_other_writer(sound, fields, since_version_99="what nobody here has heard of")


def _without_a_field(sound: Sound, _chance: Random) -> bytes:
    event_id, occurred_at, _entity, *others = sound.encoder.newest.plain["fields"]
    return _by_other_writer(sound, [event_id, occurred_at, *others])


def _by_other_writer(sound: Sound, fields: Sequence[Schema], **more: Any) -> bytes:
    """A value that names a writer schema which we don't have."""
    schema = _with_fields(sound.encoder.newest.plain, fields)
    digest = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return written(SINGLE_OBJECT_MARKER + bytes.fromhex(digest), schema, {**sound.datum, **more})


def _of_another_topic(sound: Sound, chance: Random) -> bytes:
    return chance.choice(sound.strangers)


def _invalid_text(sound: Sound, field: str, _chance: Random) -> Spoilt:
    # Avro writes bytes just as it writes text, so a schema that says bytes lets any through.
    schema = _with_field_type(sound.encoder.newest.plain, field, _text_as_bytes)
    texts = {field: b"caf\xe9"}  # Latin-1
    return Spoilt(sound.key, sound.written_with(schema, **texts))


def _wrong_branch(sound: Sound, field: str, _chance: Random) -> Spoilt:
    schema = _with_field_type(sound.encoder.newest.plain, field, lambda branches: [*branches, "boolean"])
    return Spoilt(sound.key, sound.written_with(schema, **{field: True}))


def _text_as_bytes(schema: Schema) -> Schema:
    if isinstance(schema, list):
        return [_text_as_bytes(branch) for branch in schema]
    return "bytes" if schema in ("string", {"type": "string"}) else schema


def _with_field_type(schema: Schema, name: str, change: Callable[[Schema], Schema]) -> Schema:
    fields = [
        {**field, "type": change(field["type"])} if field["name"] == name else field for field in schema["fields"]
    ]
    return _with_fields(schema, fields)


def _with_fields(schema: Schema, fields: Sequence[Schema]) -> Schema:
    """Another record of the same name, parsed anew."""
    return parse_schema({"type": "record", "name": schema["name"], "fields": list(fields)})


# --- Keys


def _key(change: Callable[[Sound], bytes | None]) -> Spoil:
    """The key becomes another; the value stays."""
    return lambda sound, _field, _chance: Spoilt(change(sound), sound.value)


def _key_as_long(sound: Sound) -> bytes:
    """The key as Kafka's LongSerializer writes a number; text is only turned round, behind a byte that it can't begin
    with."""
    return int(sound.key).to_bytes(8, "big") if sound.key.isdigit() else b"\0" + sound.key[::-1]


def _key_of_another_kind(sound: Sound) -> bytes:
    kind, _, person_id = sound.key.partition(b":")
    other = PersonKind.CLERK if kind.decode() == PersonKind.APP else PersonKind.APP
    return other.encode() + b":" + person_id


def _key_without_kind(sound: Sound) -> bytes:
    return sound.key.partition(b":")[2]


def _key_with_a_kind(sound: Sound) -> bytes:
    return PersonKind.APP.encode() + b":" + sound.key


def _tombstone_of_nobody(_sound: Sound, _field: str, chance: Random) -> Spoilt:
    return Spoilt(chance.choice(KEYS_OF_NOBODY), None)


FLAWS: tuple[Flaw, ...] = (
    # the bytes
    Flaw("null_value", Reason.EMPTY_VALUE, _bytes(lambda _sound, _chance: None), _no_field_without_tombstones),
    Flaw("empty_value", Reason.EMPTY_VALUE, _bytes(lambda _sound, _chance: b"")),
    Flaw("noise", Reason.UNKNOWN_FRAMING, _bytes(_noise)),
    Flaw("json_text", Reason.UNKNOWN_FRAMING, _bytes(_json_text)),
    Flaw("unknown_schema_id", Reason.UNKNOWN_SCHEMA, _bytes(_under_unknown_id)),
    Flaw("unknown_fingerprint", Reason.UNKNOWN_SCHEMA, _bytes(_under_unknown_fingerprint)),
    Flaw("newer_writer", Reason.UNKNOWN_SCHEMA, _bytes(_by_newer_writer)),
    Flaw("field_left_out", Reason.UNKNOWN_SCHEMA, _bytes(_without_a_field)),
    Flaw("record_of_another_topic", Reason.UNEXPECTED_RECORD, _bytes(_of_another_topic)),
    Flaw("truncated", Reason.TRUNCATED, _bytes(_cut)),
    Flaw("trailing_bytes", Reason.TRAILING_BYTES, _bytes(_with_more)),
    Flaw("invalid_utf8", Reason.INVALID_TEXT, _invalid_text, _where(_is_text), is_field_known=False),
    Flaw("wrong_union_branch", Reason.MALFORMED, _wrong_branch, _nullables, is_field_known=False),
    # the values
    Flaw("event_id_not_a_uuid", Reason.INVALID_VALUE, _always("not-a-uuid"), _only("event_id")),
    Flaw("id_zero", Reason.OUT_OF_RANGE, _always(0), _where(_is_id)),
    Flaw("id_negative", Reason.OUT_OF_RANGE, _always(-1), _where(_is_id_or_reference)),
    Flaw("id_overflowing", Reason.OUT_OF_RANGE, _field(_above), _where(_is_id_or_reference)),
    Flaw("date_too_early", Reason.BEFORE_2000, _field(_below), _where(_is_moment)),
    Flaw("date_in_milliseconds", Reason.BEFORE_2000, _in_another_unit(1000), _where(_is_moment)),
    Flaw("date_in_seconds", Reason.BEFORE_2000, _in_another_unit(1_000_000), _where(_is_moment)),
    Flaw("date_too_late", Reason.TOO_FAR_AHEAD, _field(_above), _where(_is_moment)),
    Flaw("date_of_never", Reason.TOO_FAR_AHEAD, _always(NEVER), _business_times),
    Flaw("date_ten_years_ahead", Reason.TOO_FAR_AHEAD, _too_far_ahead, _business_times),
    Flaw("coordinate_too_small", Reason.OUT_OF_RANGE, _field(_below), _where(_is_coordinate)),
    Flaw("coordinate_too_large", Reason.OUT_OF_RANGE, _field(_above), _where(_is_coordinate)),
    Flaw("number_too_small", Reason.OUT_OF_RANGE, _field(_below), _where(_is_other_number)),
    Flaw("number_too_large", Reason.OUT_OF_RANGE, _field(_above), _where(_is_other_number)),
    Flaw("not_a_number", Reason.OUT_OF_RANGE, _always(math.nan), _where(_is_float)),
    Flaw("infinite", Reason.OUT_OF_RANGE, _always(math.inf), _where(_is_float)),
    Flaw("decimal_too_large", Reason.OUT_OF_RANGE, _too_many_digits, _decimals),
    Flaw("text_too_long", Reason.TOO_LONG, _field(_too_long), _where(_has_length)),
    Flaw("two_megabytes", Reason.TOO_LONG, _huge, _where(_has_length), is_huge=True),
    Flaw("text_empty", Reason.TOO_SHORT, _always(""), _texts_that_must_say_something),
    Flaw("list_empty", Reason.TOO_SHORT, _always([]), _where(_is_never_empty_list)),
    Flaw("list_too_long", Reason.TOO_LONG, _too_many_items, _where(_has_most_items), is_huge=True),
    Flaw("item_id_zero", Reason.OUT_OF_RANGE, _in_an_item(_is_id, lambda *_: 0), _where_an_item(_is_id)),
    Flaw("item_date_too_early", Reason.BEFORE_2000, _in_an_item(_is_moment, _below), _where_an_item(_is_moment)),
    Flaw("item_date_too_late", Reason.TOO_FAR_AHEAD, _in_an_item(_is_moment, _above), _where_an_item(_is_moment)),
    Flaw(
        "item_date_of_never",
        Reason.TOO_FAR_AHEAD,
        _in_an_item(_is_moment, lambda *_: NEVER),
        _where_an_item(_is_moment),
    ),
    Flaw("item_word_not_in_the_list", Reason.INVALID_VALUE, _unknown_word_in_an_item, _words_of_items),
    Flaw("none_of_several", Reason.MISSING_FIELD, _without_any, _first_of_several),
    Flaw("text_with_spaces", Reason.INVALID_VALUE, _always(" x"), _text_ids),
    Flaw("text_with_nul", Reason.INVALID_VALUE, _always("x\x00x"), _text_ids),
    Flaw("app_id_with_leading_zero", Reason.INVALID_VALUE, _always("007"), _app_ids_as_text),
    Flaw("hash_in_capitals", Reason.INVALID_VALUE, _always(SOME_HASH.upper()), _hashes),
    Flaw("person_named_twice", Reason.INVALID_VALUE, _named("7", SOME_HASH), _hashes_that_we_make),
    Flaw("person_not_named", Reason.INVALID_VALUE, _named(None, None), _hashes_that_we_make),
    Flaw("word_not_in_the_list", Reason.INVALID_VALUE, _always("neither"), _words),
    Flaw("json_cut_short", Reason.INVALID_VALUE, _always('{"theme": '), _where(_is_json)),
    Flaw("json_of_another_shape", Reason.INVALID_VALUE, _always('[{"unheard": "of"}]'), _where(_is_json)),
    Flaw("from_the_future", Reason.FROM_THE_FUTURE, _always(YEAR_2999), _only("occurred_at")),
    # the key
    Flaw("no_key", Reason.MISSING_KEY, _key(lambda _: None)),
    Flaw("empty_key", Reason.MISSING_KEY, _key(lambda _: b"")),
    Flaw("other_key", Reason.KEY_MISMATCH, _key(lambda sound: sound.key + b"0"), _key_field),
    Flaw("key_as_long", Reason.KEY_MISMATCH, _key(_key_as_long), _key_field),
    Flaw("key_of_another_kind", Reason.KEY_MISMATCH, _key(_key_of_another_kind), _key_of_a_person),
    Flaw("key_without_kind", Reason.KEY_MISMATCH, _key(_key_without_kind), _key_of_a_person),
    Flaw("key_with_a_kind", Reason.KEY_MISMATCH, _key(_key_with_a_kind), _key_of_a_bare_id),
    Flaw("tombstone_of_nobody", Reason.INVALID_VALUE, _tombstone_of_nobody, _no_field_with_tombstones),
    Flaw(
        "tombstone_without_key",
        Reason.MISSING_KEY,
        lambda _sound, _field, _chance: Spoilt(None, None),
        _no_field_with_tombstones,
    ),
)
"""The list of all flaws, in the order of the stages that discover them."""
