"""Topic learner: riders with a Telegram account meet the bot, register for a free lesson, book courses and look around.

Now and then they change their names there; whoever has no name of one kind has one of the other.
"""

from collections.abc import Iterator
from random import Random

from stream.catalog.learner import CourseBooked, FreeLessonRegistered, LearnerActed
from stream.produce.accounts import DAY, HOUR, MINUTE, SECOND, Account
from stream.produce.riders import RiderDay
from stream.produce.topics.declaration import Datum, Synthetic

# How much of a day's learners do what.
FIRST_BOOKED_SHARE = 0.7
BOOKED_SHARE = 0.03
REGISTERED_SHARE = 0.02
ACTED_SHARE = 0.5

RENAMED_SHARE = 0.1
ACTS_MAX = 6

COURSE_STREAMS = ("3rd_stream", "3rd_stream", "4th_stream", "5th_stream")
ACTS = ("lesson_opened", "lesson_opened", "menu_opened", "payment_opened", "question asked ❓")


def acts(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    account = day.rider.account
    if _meets_the_bot(day):
        yield _act(account, "start", account.saved_on, chance, ids)
    elif _knows_the_bot(day) and (_has_just_left(day) or chance.random() < ACTED_SHARE):
        for _ in range(chance.randint(1, ACTS_MAX)):
            moment = day.midnight + int(chance.random() * DAY)
            yield _act(account, chance.choice(ACTS), moment, chance, ids)


def _act(account: Account, event_type: str, moment: int, chance: Random, ids: Iterator[int]) -> Datum:
    return {**_learner(account, moment, chance), "learner_event_id": next(ids), "event_type": event_type}


def registrations(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    """Registrations: everybody registers when the bot asks first; the date is set some minutes later, if at all."""
    is_first = _meets_the_bot(day)
    is_later = _knows_the_bot(day) and (_has_just_left(day) or chance.random() < REGISTERED_SHARE)
    if is_first or is_later:
        account = day.rider.account
        moment = account.saved_on + 2 * MINUTE if is_first else _in_daytime(day, chance)
        registration = {"registration_id": next(ids), "lesson_on": None, "created_on": moment}
        yield {**_learner(account, moment, chance), **registration}
        if chance.random() < 0.7:
            dated = {**registration, "lesson_on": day.midnight + 3 * DAY + 18 * HOUR}
            yield {**_learner(account, moment + 10 * MINUTE, chance), **dated}


def _when_another_day_was_proposed(registration: Datum) -> Datum:
    return {**registration, "lesson_on": registration["created_on"] + 30 * DAY}


def bookings(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    """A booking is told when it is made, when its payment is announced and when that is confirmed."""
    is_first = _meets_the_bot(day) and chance.random() < FIRST_BOOKED_SHARE
    is_later = _knows_the_bot(day) and (_has_just_left(day) or chance.random() < BOOKED_SHARE)
    if is_first or is_later:
        account = day.rider.account
        moment = account.saved_on + 5 * MINUTE if is_first else _in_daytime(day, chance)
        booking = {"booking_id": next(ids), "course_stream": chance.choice(COURSE_STREAMS), "created_on": moment}
        for confirmed in range(chance.randint(1, 3)):
            yield {**_learner(account, moment + confirmed * HOUR, chance), **booking, "confirmed": confirmed}


def _before_the_stream_was_chosen(booking: Datum) -> Datum:
    other = "4th_stream" if booking["course_stream"] != "4th_stream" else "5th_stream"
    return {**booking, "course_stream": other, "confirmed": 0}


def _learner(account: Account, moment: int, chance: Random) -> Datum:
    """The learner, under the names of the moment."""
    assert account.telegram_id is not None, "who meets the bot has a Telegram account"
    digits = account.telegram_id % 10_000
    username = f"rider_{digits}" if digits % 4 or not account.first_name else None
    if username and chance.random() < RENAMED_SHARE:
        username = f"{username}_{moment // SECOND % 1000}"
    return {
        "occurred_at": moment,
        "user_id": account.telegram_id,
        "username": username,
        "first_name": account.first_name or None,
        "joined_on": account.saved_on,
    }


def _meets_the_bot(day: RiderDay) -> bool:
    account = day.rider.account
    return account.telegram_id is not None and day.has(account.saved_on)


def _knows_the_bot(day: RiderDay) -> bool:
    """Whether the rider had met the bot when the day began."""
    account = day.rider.account
    return account.telegram_id is not None and account.saved_on < day.midnight


def _has_just_left(day: RiderDay) -> bool:
    return day.follows_farewell_of(day.rider.account)


def _in_daytime(day: RiderDay, chance: Random) -> int:
    return day.midnight + 8 * HOUR + int(chance.random() * 12 * HOUR)


SYNTHETICS = (
    Synthetic(CourseBooked, tell=bookings, earlier=_before_the_stream_was_chosen),
    Synthetic(FreeLessonRegistered, tell=registrations, earlier=_when_another_day_was_proposed),
    Synthetic(LearnerActed, tell=acts),
)
