"""The model of topic bytemark.order."""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, MOMENT, decimal, free_text, moment, money, text_id


def _payment_row(event: Event) -> Row:
    own = {name: event[name] for name in ("order_id", "user_id", "payment_type", "card")}
    return {
        "id": event["payment_id"],
        **own,
        "total_price": money(event["total_price"]),
        "created_on": moment(event["created_on"]),
    }


def _item_row(event: Event) -> Row:
    own = {name: event[name] for name in ("order_id", "user_id", "product_name")}
    moments = {name: moment(event[name]) for name in ("valid_from", "valid_until", "created_on")}
    return {"id": event["item_id"], **own, "price": money(event["price"]), **moments}


TOPIC = TopicModel(
    topic="bytemark.order",
    rules={
        "OrderPaid": {
            **EVENT,
            "order_id": ID,
            "payment_id": ID,
            "user_id": ID,
            "payment_type": text_id(32),
            "card": text_id(32),
            "total_price": decimal(10),
            "created_on": MOMENT,
        },
        "OrderItemIssued": {
            **EVENT,
            "order_id": ID,
            "item_id": ID,
            "user_id": ID,
            "product_name": free_text(128),
            "price": decimal(10),
            "valid_from": MOMENT,
            "valid_until": MOMENT,
            "created_on": MOMENT,
        },
    },
    tables={
        "bytemark_order_payments": TableModel(
            ("id",), {"OrderPaid": only(_payment_row)}, emptied={"card": ("app", "user_id")}
        ),
        "bytemark_order_items": TableModel(("id",), {"OrderItemIssued": only(_item_row)}),
    },
    key=key_is("order_id"),
)
