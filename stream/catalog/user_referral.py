"""Topic user.referral: who brought whom to the app; see schemas/."""

from stream.declaration import Event, PersonKind, Stream, app, column, into, upserted_table
from stream.declaration.types import EntityId, Micros, TextId64


class UserReferred(Event):
    """A user came to the app because of another."""

    referral_id: EntityId
    sender_user_id: EntityId
    receiver_user_id: EntityId
    referral_code: TextId64 | None
    created_on: Micros


REFERRAL_HISTORY = upserted_table(
    "referral_history",
    column("id", EntityId, primary_key=True, comment="names the referral"),
    column("sender_user_id", EntityId | None, comment="who recommended the app; null once they are erased"),
    column("receiver_user_id", EntityId, index=True, comment="who came"),
    column("referral_code", TextId64 | None, comment="the code that was used"),
    persons=[app("receiver_user_id"), app("sender_user_id").but_keep_row("sender_user_id", "referral_code")],
    comment="Who brought whom to the app",
)

STREAM = Stream(
    topic="user.referral",
    key="receiver_user_id",
    routes={UserReferred: [into(REFERRAL_HISTORY, id="referral_id")]},
    keyed_by=PersonKind.APP,
)
