"""The model of topic user.referral."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, MOMENT, moment, text_id


def _referral_row(event: Event) -> Row:
    own = {name: event[name] for name in ("sender_user_id", "receiver_user_id", "referral_code")}
    return {"id": event["referral_id"], **own, "created_on": moment(event["created_on"])}


TOPIC = TopicModel(
    topic="user.referral",
    rules={
        "UserReferred": {
            **EVENT,
            "referral_id": ID,
            "sender_user_id": ID,
            "receiver_user_id": ID,
            "referral_code": text_id(64),
            "created_on": MOMENT,
        }
    },
    tables={
        # The code is the sender's own: with it one would know them again.
        "referral_history": TableModel(
            ("id",),
            {"UserReferred": only(_referral_row)},
            {"receiver_user_id": "app"},
            {"sender_user_id": ("app", "sender_user_id"), "referral_code": ("app", "sender_user_id")},
        )
    },
    key=key_is("receiver_user_id"),
    keyed_by="app",
)
