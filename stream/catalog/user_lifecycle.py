"""Topic user.lifecycle: accounts of the app and of Clerk, what is known of them, and their end; see schemas/."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Index

from stream.declaration import (
    Event,
    Person,
    PersonKind,
    Stream,
    admits,
    app,
    clerk,
    column,
    erases,
    into,
    named,
    upserted_table,
)
from stream.declaration.types import (
    EntityId,
    Flag,
    JsonText,
    Latitude,
    Longitude,
    Micros,
    ReferenceId,
    TelegramId,
    Text128,
    Text512,
    TextId32,
    TextId45,
    TextId64,
    TextId256,
    TextId512,
    json_text,
)
from stream.errors import Reason, Rejection, Stage
from stream.moments import iso_text, to_micros


class AppEvent(Event):
    """An event about a user of the app."""

    user_id: EntityId

    @property
    def person_key(self) -> Person:
        return Person(PersonKind.APP, str(self.user_id))


class AppUserSaved(AppEvent):
    """An app account as it stands."""

    first_name: Text128 | None
    last_name: Text128 | None
    email: Text512 | None
    google_id: TextId32 | None
    facebook_id: TextId32 | None
    apple_id: TextId512 | None
    registration_latitude: Latitude | None
    registration_longitude: Longitude | None
    device_token: TextId512 | None
    enterprise_id: ReferenceId | None
    created_on: Micros


class AppUserDeleted(AppEvent):
    """The app user is gone and is to be forgotten."""


class ClerkEvent(Event):
    """An event about a Clerk account."""

    clerk_id: TextId256

    @property
    def person_key(self) -> Person:
        return Person(PersonKind.CLERK, self.clerk_id)


SignupSource = Literal["clerk", "invite", "admin"]


class ClerkAccount(ClerkEvent):
    """A Clerk account as it stands. Clerk itself knows neither role nor status: a null one stays as it is."""

    email: Text512 | None
    created_on: Micros
    first_name: Text128 | None = None
    last_name: Text128 | None = None
    role: TextId32 | None = None
    status: TextId32 | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first_name = self.first_name or ""
        self.last_name = self.last_name or ""


class UserCreated(ClerkAccount):
    """A Clerk account came to be."""

    signup_source: SignupSource | None = None

    # What the account's user_data begin with.
    signup_date_key = "signup_date"
    signup_source_key = "signup_source"

    @property
    def signup_date_value(self) -> str:
        return json_text(iso_text(self.created_on))

    @property
    def signup_source_value(self) -> str | None:
        return None if self.signup_source is None else json_text(self.signup_source)


class UserUpdated(ClerkAccount, kw_only=True):
    """A Clerk account as it stands after a change."""

    changed_by: TextId256 | None

    @property
    def has_name(self) -> bool:
        """A change of name is recorded only where a name is given."""
        return bool(self.first_name or self.last_name)


class UserDeleted(ClerkEvent):
    """The holder of the Clerk account is gone and is to be forgotten."""


Moment = Annotated[datetime, Meta(tz=True)]
"""ISO 8601 with date, time and offset, such as 2026-11-21T09:45:00Z: without an offset it would name no moment."""


class Preferences(msgspec.Struct, forbid_unknown_fields=True):
    theme: Literal["light", "dark", "system"]
    notifications: bool
    language: str
    timezone: str


class OnboardingStatus(msgspec.Struct, forbid_unknown_fields=True):
    step: Literal["welcome", "profile", "preferences", "complete"]
    completed: bool
    started_at: Moment
    completed_at: Moment | msgspec.UnsetType = msgspec.UNSET


USER_DATA_READERS: dict[str, msgspec.json.Decoder[Any]] = {
    "preferences": msgspec.json.Decoder(Preferences),
    "feature_flags": msgspec.json.Decoder(dict[str, bool]),
    "onboarding_status": msgspec.json.Decoder(OnboardingStatus),
    "last_clerk_sync": msgspec.json.Decoder(Moment),
    "signup_date": msgspec.json.Decoder(Moment),
    "signup_source": msgspec.json.Decoder(SignupSource),
}
"""The keys that may be set, and what reads their JSON, by its shape. What grows (session_count, last_active,
login_history, name_history) is kept as rows of its own and shown beside them by the view `user_data_with_history`;
nobody sets it, for two sources of one value would contradict each other."""


class UserDataSet(ClerkEvent):
    """One key of what is known of a Clerk account, set to a JSON value."""

    key: TextId64
    value: JsonText
    created_on: Micros
    """The moment at which the key was first set."""

    def __post_init__(self) -> None:
        super().__post_init__()
        reader = USER_DATA_READERS.get(self.key)
        if reader is None:
            raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "key")
        try:
            value = reader.decode(self.value)
        except msgspec.DecodeError:
            raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, "value") from None
        parts = msgspec.structs.astuple(value) if isinstance(value, msgspec.Struct) else (value,)
        for moment in (part for part in parts if isinstance(part, datetime)):
            self.check_moment(to_micros(moment), "value")


class UserSignedIn(ClerkEvent):
    """An attempt to sign in."""

    signed_in_on: Micros
    device: Text512 | None
    ip: TextId45 | None
    success: Flag


class TelegramEvent(Event):
    """An event about a Telegram user."""

    telegram_user_id: TelegramId

    @property
    def person_key(self) -> Person:
        return Person(PersonKind.TELEGRAM, str(self.telegram_user_id))


class TelegramUserDeleted(TelegramEvent):
    """The Telegram user is gone and is to be forgotten."""


class TelegramUserReturned(TelegramEvent):
    """The Telegram user, once forgotten, is back and has agreed again."""


AUTH_USER = upserted_table(
    "auth_user",
    column("id", EntityId, primary_key=True, comment="names the app user"),
    column("first_name", Text128 | None, comment="as the user gave it"),
    column("last_name", Text128 | None, comment="as the user gave it"),
    column("email", Text512 | None, comment="as the user gave it"),
    column("google_id", TextId32 | None, comment="of a Google account, where one is used to sign in"),
    column("facebook_id", TextId32 | None, comment="of a Facebook account, where one is used to sign in"),
    column("apple_id", TextId512 | None, comment="of an Apple account, where one is used to sign in"),
    column("registration_latitude", Latitude | None, comment="degrees (WGS 84), where the user registered"),
    column("registration_longitude", Longitude | None, comment="degrees (WGS 84), where the user registered"),
    column("device_token", TextId512 | None, comment="where notifications go"),
    column("enterprise_id", ReferenceId | None, comment="0 or null for none"),
    Index(None, "created_on"),
    persons=[app("id")],
    comment="Users of the app",
)

USERS = upserted_table(
    "users",
    column("clerk_id", TextId256, primary_key=True, comment="names the Clerk account"),
    column("email", Text512 | None, comment="the primary address"),
    column("first_name", Text128, comment="empty where none is given"),
    column("last_name", Text128, comment="empty where none is given"),
    *named("role", TextId32, otherwise="user", comment="such as user or admin"),
    *named("status", TextId32, otherwise="active", comment="such as active"),
    persons=[clerk("clerk_id")],
    comment="Clerk accounts",
)

USER_DATA = upserted_table(
    "user_data",
    column("clerk_id", TextId256, primary_key=True, comment="the Clerk account"),
    column("key", TextId64, primary_key=True, comment="which value, such as preferences"),
    # An account may come to be without a word of how; any other value is always named.
    *named("value", JsonText, otherwise='"clerk"', comment="JSON, as text"),
    persons=[clerk("clerk_id")],
    comment="What is known of Clerk accounts, by key",
)

NAME_HISTORY = upserted_table(
    "user_name_history",
    column("clerk_id", TextId256, index=True, comment="the Clerk account"),
    column("first_name", Text128, comment="the new one"),
    column("last_name", Text128, comment="the new one"),
    column("changed_by", TextId256 | None, comment="the administrator's Clerk id; null where the user did it"),
    persons=[clerk("clerk_id"), clerk("changed_by").but_keep_row("changed_by")],
    comment="Names that Clerk accounts were given, a row for each change",
)

SIGN_IN = upserted_table(
    "user_sign_in",
    column("clerk_id", TextId256, index=True, comment="the Clerk account"),
    column("signed_in_on", Micros, index=True, comment="UTC"),
    column("device", Text512 | None, comment="as the browser or the app says"),
    column("ip", TextId45 | None, comment="where it came from"),
    column("success", Flag, comment="1 where it succeeded"),
    persons=[clerk("clerk_id")],
    comment="Attempts to sign in to Clerk accounts, a row each",
    business_time="signed_in_on",
)

STREAM = Stream(
    topic="user.lifecycle",
    key="person_key",
    routes={
        AppUserSaved: [into(AUTH_USER, id="user_id")],
        AppUserDeleted: [erases(PersonKind.APP, "user_id")],
        UserCreated: [
            into(USERS),
            into(USER_DATA, key="signup_date_key", value="signup_date_value"),
            into(USER_DATA, key="signup_source_key", value="signup_source_value"),
        ],
        UserUpdated: [into(USERS), into(NAME_HISTORY, created_on="occurred_at").where("has_name")],
        UserDeleted: [erases(PersonKind.CLERK, "clerk_id")],
        UserDataSet: [into(USER_DATA)],
        UserSignedIn: [into(SIGN_IN)],
        TelegramUserDeleted: [erases(PersonKind.TELEGRAM, "telegram_user_id")],
        TelegramUserReturned: [admits(PersonKind.TELEGRAM, "telegram_user_id")],
    },
    has_tombstones=True,
)
