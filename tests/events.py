"""Events and records for tests: sound by default, so that a test states only what it varies.

Encoded with fastavro from the files in schemas/, not by way of `stream.schemas`: what is tested must not also write
the input.
"""

from __future__ import annotations

import json
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from stream.records import Record
from tests import model

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
SECOND = 1_000_000
DAY = 24 * 3600 * SECOND

NOON = 1_780_000_000 * SECOND
"""The moment of tests' events, in microseconds since 1970: in May 2026."""

RECORDED_MS = NOON // 1000 + 60_000
"""Kafka's timestamp of tests' records: a minute later."""

_VERSIONS = [(path.parent.name, *path.name.split(".")[:2]) for path in sorted(SCHEMAS.glob("*/*.avsc"))]
"""Topic, record and version of each schema."""

TOPICS = {record: topic for topic, record, _ in _VERSIONS}
NEWEST = {record: max(int(version[2][1:]) for version in _VERSIONS if version[1] == record) for record in TOPICS}

Datum = dict[str, Any]


def uuid_text(number: int) -> str:
    """A UUID; greater numbers give greater ones."""
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def cents(amount: int) -> bytes:
    """An amount in cents as Avro's decimal with scale 2."""
    return amount.to_bytes(amount.bit_length() // 8 + 1, "big", signed=True)


def trip(**changes: Any) -> Datum:
    """A TripRecorded as the schema without logical types has it."""
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "trip_id": 11,
        "user_id": 7,
        "travel_mode": "transit",
        "started_on": NOON - 600 * SECOND,
        "ended_on": NOON,
        "distance": 5210.5,
        "origin_latitude": 29.7604,
        "origin_longitude": -95.3698,
        "destination_latitude": 29.71,
        "destination_longitude": -95.4,
        "fare": cents(125),
        "created_on": NOON - 600 * SECOND,
        **changes,
    }


def rating(**changes: Any) -> Datum:
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "rating_id": 21,
        "trip_id": 11,
        "user_id": 7,
        "rating": 4,
        "feedback": "on time",
        **changes,
    }


def pass_logged(**changes: Any) -> Datum:
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "bytemark_pass_id": 31,
        "user_id": "7",
        "interaction": "activated",
        "logged_on": None,
        **changes,
    }


CLERK_ID = "user_2aB"


def app_user(**changes: Any) -> Datum:
    return {
        **app_user_deleted(),
        "first_name": "Zoë",
        "last_name": None,
        "email": "zoe@example.org",
        "google_id": "g-1",
        "facebook_id": None,
        "apple_id": None,
        "registration_latitude": 29.7604,
        "registration_longitude": None,
        "device_token": "token",
        "enterprise_id": 0,
        "created_on": NOON - DAY,
        **changes,
    }


def app_user_deleted(**changes: Any) -> Datum:
    return {"event_id": uuid_text(1), "occurred_at": NOON, "user_id": 7, **changes}


def user_created(**changes: Any) -> Datum:
    return {**_account(), "signup_source": "invite", **changes}


def user_updated(**changes: Any) -> Datum:
    return {**_account(), "changed_by": None, **changes}


def _account() -> Datum:
    return {
        **user_deleted(),
        "email": "zoe@example.org",
        "first_name": "Zoë",
        "last_name": "O'Brien",
        "role": None,
        "status": None,
        "created_on": NOON - DAY,
    }


def user_data(**changes: Any) -> Datum:
    own = {"key": "feature_flags", "value": '{"beta": true}', "created_on": NOON - DAY}
    return {**user_deleted(), **own, **changes}


def signed_in(**changes: Any) -> Datum:
    own = {"signed_in_on": NOON - SECOND, "device": "iPhone", "ip": "192.0.2.7", "success": True}
    return {**user_deleted(), **own, **changes}


def user_deleted(**changes: Any) -> Datum:
    return {"event_id": uuid_text(1), "occurred_at": NOON, "clerk_id": CLERK_ID, **changes}


def telegram_user_deleted(**changes: Any) -> Datum:
    return {"event_id": uuid_text(1), "occurred_at": NOON, "telegram_user_id": 2**40, **changes}


def telegram_user_returned(**changes: Any) -> Datum:
    return telegram_user_deleted(**changes)


def order_paid(**changes: Any) -> Datum:
    own = {"payment_id": 41, "payment_type": "credit_card", "card": "Visa 4242", "total_price": cents(1250)}
    return {**_of_order(), **own, **changes}


def item_issued(**changes: Any) -> Datum:
    own = {"item_id": 51, "product_name": "Day Pass", "price": cents(300), "valid_from": NOON, "valid_until": None}
    return {**_of_order(), **own, **changes}


def _of_order() -> Datum:
    return {**app_user_deleted(), "order_id": 40, "created_on": NOON - SECOND}


def way(**changes: Any) -> Datum:
    """An ActivityLocationClustered."""
    return {
        **app_user_deleted(),
        "activity_location_id": 61,
        "o_id": 12,
        "d_id": 0,
        "travel_mode": "transit",
        "probability_driving": 0.25,
        "probability_transit": 0.75,
        "probability_walking": 0.0,
        "probability_cycling": None,
        "created_on": NOON - DAY,
        **changes,
    }


def target_user(**changes: Any) -> Datum:
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "target_user_id": 41,
        "study_id": "study-1",
        "user_id": "7",
        "hash_id": None,
        "created_on": NOON - DAY,
        **changes,
    }


def label_defined(**changes: Any) -> Datum:
    own = {"label_id": 71, "name": "Early birds", "description": None, "created_on": NOON - DAY}
    return {"event_id": uuid_text(1), "occurred_at": NOON, **own, **changes}


def labelled(**changes: Any) -> Datum:
    """A UserLabelled or a UserUnlabelled."""
    return {**app_user_deleted(), "label_id": 71, "created_on": NOON - DAY, **changes}


def referred(**changes: Any) -> Datum:
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "referral_id": 81,
        "sender_user_id": 9,
        "receiver_user_id": 7,
        "referral_code": "ZOE-2026",
        "created_on": NOON - DAY,
        **changes,
    }


LEARNER_ID = 2**40


def campaign(**changes: Any) -> Datum:
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "campaign_id": 41,
        "ap_campaign_id": 4100,
        "token_id": 3,
        "name": "Ride to school",
        "tokens": cents(250_000),
        "created_on": NOON - DAY,
        **changes,
    }


def campaign_saved(campaign_id: int, ap_campaign_id: int, at: int = 0, **changes: Any) -> tuple[str, Datum]:
    """A campaign as it stands so many seconds after noon."""
    version = {"occurred_at": NOON + at * SECOND, "event_id": uuid_text(1000 * campaign_id + at)}
    return "CampaignSaved", campaign(campaign_id=campaign_id, ap_campaign_id=ap_campaign_id, **version, **changes)


def points(**changes: Any) -> Datum:
    return {
        **app_user_deleted(),
        "transaction_id": 91,
        "activity_type": 2,
        "points": cents(1500),
        "balance": cents(11525),
        "note": "for trip 11",
        "payer": 0,
        "payee": 7,
        "ref_transaction_id": 0,
        "created_on": NOON - SECOND,
        **changes,
    }


def tokens(**changes: Any) -> Datum:
    return {
        **app_user_deleted(),
        "transaction_id": 95,
        "enterprise_id": 2,
        "activity_type": 5,
        "tokens": cents(250),
        "balance": cents(1000),
        "campaign_id": 77,
        "f_agency_id": 4,
        "f_token_id": 11,
        "expired_on": NOON + 90 * DAY,
        "issued_on": None,
        **changes,
    }


def recipient(user_id: int = LEARNER_ID, **changes: Any) -> Datum:
    return {"user_id": user_id, "delivery_status": "pending", "delivered_on": None, **changes}


def message_saved(**changes: Any) -> Datum:
    own = {"text": "Your lesson begins at six.", "media_type": None, "caption": None, "recipients": [recipient()]}
    return {**message_deleted(), **own, **changes}


def message_deleted(**changes: Any) -> Datum:
    return {"event_id": uuid_text(1), "occurred_at": NOON, "message_id": 51, "created_on": NOON - DAY, **changes}


def course_booked(**changes: Any) -> Datum:
    own = {"booking_id": 61, "course_stream": "3rd_stream", "confirmed": 0, "created_on": NOON - DAY}
    return {**_learner(), **own, **changes}


def lesson_registered(**changes: Any) -> Datum:
    own = {"registration_id": 71, "lesson_on": NOON + DAY, "created_on": NOON - DAY}
    return {**_learner(), **own, **changes}


def learner_acted(**changes: Any) -> Datum:
    return {**_learner(), "learner_event_id": 81, "event_type": "lesson_opened", **changes}


def _learner() -> Datum:
    return {
        "event_id": uuid_text(1),
        "occurred_at": NOON,
        "user_id": LEARNER_ID,
        "username": "zoe_rides",
        "first_name": "Zoë",
        "joined_on": NOON - DAY,
    }


def samples() -> dict[str, Datum]:
    """A sound event of each kind."""
    return {
        "TripRecorded": trip(),
        "TripRated": rating(),
        "BytemarkPassLogged": pass_logged(),
        "OrderPaid": order_paid(),
        "OrderItemIssued": item_issued(),
        "ActivityLocationClustered": way(),
        "LabelDefined": label_defined(),
        "UserLabelled": labelled(),
        "UserUnlabelled": labelled(),
        "UserReferred": referred(),
        "PointsTransacted": points(),
        "TokensTransacted": tokens(),
        "AppUserSaved": app_user(),
        "AppUserDeleted": app_user_deleted(),
        "UserCreated": user_created(),
        "UserUpdated": user_updated(),
        "UserDataSet": user_data(),
        "UserSignedIn": signed_in(),
        "UserDeleted": user_deleted(),
        "TelegramUserDeleted": telegram_user_deleted(),
        "TelegramUserReturned": telegram_user_returned(),
        "CampaignSaved": campaign(),
        "MessageSaved": message_saved(),
        "MessageDeleted": message_deleted(),
        "CourseBooked": course_booked(),
        "FreeLessonRegistered": lesson_registered(),
        "LearnerActed": learner_acted(),
        "TargetUserSelected": target_user(),
    }


def schema_file(record_name: str, version: int | None = None) -> Path:
    return SCHEMAS / TOPICS[record_name] / f"{record_name}.v{version or NEWEST[record_name]}.avsc"


@cache
def plain_schema(record_name: str, version: int | None = None) -> Any:
    """The schema, parsed, without logical types: they would turn values into Python's types and refuse bad ones."""
    return parse_schema(_without_logical_types(json.loads(schema_file(record_name, version).read_text())))


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without_logical_types(part) for name, part in schema.items() if name != "logicalType"}
    return [_without_logical_types(part) for part in schema] if isinstance(schema, list) else schema


@cache
def single_object_header(record_name: str, version: int | None = None) -> bytes:
    source = json.loads(schema_file(record_name, version).read_text())
    return b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(source), "CRC-64-AVRO"))


@cache
def confluent_header(record_name: str, version: int | None = None) -> bytes:
    path = schema_file(record_name, version)
    ids: dict[str, str] = json.loads(path.with_name("ids.json").read_text())
    schema_ids = [int(schema_id) for schema_id, name in ids.items() if name == path.name]
    return b"\x00" + schema_ids[0].to_bytes(4, "big")


def body(record_name: str, datum: Datum, version: int | None = None) -> bytes:
    """A datum's bytes without what stands before them."""
    buffer = BytesIO()
    schemaless_writer(buffer, plain_schema(record_name, version), datum)
    return buffer.getvalue()


def encode(record_name: str, datum: Datum, version: int | None = None) -> bytes:
    return single_object_header(record_name, version) + body(record_name, datum, version)


def key_of(record_name: str, datum: Datum) -> bytes:
    text, _ = model.TOPICS[TOPICS[record_name]].key(datum)
    return text.encode()


def record(
    record_name: str, datum: Datum, *, offset: int = 0, version: int | None = None, timestamp_ms: int = RECORDED_MS
) -> Record:
    """The record as Kafka hands it out."""
    return Record(offset, timestamp_ms, key_of(record_name, datum), encode(record_name, datum, version))


def tombstone(key: str | bytes | None, *, offset: int = 0, timestamp_ms: int = RECORDED_MS) -> Record:
    """A record without a value."""
    return Record(offset, timestamp_ms, key.encode() if isinstance(key, str) else key, None)
