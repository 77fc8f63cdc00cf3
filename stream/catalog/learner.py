"""Topic learner: what users of the Telegram bot book, register for and do; see schemas/."""

from typing import Any, Literal

from sqlalchemy import Column, Computed, Index
from sqlalchemy.dialects import mysql

from stream.declaration.streams import Event, PersonKind, Stream, into, telegram, upserted_table
from stream.declaration.types import EntityId, LongText, Micros, PaymentStatus, TelegramId, TextId32, TextId64, column
from stream.errors import Reason, Rejection, Stage


class LearnerEvent(Event):
    """An act of a Telegram bot's user, and who they are as they do it."""

    user_id: TelegramId
    username: LongText | None
    first_name: LongText | None
    joined_on: Micros
    """The moment at which the bot first met the user."""

    one_of = ("username", "first_name")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.username and not self.first_name:
            raise Rejection(Stage.VALIDATE, Reason.MISSING_FIELD, self.one_of[0])


class CourseBooked(LearnerEvent):
    """A booking of a course as it stands, with how far its payment is."""

    booking_id: EntityId
    course_stream: Literal["3rd_stream", "4th_stream", "5th_stream"]
    confirmed: PaymentStatus
    created_on: Micros


class FreeLessonRegistered(LearnerEvent):
    """A registration for a free lesson."""

    registration_id: EntityId
    lesson_on: Micros | None
    created_on: Micros


class LearnerActed(LearnerEvent):
    """One thing that a user did with the bot."""

    learner_event_id: EntityId
    event_type: TextId64


BOOKINGS = upserted_table(
    "bookings",
    column("id", EntityId, primary_key=True, comment="names the booking"),
    column("user_id", TelegramId, index=True, comment="the Telegram user"),
    column("username", LongText | None, comment="in Telegram, when this was told"),
    column("first_name", LongText | None, comment="in Telegram, when this was told"),
    column("course_stream", TextId32, comment="3rd_stream, 4th_stream or 5th_stream"),
    column("confirmed", PaymentStatus, comment="0 booked, 1 payment announced, 2 confirmed"),
    Index(None, "course_stream", "confirmed"),
    persons=[telegram("user_id")],
    comment="Bookings of courses",
    business_time="created_on",
)

FREE_LESSON_REGISTRATIONS = upserted_table(
    "free_lesson_registrations",
    column("id", EntityId, primary_key=True, comment="names the registration"),
    column("user_id", TelegramId, index=True, comment="the Telegram user"),
    column("username", LongText | None, comment="in Telegram, when this was told"),
    column("first_name", LongText | None, comment="in Telegram, when this was told"),
    column("lesson_on", Micros | None, comment="UTC; null where no date is set"),
    persons=[telegram("user_id")],
    comment="Registrations for free lessons",
    business_time="created_on",
)

EVENTS = upserted_table(
    "events",
    column("id", EntityId, primary_key=True, comment="names what was done"),
    column("user_id", TelegramId, comment="the Telegram user"),
    column("event_type", TextId64, comment="such as start, lesson_opened or payment_opened"),
    Index(None, "user_id", "created_on"),
    persons=[telegram("user_id")],
    comment="What users did with the bot",
    business_time="created_on",
)

SEARCH_LENGTH = 64
"""The characters of a name that can be searched: TEXT itself can't be indexed in order."""

SEARCH_COLLATION = "utf8mb4_unicode_520_ci"
"""A collation that tells neither case nor accents apart. Both servers have it. Unlike utf8mb4_unicode_ci it knows
characters of four bytes: there every emoji would be the same."""


def _searched(name: str) -> Column[Any]:
    """The start of a name, which the server keeps beside it, so that a search can't be stale."""
    return Column(
        f"{name}_start",
        mysql.VARCHAR(SEARCH_LENGTH, collation=SEARCH_COLLATION),
        Computed(f"LEFT({name}, {SEARCH_LENGTH})", persisted=True),
        index=True,
        comment=f"the first {SEARCH_LENGTH} characters of {name}, for searching",
    )


TELEGRAM_USER = upserted_table(
    "telegram_user",
    column("user_id", TelegramId, primary_key=True, comment="the Telegram user"),
    column("username", LongText | None, comment="in Telegram, the latest"),
    column("first_name", LongText | None, comment="in Telegram, the latest"),
    _searched("username"),
    _searched("first_name"),
    persons=[telegram("user_id")],
    comment="Users of the Telegram bot, each under the latest name",
)

_user = into(TELEGRAM_USER, created_on="joined_on")

STREAM = Stream(
    topic="learner",
    key="user_id",
    routes={
        CourseBooked: [into(BOOKINGS, id="booking_id"), _user],
        FreeLessonRegistered: [into(FREE_LESSON_REGISTRATIONS, id="registration_id"), _user],
        LearnerActed: [into(EVENTS, id="learner_event_id"), _user],
    },
    keyed_by=PersonKind.TELEGRAM,
)
