"""The rules of docs/events.md once more, in plain Python and in memory: records in, expected rows and dead letters out.

Written without the code that it judges: nothing of `stream` is imported, the bytes are read by `tests.avro`, and
every limit is stated again. So the product and this model agree only where both read the specification alike.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests import avro

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
DAY_MICROS = 24 * 60 * 60 * 1_000_000
ID_MAX = 4_294_967_295
MICROS_MAX = (datetime(9999, 12, 31, 23, 59, 59, 999999, UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
    microseconds=1
)


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


class Fault(NamedTuple):
    """What is wrong with a record. A field of None: the bytes don't tell."""

    reason: str
    field: str | None = None


class Unfit(Exception):
    """A record with its faults; several may be there at once, and the product names one."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.faults = frozenset(faults)


Event = dict[str, Any]
Row = dict[str, Any]


# --- The rules of fields: value → the reason why it is unfit, or None

Rule = Callable[[Any], str | None]


def number(low: float, high: float) -> Rule:
    # A comparison with NaN is false.
    return lambda value: None if low <= value <= high else "out_of_range"


def text_id(length: int) -> Rule:
    def judge(value: str) -> str | None:
        if not 1 <= len(value) <= length:
            return "too_short" if not value else "too_long"
        has_control = any(ord(one) < 32 or 127 <= ord(one) < 160 for one in value)
        return "invalid_value" if has_control or value != value.strip() else None

    return judge


def free_text(length: int) -> Rule:
    return lambda value: "too_long" if len(value) > length else None


def uuid(value: str) -> str | None:
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    return None if re.fullmatch(form, value, re.IGNORECASE | re.ASCII) else "invalid_value"


def decimal(precision: int) -> Rule:
    return lambda value: (
        None if len(str(abs(int.from_bytes(value, "big", signed=True)))) <= precision else "out_of_range"
    )


ID, MOMENT = number(1, ID_MAX), number(0, MICROS_MAX)
LATITUDE, LONGITUDE = number(-90, 90), number(-180, 180)
TELEGRAM_ID_MAX = 9_223_372_036_854_775_807


def app_id_text(value: str) -> str | None:
    """An app user's id as text: where Unicode calls it decimal, it must be the number's own text."""
    if value and value.isdecimal() and not re.fullmatch("[1-9][0-9]*", value):
        return text_id(256)(value) or "invalid_value"
    return text_id(256)(value)


def one_of(*values: str) -> Rule:
    return lambda value: None if value in values else "invalid_value"


def anything(_value: Any) -> str | None:
    return None


EVENT: dict[str, Rule] = {"event_id": uuid, "occurred_at": MOMENT}
ACCOUNT: dict[str, Rule] = {
    **EVENT,
    "clerk_id": text_id(256),
    "email": free_text(512),
    "first_name": free_text(128),
    "last_name": free_text(128),
    "role": text_id(32),
    "status": text_id(32),
    "created_on": MOMENT,
}
SIGNUP_SOURCES = ("clerk", "invite", "admin")
USER_DATA_KEYS = (
    "preferences",
    "feature_flags",
    "onboarding_status",
    "last_clerk_sync",
    "signup_date",
    "signup_source",
)

RULES: dict[str, dict[str, Rule]] = {
    "BytemarkPassLogged": {
        "event_id": uuid,
        "occurred_at": MOMENT,
        "bytemark_pass_id": ID,
        "user_id": app_id_text,
        "interaction": text_id(32),
        "logged_on": MOMENT,
    },
    "TripRecorded": {
        "event_id": uuid,
        "occurred_at": MOMENT,
        "trip_id": ID,
        "user_id": ID,
        "travel_mode": text_id(32),
        "started_on": MOMENT,
        "ended_on": MOMENT,
        "distance": number(0, 1e9),
        "origin_latitude": LATITUDE,
        "origin_longitude": LONGITUDE,
        "destination_latitude": LATITUDE,
        "destination_longitude": LONGITUDE,
        "fare": decimal(10),
        "created_on": MOMENT,
    },
    "TripRated": {
        "event_id": uuid,
        "occurred_at": MOMENT,
        "rating_id": ID,
        "trip_id": ID,
        "user_id": ID,
        "rating": number(1, 5),
        "feedback": free_text(512),
    },
    "AppUserSaved": {
        **EVENT,
        "user_id": ID,
        "first_name": free_text(128),
        "last_name": free_text(128),
        "email": free_text(512),
        "google_id": text_id(32),
        "facebook_id": text_id(32),
        "apple_id": text_id(512),
        "registration_latitude": LATITUDE,
        "registration_longitude": LONGITUDE,
        "device_token": text_id(512),
        "enterprise_id": number(0, ID_MAX),
        "created_on": MOMENT,
    },
    "AppUserDeleted": {**EVENT, "user_id": ID},
    "UserCreated": {**ACCOUNT, "signup_source": one_of(*SIGNUP_SOURCES)},
    "UserUpdated": {**ACCOUNT, "changed_by": text_id(256)},
    "UserDataSet": {
        **EVENT,
        "clerk_id": text_id(256),
        "key": lambda value: text_id(64)(value) or one_of(*USER_DATA_KEYS)(value),
        "value": free_text(16_000),
        "created_on": MOMENT,
    },
    "UserSignedIn": {
        **EVENT,
        "clerk_id": text_id(256),
        "signed_in_on": MOMENT,
        "device": free_text(512),
        "ip": text_id(45),
        "success": anything,
    },
    "UserDeleted": {**EVENT, "clerk_id": text_id(256)},
    "TelegramUserDeleted": {**EVENT, "telegram_user_id": number(1, TELEGRAM_ID_MAX)},
}

DEFAULTS = {"first_name": "", "last_name": "", "role": "user", "status": "active", "signup_source": "clerk"}
"""What null stands for in a Clerk account."""

PERSONS_TOPIC = "user.lifecycle"
PERSON_FIELDS = {"app": "user_id", "clerk": "clerk_id", "telegram": "telegram_user_id"}
TOMBSTONE = "tombstone"
ERASING = ("AppUserDeleted", "UserDeleted", "TelegramUserDeleted", TOMBSTONE)


class PersonName(NamedTuple):
    """Who: app user 7 and Telegram user 7 are two persons."""

    kind: str
    person_id: str

    @property
    def key(self) -> bytes:
        return f"{self.kind}:{self.person_id}".encode()


def person_of(event: Event) -> PersonName:
    """Whom an event of `user.lifecycle` is about."""
    for kind, attribute in PERSON_FIELDS.items():
        if attribute in event:
            return PersonName(kind, str(event[attribute]))
    raise AssertionError("an event of this topic is about a person")


def key_of(topic: str, event: Event) -> tuple[bytes, str]:
    """The Kafka key that the event must have, and the name that a mismatch is given."""
    if topic == PERSONS_TOPIC:
        return person_of(event).key, "person_key"
    attribute = {"bytemark.pass": "bytemark_pass_id", "trip": "trip_id"}[topic]
    return str(event[attribute]).encode(), attribute


def is_shaped(key: str, text: str) -> bool:
    """Whether the text is JSON as the key of `user_data` wants it."""
    try:
        value = json.loads(text, parse_constant=_no_json)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate is no text
    except (ValueError, RecursionError):
        return False
    return SHAPES[key](value)


def _no_json(name: str) -> None:
    raise ValueError(name)


def _is_moment(value: Any) -> bool:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_preferences(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"theme", "notifications", "language", "timezone"}
        and value["theme"] in ("light", "dark", "system")
        and isinstance(value["notifications"], bool)
        and isinstance(value["language"], str)
        and isinstance(value["timezone"], str)
    )


def _is_onboarding(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() - {"completed_at"} == {"step", "completed", "started_at"}
        and value["step"] in ("welcome", "profile", "preferences", "complete")
        and isinstance(value["completed"], bool)
        and all(_is_moment(value[name]) for name in ("started_at", "completed_at") if name in value)
    )


SHAPES: dict[str, Callable[[Any], bool]] = {
    "preferences": _is_preferences,
    "feature_flags": lambda value: isinstance(value, dict) and all(isinstance(one, bool) for one in value.values()),
    "onboarding_status": _is_onboarding,
    "last_clerk_sync": _is_moment,
    "signup_date": _is_moment,
    "signup_source": lambda value: value in SIGNUP_SOURCES,
}


# --- The rows of events


def moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime(1970, 1, 1) + timedelta(microseconds=micros)


def money(unscaled: bytes | None) -> Decimal | None:
    return None if unscaled is None else Decimal(int.from_bytes(unscaled, "big", signed=True)) / 100


class TableModel(NamedTuple):
    key: tuple[str, ...]
    """The columns that are the primary key."""
    rows: dict[str, Callable[[Event], list[Row]]]
    """By record name: what an event becomes, but for version and origin."""
    kind: str
    """Of the person whose erasure deletes a row."""
    person: str
    """The column that has that person's id, a number or text."""
    emptied: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    """Columns that become null where the person whom they name is erased, with the person's kind."""


def _pass_row(event: Event) -> Row:
    logged_on = event["occurred_at"] if event["logged_on"] is None else event["logged_on"]
    return {
        "bytemark_pass_id": event["bytemark_pass_id"],
        "user_id": event["user_id"],
        "logged_on": moment(logged_on),
        "created_on": moment(event["occurred_at"]),
    }


def _trip_row(event: Event) -> Row:
    places = {f"{end}_{axis}": event[f"{end}_{axis}"] for end in ("origin", "destination") for axis in AXES}
    return {
        "id": event["trip_id"],
        "user_id": event["user_id"],
        "travel_mode": event["travel_mode"],
        "started_on": moment(event["started_on"]),
        "ended_on": moment(event["ended_on"]),
        "distance": event["distance"],
        **places,
        "fare": money(event["fare"]),
        "created_on": moment(event["created_on"]),
    }


AXES = ("latitude", "longitude")


def _hntb_trip_row(event: Event) -> Row:
    names = ("travel_mode", "started_on", "ended_on", "distance", "created_on")
    return {"trip_id": event["trip_id"], "user_id": str(event["user_id"])} | {
        name: value for name, value in _trip_row(event).items() if name in names
    }


def _rating_row(event: Event) -> Row:
    names = ("user_id", "trip_id", "rating", "feedback")
    own = {name: event[name] for name in names}
    return {"id": event["rating_id"], **own, "created_on": moment(event["occurred_at"])}


def _app_user_row(event: Event) -> Row:
    own = {name: value for name, value in event.items() if name not in ("event_id", "occurred_at", "user_id")}
    return {"id": event["user_id"], **own, "created_on": moment(event["created_on"])}


def _account_row(event: Event) -> Row:
    names = ("clerk_id", "email", "first_name", "last_name", "role", "status")
    return {**{name: event[name] for name in names}, "created_on": moment(event["created_on"])}


def _signup_rows(event: Event) -> list[Row]:
    created_on = moment(event["created_on"])
    assert created_on is not None
    values = {
        "signup_date": f'"{created_on.isoformat(timespec="microseconds")}Z"',
        "signup_source": f'"{event["signup_source"]}"',
    }
    return [
        {"clerk_id": event["clerk_id"], "key": key, "value": value, "created_on": created_on}
        for key, value in values.items()
    ]


def _data_row(event: Event) -> Row:
    return {**{name: event[name] for name in ("clerk_id", "key", "value")}, "created_on": moment(event["created_on"])}


def _name_rows(event: Event) -> list[Row]:
    if not event["first_name"] and not event["last_name"]:
        return []
    names = ("clerk_id", "first_name", "last_name", "changed_by")
    return [{**{name: event[name] for name in names}, "created_on": moment(event["occurred_at"])}]


def _sign_in_row(event: Event) -> Row:
    own = {name: event[name] for name in ("clerk_id", "device", "ip")}
    moments = {"signed_in_on": moment(event["signed_in_on"]), "created_on": moment(event["occurred_at"])}
    return {**own, **moments, "success": int(event["success"])}


def _only(row: Callable[[Event], Row]) -> Callable[[Event], list[Row]]:
    return lambda event: [row(event)]


def _bytemark_row(event: Event) -> Row:
    return {**_pass_row(event), "interaction": event["interaction"]}


TABLES = {
    "hntb_bytemark_pass": TableModel(("bytemark_pass_id",), {"BytemarkPassLogged": _only(_pass_row)}, "app", "user_id"),
    "bytemark_pass": TableModel(("bytemark_pass_id",), {"BytemarkPassLogged": _only(_bytemark_row)}, "app", "user_id"),
    "trip": TableModel(("id",), {"TripRecorded": _only(_trip_row)}, "app", "user_id"),
    "hntb_trip": TableModel(("trip_id",), {"TripRecorded": _only(_hntb_trip_row)}, "app", "user_id"),
    "user_rating": TableModel(("id",), {"TripRated": _only(_rating_row)}, "app", "user_id"),
    "auth_user": TableModel(("id",), {"AppUserSaved": _only(_app_user_row)}, "app", "id"),
    "users": TableModel(
        ("clerk_id",), {"UserCreated": _only(_account_row), "UserUpdated": _only(_account_row)}, "clerk", "clerk_id"
    ),
    "user_data": TableModel(
        ("clerk_id", "key"), {"UserCreated": _signup_rows, "UserDataSet": _only(_data_row)}, "clerk", "clerk_id"
    ),
    "user_name_history": TableModel(
        ("event_id",), {"UserUpdated": _name_rows}, "clerk", "clerk_id", {"changed_by": "clerk"}
    ),
    "user_sign_in": TableModel(("event_id",), {"UserSignedIn": _only(_sign_in_row)}, "clerk", "clerk_id"),
}


# --- From records to events


@cache
def _writers() -> dict[bytes, tuple[str, str, Any]]:
    """By what stands before a datum: topic, record name and writer schema."""
    found: dict[bytes, tuple[str, str, Any]] = {}
    ids: dict[str, str] = json.loads((SCHEMAS / "ids.json").read_text())
    for path in SCHEMAS.glob("*/*.avsc"):
        schema = json.loads(path.read_text())
        known = (path.parent.name, schema["name"], schema)
        digest = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        found[b"\xc3\x01" + bytes.fromhex(digest)] = known
        for schema_id, name in ids.items():
            if name == f"{path.parent.name}/{path.name}":
                found[b"\x00" + int(schema_id).to_bytes(4, "big")] = known
    return found


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
    if name == "UserDataSet" and event["key"] in SHAPES and not is_shaped(event["key"], event["value"]):
        faults.append(Fault("invalid_value", "value"))
    if event["occurred_at"] > record.timestamp_ms * 1000 + DAY_MICROS:
        faults.append(Fault("from_the_future", "occurred_at"))
    key, key_name = key_of(record.topic, event)
    if not record.key:
        faults.append(Fault("missing_key"))
    elif record.key != key:
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
    """The event with what null stands for, in a Clerk account."""
    if name not in ("UserCreated", "UserUpdated"):
        return event
    return {key: DEFAULTS.get(key) if value is None else value for key, value in event.items()}


def _read_datum(topic: str, value: bytes | None) -> tuple[str, Event]:
    if not value:
        raise Unfit(Fault("empty_value"))
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
    return name, {**dict.fromkeys(RULES[name]), **datum}


# --- From events to tables


@dataclass
class Expected:
    """What the tables must hold after these records, whatever happened on the way."""

    tables: dict[str, dict[Key, Row]] = field(default_factory=dict)
    """By table and primary key."""
    undecided: dict[str, dict[Key, list[Row]]] = field(default_factory=dict)
    """Keys under which a person wrote who is erased by these records, and others as well: what an erased row had
    overwritten may come back or not, as the order has it. Any of these rows will do, and none."""
    erased: dict[PersonName, datetime | None] = field(default_factory=dict)
    """Who is erased, with the earliest of the moments; None for those who were before."""
    dead_letters: dict[Coordinates, frozenset[Fault]] = field(default_factory=dict)
    emptied_letters: set[Coordinates] = field(default_factory=set)
    """Those of dead_letters under an erased person's key: where and why is kept, and nothing else."""
    event_ids: dict[Coordinates, bytes] = field(default_factory=dict)
    """Of each sound record: where a row says it came from must be one of these with the row's event id."""


Key = tuple[Any, ...]


def expect(records: Iterable[LogRecord], erased: Mapping[str, Iterable[str]] | None = None) -> Expected:
    """Apply the rules to records; `erased` has the ids as text, by kind (`app`), of those who were erased before.

    Who is erased anywhere in the records is erased for all of them: it absorbs what came before and what comes after.
    """
    before = {PersonName(kind, person_id) for kind, ids in (erased or {}).items() for person_id in ids}
    expected = Expected(tables={name: {} for name in TABLES}, erased=dict.fromkeys(before))
    sound: list[tuple[str, Event, bytes]] = []
    broken: list[LogRecord] = []
    for record in records:
        try:
            name, event = read_event(record)
        except Unfit as error:
            expected.dead_letters[record.coordinates] = error.faults
            broken.append(record)
            continue
        if name in ERASING:
            _erase(expected, person_of(event), event["occurred_at"], before)
        if name != TOMBSTONE:
            event_id = bytes.fromhex(event["event_id"].replace("-", ""))
            expected.event_ids[record.coordinates] = event_id
            sound.append((name, with_defaults(name, event), event_id))
    keys = {one.key for one in expected.erased}
    expected.emptied_letters = {one.coordinates for one in broken if one.topic == PERSONS_TOPIC and one.key in keys}
    for table_name, table in TABLES.items():
        candidates = _candidates(table, sound, before)
        expected.tables[table_name], expected.undecided[table_name] = _settled(table, candidates, expected.erased)
    return expected


def _erase(expected: Expected, person: PersonName, micros: int, before: set[PersonName]) -> None:
    erased_on, earlier = moment(micros), expected.erased.get(person)
    if person not in before:
        assert erased_on is not None
        expected.erased[person] = min(erased_on, earlier or erased_on)


def _candidates(
    table: TableModel, sound: Iterable[tuple[str, Event, bytes]], before: set[PersonName]
) -> dict[Key, list[Row]]:
    """All rows that were ever sent under each key, but for those of persons who were erased before."""
    found: dict[Key, list[Row]] = {}
    for name, event, event_id in sound:
        at = moment(event["occurred_at"])
        for own in table.rows[name](event) if name in table.rows else []:
            row = {**own, "modified_on": at, "event_time": at, "event_id": event_id}
            if PersonName(table.kind, str(row[table.person])) not in before:
                found.setdefault(tuple(row[column] for column in table.key), []).append(row)
    return found


def _settled(
    table: TableModel, candidates: dict[Key, list[Row]], erased: Mapping[PersonName, object]
) -> tuple[dict[Key, Row], dict[Key, list[Row]]]:
    """The rows that must be there, and those of which it can't be said."""
    decided: dict[Key, Row] = {}
    undecided: dict[Key, list[Row]] = {}
    for key, rows in candidates.items():
        left = [
            _with_emptied(table, row, erased)
            for row in rows
            if PersonName(table.kind, str(row[table.person])) not in erased
        ]
        if left and len(left) < len(rows):
            undecided[key] = left
        elif left:
            decided[key] = max(left, key=lambda row: (row["event_time"], row["event_id"]))
    return decided, undecided


def _with_emptied(table: TableModel, row: Row, erased: Mapping[PersonName, object]) -> Row:
    return {
        name: None if name in table.emptied and PersonName(table.emptied[name], str(value)) in erased else value
        for name, value in row.items()
    }


def is_same(one: Any, other: Any) -> bool:
    """Equality that tells -0.0 from 0.0 and 1 from True, as bytes would."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and bool(one == other)
