"""Validation: each rule's reason and field, the limits to the last value, and msgspec's sentences as reasons."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from stream.catalog import STREAMS
from stream.declaration.events import Event
from stream.declaration.types import YEAR_2000
from stream.errors import Reason, Rejection, Stage
from stream.moments import MICROS_MAX
from stream.records import Record
from stream.stages.decode import decode_record
from stream.stages.validate import rejection_of, validate
from tests import events
from tests.events import (
    DAY,
    NOON,
    RECORDED_MS,
    SECOND,
    TOPICS,
    app_user,
    app_user_deleted,
    campaign,
    course_booked,
    learner_acted,
    lesson_registered,
    message_saved,
    pass_logged,
    rating,
    recipient,
    signed_in,
    telegram_user_deleted,
    trip,
    user_created,
    user_data,
    user_updated,
)
from tests.stores import STORE

ID_MAX = 2**32 - 1
TEN_YEARS = 3653 * DAY


def judge(name: str, datum: dict[str, Any], **record_changes: Any) -> Event:
    topic = TOPICS[name]
    record = events.record(name, datum)._replace(**record_changes)
    return decode_record(record, STORE.readers(topic))[1]


def rejection(name: str, datum: dict[str, Any], **record_changes: Any) -> tuple[Stage, Reason, str | None]:
    with pytest.raises(Rejection) as rejected:
        judge(name, datum, **record_changes)
    return rejected.value.stage, rejected.value.reason, rejected.value.field


SOUND: list[tuple[str, dict[str, Any]]] = [
    *[("TripRecorded", trip(trip_id=value, user_id=value)) for value in (1, ID_MAX)],
    *[("TripRecorded", trip(travel_mode=value)) for value in ("x", "x" * 32, "👍" * 32)],
    *[("TripRecorded", trip(distance=value)) for value in (0.0, 1e9, 5e-324)],
    *[("TripRecorded", trip(origin_latitude=value)) for value in (-90.0, 90.0, None)],
    *[("TripRecorded", trip(destination_longitude=value)) for value in (-180.0, 180.0, None)],
    *[("TripRecorded", trip(fare=events.cents(value))) for value in (10**10 - 1, -(10**10) + 1, 0)],
    *[
        ("TripRecorded", trip(started_on=value, ended_on=value, created_on=value))
        for value in (YEAR_2000, NOON + TEN_YEARS)
    ],
    ("TripRecorded", trip(ended_on=None, fare=None)),
    ("TripRated", rating(occurred_at=YEAR_2000)),
    ("MessageSaved", message_saved(recipients=[recipient(delivered_on=NOON + TEN_YEARS)])),
    *[
        ("UserDataSet", user_data(key="signup_date", value=f'"{value}"'))
        for value in ("2000-01-01T00:00:00Z", "1999-12-31T23:00:00-01:00", "2036-05-01T00:00:00Z")
    ],
    *[("TripRated", rating(rating=value)) for value in (1, 5)],
    *[("TripRated", rating(feedback=value)) for value in (None, "", "é" * 512, "a\x00'\"\\%s🚌", " padded ")],
    *[("BytemarkPassLogged", pass_logged(user_id=value)) for value in ("x" * 256, "7", "7a", "x07", "4294967296")],
    *[("AppUserSaved", app_user(user_id=value)) for value in (1, ID_MAX)],
    *[("AppUserSaved", app_user(enterprise_id=value)) for value in (0, ID_MAX, None)],
    *[("UserCreated", user_created(clerk_id=value)) for value in ("x", "app:7", "a b", "é" * 256)],
    *[("UserCreated", user_created(first_name=value)) for value in (None, "", " x ", "x" * 128)],
    *[("TelegramUserDeleted", telegram_user_deleted(telegram_user_id=value)) for value in (1, 2**63 - 1)],
    *[("CampaignSaved", campaign(ap_campaign_id=value, token_id=value)) for value in (0, ID_MAX)],
    *[("CampaignSaved", campaign(name=value)) for value in ("", "👍" * 32)],
    *[("MessageSaved", message_saved(text=value)) for value in (None, "", "👍" * 4096)],
    *[("MessageSaved", message_saved(caption=value)) for value in (None, "", "👍" * 1024)],
    *[
        ("MessageSaved", message_saved(recipients=value))
        for value in ([recipient(1)], [recipient(2**63 - 1)], [recipient(user_id) for user_id in range(1, 10_001)])
    ],
    *[
        ("LearnerActed", learner_acted(username=username, first_name=first_name))
        for username, first_name in (("z", None), (None, "Z"), ("", "Z"), ("z", ""), ("👍" * 16_000, "Z"))
    ],
    *[("LearnerActed", learner_acted(user_id=value)) for value in (1, 2**63 - 1)],
    *[("CourseBooked", course_booked(course_stream=f"{value}_stream")) for value in ("3rd", "4th", "5th")],
    *[("CourseBooked", course_booked(confirmed=value)) for value in (0, 2)],
    ("FreeLessonRegistered", lesson_registered(lesson_on=None)),
]

BROKEN: list[tuple[str, dict[str, Any], Reason, str]] = [
    *[
        ("TripRecorded", trip(trip_id=value), Reason.OUT_OF_RANGE, "trip_id")
        for value in (0, -1, ID_MAX + 1, 2**63 - 1)
    ],
    *[("TripRecorded", trip(user_id=value), Reason.OUT_OF_RANGE, "user_id") for value in (0, -1, ID_MAX + 1, -(2**63))],
    ("TripRecorded", trip(travel_mode=""), Reason.TOO_SHORT, "travel_mode"),
    ("TripRecorded", trip(travel_mode="x" * 33), Reason.TOO_LONG, "travel_mode"),
    ("TripRecorded", trip(travel_mode="x "), Reason.INVALID_VALUE, "travel_mode"),
    ("TripRecorded", trip(travel_mode="x\x00"), Reason.INVALID_VALUE, "travel_mode"),
    *[
        ("TripRecorded", trip(distance=value), Reason.OUT_OF_RANGE, "distance")
        for value in (-5e-324, math.nextafter(1e9, math.inf), math.inf, -math.inf, math.nan)
    ],
    *[
        ("TripRecorded", trip(**{field: value}), Reason.OUT_OF_RANGE, field)
        for field, limit in (("origin_latitude", 90.0), ("destination_longitude", 180.0))
        for value in (math.nextafter(limit, math.inf), -math.nextafter(limit, math.inf), math.nan, math.inf)
    ],
    *[("TripRecorded", trip(fare=events.cents(value)), Reason.OUT_OF_RANGE, "fare") for value in (10**10, -(10**10))],
    *[
        ("TripRecorded", trip(**{field: value}), reason, field)
        for field in ("started_on", "ended_on", "created_on", "occurred_at")
        for value, reason in (
            *((value, Reason.BEFORE_2000) for value in (YEAR_2000 - 1, NOON // 1000, NOON // SECOND, 0, -1)),
            (MICROS_MAX + 1, Reason.TOO_FAR_AHEAD),
            (NOON * 1000, Reason.TOO_FAR_AHEAD),
        )
    ],
    *[
        ("TripRecorded", trip(**{field: value}), Reason.TOO_FAR_AHEAD, field)
        for field in ("started_on", "ended_on", "created_on")
        for value in (NOON + TEN_YEARS + 1, MICROS_MAX)
    ],
    *[
        ("UserDataSet", user_data(key=key, value=value), reason, "value")
        for key, value, reason in (
            ("signup_date", '"1999-12-31T23:59:59.999999Z"', Reason.BEFORE_2000),
            ("last_clerk_sync", '"0001-01-01T00:00:00+14:00"', Reason.BEFORE_2000),
            ("last_clerk_sync", '"9999-12-31T23:59:59-14:00"', Reason.TOO_FAR_AHEAD),
            (
                "onboarding_status",
                '{"step": "welcome", "completed": false, "started_at": "9999-12-31T00:00:00Z"}',
                Reason.TOO_FAR_AHEAD,
            ),
        )
    ],
    *[("TripRated", rating(rating=value), Reason.OUT_OF_RANGE, "rating") for value in (0, 6, -1)],
    ("TripRated", rating(feedback="x" * 513), Reason.TOO_LONG, "feedback"),
    ("TripRated", rating(feedback="x" * 2 * 1024 * 1024), Reason.TOO_LONG, "feedback"),
    ("TripRated", rating(event_id="x"), Reason.INVALID_VALUE, "event_id"),
    ("BytemarkPassLogged", pass_logged(user_id="x" * 257), Reason.TOO_LONG, "user_id"),
    ("BytemarkPassLogged", pass_logged(user_id=""), Reason.TOO_SHORT, "user_id"),
    *[
        ("BytemarkPassLogged", pass_logged(user_id=value), Reason.INVALID_VALUE, "user_id")
        for value in ("007", "0", "\u0667", "7 ")
    ],
    *[("AppUserSaved", app_user(user_id=value), Reason.OUT_OF_RANGE, "user_id") for value in (0, -1, ID_MAX + 1)],
    *[("AppUserDeleted", app_user_deleted(user_id=value), Reason.OUT_OF_RANGE, "user_id") for value in (0, ID_MAX + 1)],
    *[("AppUserSaved", app_user(enterprise_id=value), Reason.OUT_OF_RANGE, "enterprise_id") for value in (-1, 2**32)],
    ("AppUserSaved", app_user(email="x" * 513), Reason.TOO_LONG, "email"),
    ("UserCreated", user_created(clerk_id="x" * 257), Reason.TOO_LONG, "clerk_id"),
    ("UserCreated", user_created(signup_source=" "), Reason.INVALID_VALUE, "signup_source"),
    ("UserCreated", user_created(role=" "), Reason.INVALID_VALUE, "role"),
    ("AppUserSaved", app_user(google_id="  "), Reason.INVALID_VALUE, "google_id"),
    ("UserUpdated", user_updated(changed_by=" x"), Reason.INVALID_VALUE, "changed_by"),
    ("UserUpdated", user_updated(first_name="x" * 129), Reason.TOO_LONG, "first_name"),
    *[("UserDataSet", user_data(key=value), Reason.INVALID_VALUE, "key") for value in ("session_count", "Preferences")],
    *[
        ("UserDataSet", user_data(key=key, value=value), Reason.INVALID_VALUE, "value")
        for key, value in (
            ("feature_flags", '{"beta": 1}'),
            ("feature_flags", "null"),
            ("feature_flags", ""),
            ("feature_flags", "{} {}"),
            ("signup_source", '"web"'),
            ("signup_date", '"2026-11-21T09:45:00"'),
            ("last_clerk_sync", "1793607600"),
        )
    ],
    ("UserSignedIn", signed_in(ip="x" * 46), Reason.TOO_LONG, "ip"),
    *[
        ("TelegramUserDeleted", telegram_user_deleted(telegram_user_id=value), Reason.OUT_OF_RANGE, "telegram_user_id")
        for value in (0, -1)
    ],
    ("BytemarkPassLogged", pass_logged(logged_on=-1), Reason.BEFORE_2000, "logged_on"),
    ("CampaignSaved", campaign(ap_campaign_id=-1), Reason.OUT_OF_RANGE, "ap_campaign_id"),
    ("CampaignSaved", campaign(name="x" * 33), Reason.TOO_LONG, "name"),
    ("CampaignSaved", campaign(tokens=events.cents(10**10)), Reason.OUT_OF_RANGE, "tokens"),
    ("MessageSaved", message_saved(text="x" * 4097), Reason.TOO_LONG, "text"),
    ("MessageSaved", message_saved(caption="x" * 1025), Reason.TOO_LONG, "caption"),
    ("MessageSaved", message_saved(recipients=[]), Reason.TOO_SHORT, "recipients"),
    # As many as are named: to merge them first would let a record of any size through.
    ("MessageSaved", message_saved(recipients=[recipient(1)] * 10_001), Reason.TOO_LONG, "recipients"),
    *[
        ("MessageSaved", message_saved(recipients=[recipient(), wrong]), reason, "recipients")
        for wrong, reason in (
            (recipient(0), Reason.OUT_OF_RANGE),
            (recipient(-1), Reason.OUT_OF_RANGE),
            (recipient(delivery_status="read"), Reason.INVALID_VALUE),
            (recipient(delivered_on=-1), Reason.BEFORE_2000),
            (recipient(delivered_on=NOON + TEN_YEARS + 1), Reason.TOO_FAR_AHEAD),
        )
    ],
    *[
        (name, make(username=username, first_name=first_name), Reason.MISSING_FIELD, "username")
        for name, make in (
            ("CourseBooked", course_booked),
            ("FreeLessonRegistered", lesson_registered),
            ("LearnerActed", learner_acted),
        )
        for username, first_name in ((None, None), ("", None), (None, ""), ("", ""))
    ],
    ("CourseBooked", course_booked(course_stream="6th_stream"), Reason.INVALID_VALUE, "course_stream"),
    *[("CourseBooked", course_booked(confirmed=value), Reason.OUT_OF_RANGE, "confirmed") for value in (-1, 3)],
    ("LearnerActed", learner_acted(first_name="x" * 16_001), Reason.TOO_LONG, "first_name"),
]


@pytest.mark.parametrize(("name", "datum"), SOUND)
def test_a_value_at_its_limit_is_accepted(name: str, datum: dict[str, Any]) -> None:
    judge(name, datum)


@pytest.mark.parametrize(("name", "datum", "reason", "field"), BROKEN)
def test_a_value_beyond_its_limit_is_rejected(name: str, datum: dict[str, Any], reason: Reason, field: str) -> None:
    assert rejection(name, datum) == (Stage.VALIDATE, reason, field)


def test_an_event_may_be_a_day_ahead_of_kafkas_clock_and_not_a_microsecond_more() -> None:
    limit = RECORDED_MS * 1000 + DAY
    judge("TripRecorded", trip(occurred_at=limit))
    assert rejection("TripRecorded", trip(occurred_at=limit + 1)) == (
        Stage.VALIDATE,
        Reason.FROM_THE_FUTURE,
        "occurred_at",
    )


def test_every_moment_of_an_event_is_bounded() -> None:
    """None is declared beside the types that say so, in an event or in what it lists."""
    for route in (route for stream in STREAMS.values() for route in stream.bound_routes):
        fields = {field.name: field.type for field in msgspec.structs.fields(route.event)}
        named = {name for name in fields if name.endswith("_on") or name.startswith("valid_")}
        assert named == set(route.moments), route.record_name
    (message,) = (route for route in STREAMS["message"].bound_routes if route.record_name == "MessageSaved")
    assert message.moments_of_items == (("recipients", ("delivered_on",)),)


OPTIONAL_IDS = [
    *[("AppUserSaved", app_user, name) for name in ("google_id", "facebook_id", "apple_id", "device_token")],
    ("UserUpdated", user_updated, "changed_by"),
    ("UserSignedIn", signed_in, "ip"),
    ("MessageSaved", message_saved, "media_type"),
]


@pytest.mark.parametrize(("record", "make", "field"), OPTIONAL_IDS)
def test_an_empty_text_in_an_optional_id_is_absent(record: str, make: Callable[..., events.Datum], field: str) -> None:
    assert getattr(judge(record, make(**{field: ""})), field) is None


def test_an_empty_text_is_absent_wherever_null_is_allowed_and_an_empty_text_is_not() -> None:
    absent = {
        route.record_name: set(route.absent_where_empty)
        for stream in STREAMS.values()
        for route in stream.bound_routes
        if route.absent_where_empty
    }
    assert absent == {
        "AppUserSaved": {"google_id", "facebook_id", "apple_id", "device_token"},
        "UserCreated": {"role", "status", "signup_source"},
        "UserUpdated": {"role", "status", "changed_by"},
        "UserSignedIn": {"ip"},
        "OrderPaid": {"card"},
        "UserReferred": {"referral_code"},
        "MessageSaved": {"media_type"},
        "TargetUserSelected": {"user_id", "hash_id"},
    }


@pytest.mark.parametrize("key", [None, b""])
def test_a_record_without_a_key_is_rejected(key: bytes | None) -> None:
    assert rejection("TripRecorded", trip(), key=key) == (Stage.VALIDATE, Reason.MISSING_KEY, None)


@pytest.mark.parametrize(
    "key", [b"12", b"11 ", b"011", b"+11", b"\x00\x00\x00\x00\x00\x00\x00\x0b", b"\xff", b"11\x00"]
)
def test_a_key_that_does_not_name_the_entity_is_rejected(key: bytes) -> None:
    assert rejection("TripRecorded", trip(), key=key) == (Stage.VALIDATE, Reason.KEY_MISMATCH, "trip_id")


def test_a_rating_is_keyed_by_its_trip() -> None:
    assert rejection("TripRated", rating(), key=b"21") == (Stage.VALIDATE, Reason.KEY_MISMATCH, "trip_id")


def test_of_a_recipient_who_is_named_twice_the_last_entry_counts() -> None:
    named = [recipient(7, delivery_status="failed"), recipient(3), recipient(7, delivery_status="sent")]
    recipients = judge("MessageSaved", message_saved(recipients=named)).recipients  # type: ignore[attr-defined]
    assert [(recipient.user_id, recipient.delivery_status) for recipient in recipients] == [(3, "pending"), (7, "sent")]


def test_logged_on_defaults_to_occurred_at() -> None:
    assert judge("BytemarkPassLogged", pass_logged()).logged_on == NOON  # type: ignore[attr-defined]
    assert judge("BytemarkPassLogged", pass_logged(logged_on=NOON - DAY)).logged_on == NOON - DAY  # type: ignore[attr-defined]


@pytest.mark.parametrize("topic", STREAMS)
def test_a_datum_that_lacks_a_field_is_rejected_with_its_name(topic: str) -> None:
    data, checked = events.samples(), set[tuple[str, str]]()
    for route in STREAMS[topic].bound_routes:
        datum = data[route.record_name]
        for field in msgspec.structs.fields(route.event):
            if not field.required or field.name in dict(route.decimals):
                continue
            checked.add((route.record_name, field.name))
            rest = {name: value for name, value in datum.items() if name != field.name}
            with pytest.raises(Rejection) as rejected:
                validate(rest, Record(0, RECORDED_MS, b"11", b""), route)
            assert (rejected.value.reason, rejected.value.field) == (Reason.MISSING_FIELD, field.name)
    assert {name for name, _ in checked} == {route.record_name for route in STREAMS[topic].bound_routes}


class Everything(msgspec.Struct):
    """All that msgspec can complain about in our events, and some that it can't yet."""

    number: Annotated[int, Meta(ge=0, le=9)] = 0
    above: Annotated[int, Meta(gt=0)] = 1
    below: Annotated[int, Meta(lt=9)] = 1
    even: Annotated[int, Meta(multiple_of=2)] = 0
    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    text: Annotated[str, Meta(min_length=1, max_length=3)] = "x"
    shaped: Annotated[str, Meta(pattern="^x$")] = "x"
    listed: Annotated[list[int], Meta(max_length=1)] = []


@pytest.mark.parametrize(
    ("datum", "reason", "field"),
    [
        ({"number": "7"}, Reason.WRONG_TYPE, "number"),
        ({"number": 1.5}, Reason.WRONG_TYPE, "number"),
        ({"number": None}, Reason.WRONG_TYPE, "number"),
        ({"text": 1}, Reason.WRONG_TYPE, "text"),
        ({"share": "x"}, Reason.WRONG_TYPE, "share"),
        ({"number": -1}, Reason.OUT_OF_RANGE, "number"),
        ({"number": 10}, Reason.OUT_OF_RANGE, "number"),
        ({"above": 0}, Reason.OUT_OF_RANGE, "above"),
        ({"below": 9}, Reason.OUT_OF_RANGE, "below"),
        ({"share": -0.1}, Reason.OUT_OF_RANGE, "share"),
        ({"share": 1.1}, Reason.OUT_OF_RANGE, "share"),
        ({"share": math.nan}, Reason.OUT_OF_RANGE, "share"),
        ({"text": ""}, Reason.TOO_SHORT, "text"),
        ({"text": "xxxx"}, Reason.TOO_LONG, "text"),
        ({"listed": [1, 2]}, Reason.TOO_LONG, "listed"),
        ({"shaped": "y"}, Reason.INVALID_VALUE, "shaped"),
        ({"even": 1}, Reason.INVALID_VALUE, "even"),
        ({"listed": ["x"]}, Reason.WRONG_TYPE, "listed"),
    ],
)
def test_msgspecs_sentences_become_reasons(datum: dict[str, Any], reason: Reason, field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(datum, Everything)
    rejected = rejection_of(refused.value)
    assert (rejected.reason, rejected.field) == (reason, field)


def test_no_rejection_shows_the_value() -> None:
    marker = "marker-of-a-person" * 40
    for name, datum in (
        ("TripRated", rating(feedback=marker)),
        ("TripRecorded", trip(travel_mode=marker)),
        ("TripRecorded", trip(event_id=marker)),
    ):
        with pytest.raises(Rejection) as rejected:
            judge(name, datum)
        shown = f"{rejected.value} {rejected.value.args} {rejected.value.__cause__}"
        assert "marker" not in shown
