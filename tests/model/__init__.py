"""The rules of docs/events.md and of each topic's page once more: records in, expected rows and dead letters out.

Written without the code that it judges: nothing of `stream` is imported, the bytes are read by `tests.avro`, and
every limit is stated again. So the product and this model agree only where both read the specification alike.
What is particular to a topic is in `topics/`, one file each, found by looking.
"""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests import avro
from tests.model import topics
from tests.model.declaration import Event, Fault, PersonName, Row, TableModel, TopicModel
from tests.model.rules import ID_MAX, MICROS_MAX, MOMENT, TELEGRAM_ID_MAX, TEN_YEARS, moment, text_id
from tests.model.topics.user_lifecycle import PERSON_FIELDS, person_of

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
DAY_MICROS = 24 * 60 * 60 * 1_000_000

PERSONS_TOPIC = "user.lifecycle"
TOMBSTONE = "tombstone"
ERASING = ("AppUserDeleted", "UserDeleted", "TelegramUserDeleted", TOMBSTONE)
RETURNING = "TelegramUserReturned"


def _find_topics() -> dict[str, TopicModel]:
    names = [module.name for module in pkgutil.iter_modules(topics.__path__)]
    models: list[TopicModel] = [importlib.import_module(f"{topics.__name__}.{name}").TOPIC for name in names]
    return {model.topic: model for model in models}


RECORD_BYTES_MAX = 4 * 1024 * 1024
"""Of a value; beyond it nothing but the coordinates is kept."""

TOPICS = _find_topics()
RULES = {name: rules for model in TOPICS.values() for name, rules in model.rules.items()}
TABLES = {name: table for model in TOPICS.values() for name, table in model.tables.items()}


class LogRecord(NamedTuple):
    """A record as it lies in the log."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def coordinates(self) -> Coordinates:
        return Coordinates(self.topic, self.partition, self.offset)


class Coordinates(NamedTuple):
    topic: str
    partition: int
    offset: int


class Unfit(Exception):
    """A record with its faults; several may be there at once, and the product names one."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.faults = frozenset(faults)


# --- From records to events


@cache
def _writers() -> dict[bytes, tuple[str, str, Any]]:
    """By what stands before a datum: topic, record name and writer schema."""
    writers: dict[bytes, tuple[str, str, Any]] = {}
    for path in SCHEMAS.glob("*/*.avsc"):
        schema = json.loads(path.read_text())
        ids: dict[str, str] = json.loads(path.with_name("ids.json").read_text())
        known = (path.parent.name, schema["name"], schema)
        digest = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        writers[b"\xc3\x01" + bytes.fromhex(digest)] = known
        for schema_id, name in ids.items():
            if name == path.name:
                writers[b"\x00" + int(schema_id).to_bytes(4, "big")] = known
    return writers


def read_event(record: LogRecord) -> tuple[str, Event]:
    """The record's name and its event, null where it stands for a default.

    A tombstone has a name of its own. Raises Unfit, and avro.Tolerated where decoders may differ.
    """
    if record.value is None and record.topic == PERSONS_TOPIC:
        return TOMBSTONE, _read_tombstone(record)
    name, event = _read_datum(record.topic, record.value)
    faults = [
        Fault(reason, field)
        for field, rule in RULES[name].items()
        if event[field] is not None and (reason := rule(event[field]))
    ]
    faults += TOPICS[record.topic].judge(name, event)
    faults += [
        Fault("too_far_ahead", field)
        for field, rule in RULES[name].items()
        if rule is MOMENT and event[field] is not None and event[field] > event["occurred_at"] + TEN_YEARS
    ]
    if event["occurred_at"] > record.timestamp_ms * 1000 + DAY_MICROS:
        faults.append(Fault("from_the_future", "occurred_at"))
    key, key_name = TOPICS[record.topic].key(event)
    if not record.key:
        faults.append(Fault("missing_key"))
    elif record.key != key.encode():
        faults.append(Fault("key_mismatch", key_name))
    if faults:
        raise Unfit(*faults)
    return name, event


def _read_tombstone(record: LogRecord) -> Event:
    """Whom the key names, in the field that an event would have, and when."""
    if not record.key:
        raise Unfit(Fault("missing_key"))
    try:
        kind, colon, person_id = record.key.decode().partition(":")
    except UnicodeDecodeError:
        raise Unfit(Fault("invalid_value")) from None
    if kind == "clerk":
        is_fit = text_id(256)(person_id) is None
    else:
        greatest = {"app": ID_MAX, "telegram": TELEGRAM_ID_MAX}.get(kind, 0)
        is_fit = re.fullmatch("[1-9][0-9]{0,18}", person_id) is not None and int(person_id) <= greatest
    if not colon or not is_fit:
        raise Unfit(Fault("invalid_value"))
    occurred_at = min(max(record.timestamp_ms * 1000, 0), MICROS_MAX)
    return {"occurred_at": occurred_at, PERSON_FIELDS[kind]: person_id}


def with_defaults(name: str, event: Event) -> Event:
    """The event with what null stands for."""
    (model,) = (model for model in TOPICS.values() if name in model.rules)
    return model.completed(name, event)


def _read_datum(topic: str, value: bytes | None) -> tuple[str, Event]:
    if not value:
        raise Unfit(Fault("empty_value"))
    if len(value) > RECORD_BYTES_MAX:
        raise Unfit(Fault("too_large"))
    length = 10 if value.startswith(b"\xc3\x01") else 5 if value.startswith(b"\x00") else 0
    if not length:
        raise Unfit(Fault("unknown_framing"))
    if len(value) < length:
        raise Unfit(Fault("truncated"))
    if value[:length] not in _writers():
        raise Unfit(Fault("unknown_schema"))
    writer_topic, name, schema = _writers()[value[:length]]
    if writer_topic != topic:
        raise Unfit(Fault("unexpected_record"))
    content = avro.Bytes(value[length:])
    try:
        datum: Event = avro.read(schema, content)
    except avro.Unreadable as error:
        raise Unfit(Fault(error.args[0])) from None
    if content.position != len(content.content):
        raise Unfit(Fault("trailing_bytes"))
    # An older writer's datum lacks the fields that came later; all of them may be null.
    event = {**dict.fromkeys(RULES[name]), **datum}
    return name, {field: None if _is_absent(name, schema, field, value) else value for field, value in event.items()}


def _is_absent(name: str, schema: Any, field: str, value: Any) -> bool:
    """Whether this is an empty text in a field that may be null and not empty."""
    types = {each["name"]: each["type"] for each in schema["fields"]}
    return value == "" and isinstance(types[field], list) and RULES[name][field](value) is not None


# --- From events to tables


@dataclass
class Expected:
    """The tables after these records, whatever happened on the way."""

    tables: dict[str, dict[Key, Row]] = field(default_factory=dict)
    """By table and primary key."""
    undecided: dict[str, dict[Key, list[Row]]] = field(default_factory=dict)
    """Keys under which a person wrote who is erased by these records, or perhaps is, and others as well: what an
    erased row had overwritten may come back or not, as the order has it. Any of these rows will do, and none."""
    erased: dict[PersonName, datetime | None] = field(default_factory=dict)
    """The erased persons, with the latest of the moments; None for those who were erased before."""
    returned: dict[PersonName, datetime] = field(default_factory=dict)
    """Those of them who came back, with the first moment of that after their erasure."""
    dead_letters: dict[Coordinates, frozenset[Fault]] = field(default_factory=dict)
    maybe_erased: set[PersonName] = field(default_factory=set)
    """Other names of who is erased. Only a look at the tables tells which of them are needed, so it depends on the
    moment which of them are marked, and which rows under them are gone."""
    emptied_letters: set[Coordinates] = field(default_factory=set)
    """Those of dead_letters under an erased person's key: where and why is kept, and nothing else."""
    hidden_letters: set[Coordinates] = field(default_factory=set)
    """Those of topics whose values are never stored: likewise."""
    event_ids: dict[Coordinates, bytes] = field(default_factory=dict)
    """Of each sound record: where a row says it came from must be one of these with the row's event id."""

    def is_gone(self, person: PersonName | None, at: datetime) -> bool:
        """Whether nothing of the person as of then may be there."""
        return person in self.erased and not (person in self.returned and at > self.returned[person])


Key = tuple[Any, ...]


def expect(records: Iterable[LogRecord], erased: Mapping[str, Iterable[str]] | None = None) -> Expected:
    """Apply the rules to records; `erased` has the ids as text, by kind (`app`), of those who were erased before.

    Who is erased anywhere in the records is erased for all of them: it absorbs what came before and what comes after;
    but for what occurred after the first return that follows the latest erasure.
    """
    before = {PersonName(kind, person_id) for kind, ids in (erased or {}).items() for person_id in ids}
    expected = Expected(tables={name: {} for name in TABLES}, erased=dict.fromkeys(before))
    sound: list[tuple[str, Event, bytes]] = []
    broken: list[LogRecord] = []
    returns: dict[PersonName, list[datetime]] = {}
    for record in records:
        try:
            name, event = read_event(record)
        except Unfit as error:
            expected.dead_letters[record.coordinates] = error.faults
            broken.append(record)
            continue
        if name in ERASING:
            _erase(expected, person_of(event), event["occurred_at"], before)
        if name == RETURNING:
            returns.setdefault(person_of(event), []).append(_at(event["occurred_at"]))
        if name != TOMBSTONE:
            event_id = bytes.fromhex(event["event_id"].replace("-", ""))
            expected.event_ids[record.coordinates] = event_id
            sound.append((name, with_defaults(name, event), event_id))
    for person, moments in returns.items():
        later = [at for at in moments if (erased_on := expected.erased.get(person)) and at > erased_on]
        if later:
            expected.returned[person] = min(later)
    expected.maybe_erased = _other_names(expected.erased, sound) - expected.erased.keys()
    expected.emptied_letters = {
        record.coordinates for record in broken if expected.is_gone(named_by(record), _at(record.timestamp_ms * 1000))
    }
    expected.hidden_letters = {
        record.coordinates
        for record in broken
        if TOPICS[record.topic].hides_values or len(record.value or b"") > RECORD_BYTES_MAX
    }
    for table_name, table in TABLES.items():
        candidates = _candidates(table, sound, before)
        expected.tables[table_name], expected.undecided[table_name] = _settled(table, candidates, expected)
    return expected


def _other_names(persons: Iterable[PersonName], sound: Iterable[tuple[str, Event, bytes]]) -> set[PersonName]:
    told: dict[str, list[Event]] = {}
    for name, event, _ in sound:
        told.setdefault(name, []).append(event)
    return {
        other
        for model in TOPICS.values()
        for person in persons
        for other in model.other_names(person, [event for name in model.rules for event in told.get(name, ())])
    }


def _erase(expected: Expected, person: PersonName, micros: int, before: set[PersonName]) -> None:
    erased_on, other = _at(micros), expected.erased.get(person)
    if person not in before:
        expected.erased[person] = max(erased_on, other or erased_on)


def _at(micros: int) -> datetime:
    at = moment(min(max(micros, 0), MICROS_MAX))
    assert at is not None
    return at


def named_by(record: LogRecord) -> PersonName | None:
    """Whom the record's key names."""
    key = (record.key or b"").decode(errors="replace")
    keyed_by = TOPICS[record.topic].keyed_by
    if _record_name(record) in TOPICS[record.topic].keyed_otherwise:
        return None
    if keyed_by is not None:
        return PersonName(keyed_by, key)
    kind, _, person_id = key.partition(":")
    return PersonName(kind, person_id) if record.topic == PERSONS_TOPIC else None


def _record_name(record: LogRecord) -> str | None:
    """The name of the event that the record is, as its first bytes say."""
    value = record.value or b""
    known = [writer for header, writer in _writers().items() if value.startswith(header)]
    return known[0][1] if known and known[0][0] == record.topic else None


def _candidates(
    table: TableModel, sound: Iterable[tuple[str, Event, bytes]], before: set[PersonName]
) -> dict[Key, list[Row]]:
    """All rows that were ever sent under each key, but for those of persons who were erased before."""
    candidates: dict[Key, list[Row]] = {}
    told = [entry for entry in sound if entry[0] in table.rows]
    for name, event, event_id in _newest_of_sets(table, told) if table.is_set else told:
        at = moment(event["occurred_at"])
        for own in table.rows[name](event):
            versions = {f"{column}_version": _named_version(own[column], event, event_id) for column in table.named}
            row = {**own, **versions, "modified_on": at, "event_time": at, "event_id": event_id}
            if not _persons(table, row) & before:
                candidates.setdefault(tuple(row[column] for column in table.key), []).append(row)
    return candidates


def _named_version(value: Any, event: Event, event_id: bytes) -> bytes:
    """The version of a value: of its event, or none where the event doesn't name it."""
    return bytes(24) if value is None else event["occurred_at"].to_bytes(8, "big") + event_id


def _newest_of_sets(table: TableModel, told: list[tuple[str, Event, bytes]]) -> list[tuple[str, Event, bytes]]:
    """Of the events about one set the newest: it has all that belongs to it."""
    newest: dict[Any, tuple[str, Event, bytes]] = {}
    for entry in sorted(told, key=lambda entry: (entry[1]["occurred_at"], entry[2])):
        newest[entry[1][table.key[0]]] = entry
    return list(newest.values())


def _persons(table: TableModel, row: Row) -> set[PersonName]:
    """The persons whose erasure deletes the row."""
    return {PersonName(kind, str(row[name])) for name, kind in table.deleted.items()}


def _settled(
    table: TableModel, candidates: dict[Key, list[Row]], expected: Expected
) -> tuple[dict[Key, Row], dict[Key, list[Row]]]:
    """The rows that must be there, and those of which it can't be said."""
    decided: dict[Key, Row] = {}
    undecided: dict[Key, list[Row]] = {}
    for key, rows in candidates.items():
        sound = [row for row in rows if not _is_gone(table, row, expected)]
        is_sure = not any(_persons(table, row) & expected.maybe_erased for row in sound)
        left = [_with_emptied(table, row, expected.erased) for row in sound]
        newest = max(rows, key=_version)
        if is_sure and not _is_gone(table, newest, expected):
            decided[key] = {**_with_emptied(table, newest, expected.erased), **_last_named(table, left)}
        elif left:
            undecided[key] = left
    return decided, undecided


def _version(row: Row) -> tuple[Any, Any]:
    return row["event_time"], row["event_id"]


def _last_named(table: TableModel, rows: list[Row]) -> Row:
    """The columns that go by versions of their own, as these rows have them together."""
    columns: Row = {}
    for name, otherwise in table.named.items():
        version = f"{name}_version"
        newest = max(rows, key=lambda row: row[version])
        columns |= {name: otherwise if newest[name] is None else newest[name], version: newest[version]}
    return columns


def _is_gone(table: TableModel, row: Row, expected: Expected) -> bool:
    return any(expected.is_gone(person, row["event_time"]) for person in _persons(table, row))


def _with_emptied(table: TableModel, row: Row, erased: Mapping[PersonName, object]) -> Row:
    gone = {column for column, (kind, name) in table.emptied.items() if PersonName(kind, str(row[name])) in erased}
    return {name: None if name in gone else value for name, value in row.items() if not name.startswith("_")}


def is_same(left: Any, right: Any) -> bool:
    """Equality that tells -0.0 from 0.0 and 1 from True, as bytes would."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return type(left) is type(right) and bool(left == right)
