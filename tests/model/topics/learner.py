"""The model of topic learner."""

from __future__ import annotations

from tests.model.declaration import Event, Fault, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, MOMENT, TELEGRAM_ID_MAX, Rule, free_text, moment, number, one_of, text_id

LEARNER: dict[str, Rule] = {
    **EVENT,
    "user_id": number(1, TELEGRAM_ID_MAX),
    "username": free_text(16_000),
    "first_name": free_text(16_000),
    "joined_on": MOMENT,
}
PERSON = {"user_id": "telegram"}


def _judge(_name: str, event: Event) -> list[Fault]:
    """A learner has one of the two names; a text of no characters is none."""
    return [] if event["username"] or event["first_name"] else [Fault("missing_field", "username")]


def _named(event: Event) -> Row:
    return {name: event[name] for name in ("user_id", "username", "first_name")}


def _booking_row(event: Event) -> Row:
    own = {name: event[name] for name in ("course_stream", "confirmed")}
    return {"id": event["booking_id"], **_named(event), **own, "created_on": moment(event["created_on"])}


def _registration_row(event: Event) -> Row:
    moments = {name: moment(event[name]) for name in ("lesson_on", "created_on")}
    return {"id": event["registration_id"], **_named(event), **moments}


def _event_row(event: Event) -> Row:
    own = {name: event[name] for name in ("user_id", "event_type")}
    return {"id": event["learner_event_id"], **own, "created_on": moment(event["occurred_at"])}


def _user_row(event: Event) -> Row:
    return {**_named(event), "created_on": moment(event["joined_on"])}


TOPIC = TopicModel(
    topic="learner",
    rules={
        "CourseBooked": {
            **LEARNER,
            "booking_id": ID,
            "course_stream": one_of("3rd_stream", "4th_stream", "5th_stream"),
            "confirmed": number(0, 2),
            "created_on": MOMENT,
        },
        "FreeLessonRegistered": {**LEARNER, "registration_id": ID, "lesson_on": MOMENT, "created_on": MOMENT},
        "LearnerActed": {**LEARNER, "learner_event_id": ID, "event_type": text_id(64)},
    },
    tables={
        "bookings": TableModel(("id",), {"CourseBooked": only(_booking_row)}, PERSON),
        "free_lesson_registrations": TableModel(("id",), {"FreeLessonRegistered": only(_registration_row)}, PERSON),
        "events": TableModel(("id",), {"LearnerActed": only(_event_row)}, PERSON),
        "telegram_user": TableModel(
            ("user_id",),
            dict.fromkeys(("CourseBooked", "FreeLessonRegistered", "LearnerActed"), only(_user_row)),
            PERSON,
        ),
    },
    key=key_is("user_id"),
    judge=_judge,
    keyed_by="telegram",
)
