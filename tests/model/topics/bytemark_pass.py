"""The model of topic bytemark.pass."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, MOMENT, app_id_text, moment, text_id


def _pass_row(event: Event) -> Row:
    logged_on = event["occurred_at"] if event["logged_on"] is None else event["logged_on"]
    return {
        "bytemark_pass_id": event["bytemark_pass_id"],
        "user_id": event["user_id"],
        "logged_on": moment(logged_on),
        "created_on": moment(event["occurred_at"]),
    }


def _bytemark_row(event: Event) -> Row:
    return {**_pass_row(event), "interaction": event["interaction"]}


KEY = ("bytemark_pass_id",)
PERSON = {"user_id": "app"}

TOPIC = TopicModel(
    topic="bytemark.pass",
    rules={
        "BytemarkPassLogged": {
            **EVENT,
            "bytemark_pass_id": ID,
            "user_id": app_id_text,
            "interaction": text_id(32),
            "logged_on": MOMENT,
        }
    },
    tables={
        "hntb_bytemark_pass": TableModel(KEY, {"BytemarkPassLogged": only(_pass_row)}, {"user_id": "app"}),
        "bytemark_pass": TableModel(KEY, {"BytemarkPassLogged": only(_bytemark_row)}, {"user_id": "app"}),
    },
    key=key_is("bytemark_pass_id"),
)
