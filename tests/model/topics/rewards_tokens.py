"""The model of topic rewards.tokens."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, ID_MAX, MOMENT, decimal, moment, money, number

REFERENCES = ("enterprise_id", "activity_type", "campaign_id", "f_agency_id", "f_token_id")


def _tokens_row(event: Event) -> Row:
    own = {name: event[name] for name in ("user_id", *REFERENCES)}
    amounts = {name: money(event[name]) for name in ("tokens", "balance")}
    moments = {name: moment(event[name]) for name in ("issued_on", "expired_on")}
    return {"id": event["transaction_id"], **own, **amounts, **moments, "created_on": moments["issued_on"]}


def _completed(_name: str, event: Event) -> Event:
    """Tokens that don't say when they were issued were issued when it occurred."""
    return {**event, "issued_on": event["occurred_at"]} if event["issued_on"] is None else event


TOPIC = TopicModel(
    topic="rewards.tokens",
    rules={
        "TokensTransacted": {
            **EVENT,
            "transaction_id": ID,
            "user_id": ID,
            **dict.fromkeys(REFERENCES, number(0, ID_MAX)),
            "tokens": decimal(10),
            "balance": decimal(10),
            "expired_on": MOMENT,
            "issued_on": MOMENT,
        }
    },
    tables={"token_transaction": TableModel(("id",), {"TokensTransacted": only(_tokens_row)})},
    key=key_is("user_id"),
    keyed_by="app",
    completed=_completed,
)
