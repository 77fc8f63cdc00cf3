"""The rules of SPEC.md once more, in plain Python and in memory: records in, expected rows and dead letters out.

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

RULES: dict[str, dict[str, Rule]] = {
    "BytemarkPassLogged": {
        "event_id": uuid,
        "occurred_at": MOMENT,
        "bytemark_pass_id": ID,
        "user_id": text_id(256),
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
}

KEYS = {"bytemark.pass": "bytemark_pass_id", "trip": "trip_id"}


# --- The rows of events


def moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime(1970, 1, 1) + timedelta(microseconds=micros)


def money(unscaled: bytes | None) -> Decimal | None:
    return None if unscaled is None else Decimal(int.from_bytes(unscaled, "big", signed=True)) / 100


Event = dict[str, Any]
Row = dict[str, Any]


class TableModel(NamedTuple):
    record: str
    key: str
    """The column that is the primary key."""
    row: Callable[[Event], Row]
    """An event's columns, but for version and origin."""


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


TABLES = {
    "hntb_bytemark_pass": TableModel("BytemarkPassLogged", "bytemark_pass_id", _pass_row),
    "bytemark_pass": TableModel(
        "BytemarkPassLogged",
        "bytemark_pass_id",
        lambda event: {**_pass_row(event), "interaction": event["interaction"]},
    ),
    "trip": TableModel("TripRecorded", "id", _trip_row),
    "hntb_trip": TableModel("TripRecorded", "trip_id", _hntb_trip_row),
    "user_rating": TableModel("TripRated", "id", _rating_row),
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
    """The record's name and its event. Raises Unfit, and avro.Tolerated where decoders may differ."""
    name, event = _read_datum(record.topic, record.value)
    faults = [
        Fault(reason, field)
        for field, rule in RULES[name].items()
        if event[field] is not None and (reason := rule(event[field]))
    ]
    if event["occurred_at"] > record.timestamp_ms * 1000 + DAY_MICROS:
        faults.append(Fault("from_the_future", "occurred_at"))
    key_field = KEYS[record.topic]
    if not record.key:
        faults.append(Fault("missing_key"))
    elif record.key != str(event[key_field]).encode():
        faults.append(Fault("key_mismatch", key_field))
    if faults:
        raise Unfit(*faults)
    return name, event


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

    tables: dict[str, dict[int, Row]] = field(default_factory=dict)
    dead_letters: dict[Coordinates, frozenset[Fault]] = field(default_factory=dict)
    event_ids: dict[Coordinates, bytes] = field(default_factory=dict)
    """Of each sound record: where a row says it came from must be one of these with the row's event id."""


def expect(records: Iterable[LogRecord], erased: Mapping[str, Iterable[str]] | None = None) -> Expected:
    """Apply the rules to records; `erased` has the ids of erased persons as text, by kind (`app`)."""
    gone = set((erased or {}).get("app", ()))
    expected = Expected(tables={name: {} for name in TABLES})
    for record in records:
        try:
            name, event = read_event(record)
        except Unfit as error:
            expected.dead_letters[record.coordinates] = error.faults
            continue
        event_id = bytes.fromhex(event["event_id"].replace("-", ""))
        expected.event_ids[record.coordinates] = event_id
        if str(event["user_id"]) in gone:
            continue
        for table_name, table in TABLES.items():
            if table.record == name:
                _upsert(expected.tables[table_name], table, event, event_id)
    return expected


def _upsert(rows: dict[int, Row], table: TableModel, event: Event, event_id: bytes) -> None:
    version = {"event_time": moment(event["occurred_at"]), "event_id": event_id}
    row = {**table.row(event), "modified_on": moment(event["occurred_at"]), **version}
    old = rows.get(row[table.key])
    if old is None or (row["event_time"], row["event_id"]) > (old["event_time"], old["event_id"]):
        rows[row[table.key]] = row


def is_same(one: Any, other: Any) -> bool:
    """Equality that tells -0.0 from 0.0 and 1 from True, as bytes would."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and bool(one == other)
