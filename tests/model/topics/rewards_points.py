"""The model of topic rewards.points."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, ID_MAX, MOMENT, decimal, free_text, moment, money, number

REFERENCES = ("activity_type", "payer", "payee", "ref_transaction_id")


def _points_row(event: Event) -> Row:
    own = {name: event[name] for name in ("user_id", "note", *REFERENCES)}
    amounts = {name: money(event[name]) for name in ("points", "balance")}
    return {"id": event["transaction_id"], **own, **amounts, "created_on": moment(event["created_on"])}


TOPIC = TopicModel(
    topic="rewards.points",
    rules={
        "PointsTransacted": {
            **EVENT,
            "transaction_id": ID,
            "user_id": ID,
            **dict.fromkeys(REFERENCES, number(0, ID_MAX)),
            "points": decimal(10),
            "balance": decimal(10),
            "note": free_text(200),
            "created_on": MOMENT,
        }
    },
    tables={
        "points_transaction": TableModel(
            ("id",), {"PointsTransacted": only(_points_row)}, emptied={"note": ("app", "user_id")}
        )
    },
    key=key_is("user_id"),
    keyed_by="app",
)
