"""Topic user.lifecycle: riders' accounts as they are saved, used and changed, and how a few of them end.

Whoever leaves is told of afterwards too, here and by the other topics: not every system has heard of it. On the day
after, every record about the account comes once more for sure. Some who left the bot are back at noon of that day.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from stream.catalog.user_lifecycle import (
    AppUserDeleted,
    AppUserSaved,
    TelegramUserDeleted,
    TelegramUserReturned,
    UserCreated,
    UserDataSet,
    UserDeleted,
    UserSignedIn,
    UserUpdated,
)
from stream.declaration.persons import PersonKind
from stream.declaration.types import json_text
from stream.moments import iso_text
from stream.produce.accounts import DAY, HOUR, MINUTE, RETURN_AFTER, SECOND
from stream.produce.riders import Rider, RiderDay
from stream.produce.topics.declaration import IS_TOMBSTONE, Datum, Synthetic, Teller

# How much of a day's riders do what.
SAVED_AGAIN_SHARE = 0.03
UPDATED_SHARE = 0.04
DATA_SET_SHARE = 0.15
SIGNED_IN_SHARE = 0.35

DEVICES = ("Pixel 9, Android 17", "iPhone 15, iOS 19.1", "Firefox 145, Linux", "Galaxy S25 “Ultra” 📱", None)
IPS = ("192.0.2.7", "198.51.100.23", "203.0.113.99", "2001:db8::7", "2001:db8:0:1:1:1:1:1", None)
THEMES = ("light", "dark", "system")
LANGUAGES = ("en", "es-MX", "vi", "zh-Hant")
STEPS = ("profile", "preferences", "complete")
SOURCES = ("clerk", "clerk", "clerk", "invite", "admin")


def app_users(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    account = day.rider.account
    if day.has(account.saved_on):
        yield _app_user(day.rider, account.saved_on, chance)
    elif account.saved_on < day.midnight and (has_just_left(day) or chance.random() < SAVED_AGAIN_SHARE):
        yield _app_user(day.rider, day.midnight + int(chance.random() * DAY), chance)


def _app_user(rider: Rider, occurred_at: int, chance: Random) -> Datum:
    account, number = rider.account, rider.rider_id
    is_known = chance.random() < 0.9
    return {
        "occurred_at": occurred_at,
        "user_id": number,
        "first_name": account.first_name or None,
        "last_name": account.last_name or None,
        "email": account.email,
        "google_id": f"1{number:020}" if number % 3 == 0 else None,
        "facebook_id": f"10{number:015}" if number % 7 == 0 else None,
        "apple_id": f"000{number % 1000:03}.{number:032x}.0{number % 1000:03}" if number % 4 == 1 else None,
        "registration_latitude": rider.home.latitude if is_known else None,
        "registration_longitude": rider.home.longitude if is_known else None,
        "device_token": f"fcm:{chance.getrandbits(160):040x}" if is_known else None,
        "enterprise_id": number % 20 if number % 5 else None,
        "created_on": account.opened_on,
    }


def _before_the_new_phone(saved: Datum) -> Datum:
    return {**saved, "device_token": "fcm:the-phone-before"}


def created(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    account = day.rider.account
    if account.clerk_id and day.has(account.joined_on):
        yield {
            **_clerk_account(day.rider, account.joined_on),
            "role": "admin" if account.is_administrator else None,
            "status": None,
            "signup_source": SOURCES[int(chance.random() * len(SOURCES))],
        }


def updated(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    """Changes of accounts: some give a name and some don't, and some are made by an administrator."""
    is_aftermath = has_just_left(day)
    if has_joined(day) and (is_aftermath or chance.random() < UPDATED_SHARE):
        account = day.rider.account
        is_by_administrator = is_aftermath or chance.random() < 0.3
        has_name = is_aftermath or chance.random() < 0.6
        yield {
            **_clerk_account(day.rider, day.midnight + int(chance.random() * DAY)),
            "first_name": (account.first_name or "Kim") if has_name else None,
            "last_name": f"{account.last_name}-{chance.randrange(100)}" if has_name else None,
            "role": "admin" if account.is_administrator else "user",
            "status": "suspended" if is_by_administrator and not has_name else "active",
            "changed_by": account.administrator if is_by_administrator else None,
        }


def _clerk_account(rider: Rider, occurred_at: int) -> Datum:
    account = rider.account
    return {
        "occurred_at": occurred_at,
        "clerk_id": account.clerk_id,
        "email": account.email,
        "first_name": account.first_name or None,
        "last_name": account.last_name or None,
        "created_on": account.joined_on,
    }


def _when_invited(account: Datum) -> Datum:
    return {**account, "status": "invited"}


def data_set(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    """Data of an account: every key when the account comes to be, and now and then a key again."""
    account = day.rider.account
    if account.clerk_id and day.has(account.joined_on):
        for key in VALUES:
            yield _set(day.rider, key, _first_set_on(day.rider, key), chance)
    elif has_joined(day) and (has_just_left(day) or chance.random() < DATA_SET_SHARE):
        key = KEYS[int(chance.random() * len(KEYS))]
        yield _set(day.rider, key, day.midnight + HOUR + int(chance.random() * (DAY - HOUR)), chance)


def _first_set_on(rider: Rider, key: str) -> int:
    return rider.account.joined_on + (1 + KEYS.index(key)) * SECOND


def _set(rider: Rider, key: str, occurred_at: int, chance: Random) -> Datum:
    return {
        "occurred_at": occurred_at,
        "clerk_id": rider.account.clerk_id,
        "key": key,
        "value": json_text(VALUES[key](rider, occurred_at, chance)),
        "created_on": _first_set_on(rider, key),
    }


def _preferences(_rider: Rider, _occurred_at: int, chance: Random) -> Any:
    return {
        "theme": chance.choice(THEMES),
        "notifications": chance.random() < 0.7,
        "language": chance.choice(LANGUAGES),
        "timezone": "America/Chicago",
    }


def _feature_flags(_rider: Rider, _occurred_at: int, chance: Random) -> Any:
    return {"beta_features": chance.random() < 0.2, 'the "new" map 🗺️': chance.random() < 0.5}


def _onboarding_status(rider: Rider, occurred_at: int, chance: Random) -> Any:
    step = chance.choice(STEPS)
    started = {"step": step, "completed": step == "complete", "started_at": iso_text(rider.account.joined_on)}
    return {**started, "completed_at": iso_text(occurred_at)} if step == "complete" else started


VALUES: dict[str, Callable[[Rider, int, Random], Any]] = {
    "preferences": _preferences,
    "feature_flags": _feature_flags,
    "onboarding_status": _onboarding_status,
    "last_clerk_sync": lambda _rider, occurred_at, _chance: iso_text(occurred_at),
    "signup_date": lambda rider, _occurred_at, _chance: iso_text(rider.account.joined_on),
    "signup_source": lambda _rider, _occurred_at, chance: chance.choice(SOURCES),
}
KEYS = tuple(VALUES)

VALUES_BEFORE = {
    "preferences": '{"theme":"system","notifications":false,"language":"en","timezone":"UTC"}',
    "feature_flags": "{}",
    "onboarding_status": '{"step":"welcome","completed":false,"started_at":"2001-01-01T00:00:00Z"}',
    "last_clerk_sync": '"2001-01-01T00:00:00Z"',
    "signup_date": '"2001-01-01T00:00:00Z"',
    "signup_source": ' "admin" ',
}
"""Values that nobody sets later on, so that a row shows where such a value should have lost."""


def _as_it_was_before(data: Datum) -> Datum:
    return {**data, "value": VALUES_BEFORE[data["key"]]}


def sign_ins(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    """Attempts to sign in, on some days: one rider in ten needs a second try, and some give up."""
    drawn = chance.random() / SIGNED_IN_SHARE
    if has_joined(day) and (drawn < 1 or has_just_left(day)):
        moment = day.midnight + HOUR + int(chance.random() * 22 * HOUR)
        device, ip = chance.choice(DEVICES), chance.choice(IPS)
        is_failing, gives_up = drawn < 0.1, drawn < 0.03
        if is_failing:
            yield _attempt(day.rider, moment, device, ip, success=False)
        if not gives_up:
            yield _attempt(day.rider, moment + MINUTE, device, ip, success=True)


def _attempt(rider: Rider, moment: int, device: str | None, ip: str | None, *, success: bool) -> Datum:
    return {
        "occurred_at": moment + SECOND // 4,
        "clerk_id": rider.account.clerk_id,
        "signed_in_on": moment,
        "device": device,
        "ip": ip,
        "success": success,
    }


def has_joined(day: RiderDay) -> bool:
    """Whether the rider had a Clerk account when the day began."""
    account = day.rider.account
    return account.clerk_id is not None and account.joined_on < day.midnight


def has_just_left(day: RiderDay) -> bool:
    """Whether the rider left on the day before."""
    return day.follows_farewell_of(day.rider.account)


def farewells(kind: PersonKind, field: str, id_of: Callable[[Rider], Any]) -> Teller:
    """The ends of accounts of one kind."""

    def tell(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
        farewell = day.rider.account.farewell
        if farewell is not None and farewell.kind is kind and day.has(farewell.occurs_on):
            yield {"occurred_at": farewell.occurs_on, field: id_of(day.rider), IS_TOMBSTONE: farewell.is_tombstone}

    return tell


def returns(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    """Returns to the bot: on the day after, of those who left it by an event."""
    farewell = day.rider.account.farewell
    has_left_bot = farewell is not None and farewell.kind is PersonKind.TELEGRAM and not farewell.is_tombstone
    if has_left_bot and has_just_left(day):
        yield {"occurred_at": day.midnight + RETURN_AFTER, "telegram_user_id": day.rider.account.telegram_id}


SYNTHETICS = (
    Synthetic(AppUserSaved, tell=app_users, earlier=_before_the_new_phone),
    Synthetic(AppUserDeleted, tell=farewells(PersonKind.APP, "user_id", lambda rider: rider.rider_id)),
    Synthetic(UserCreated, tell=created, earlier=_when_invited),
    Synthetic(UserUpdated, tell=updated, earlier=_when_invited),
    Synthetic(UserDataSet, tell=data_set, earlier=_as_it_was_before),
    Synthetic(UserSignedIn, tell=sign_ins),
    Synthetic(UserDeleted, tell=farewells(PersonKind.CLERK, "clerk_id", lambda rider: rider.account.clerk_id)),
    Synthetic(
        TelegramUserDeleted,
        tell=farewells(PersonKind.TELEGRAM, "telegram_user_id", lambda rider: rider.account.telegram_id),
    ),
    Synthetic(TelegramUserReturned, tell=returns),
)
