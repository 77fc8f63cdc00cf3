"""Topic bytemark.order: what riders paid for transit tickets, and the tickets that they got; see schemas/."""

from sqlalchemy import Index, func

from stream.catalog.rewards_points import REVENUE
from stream.declaration import Event, Stream, app, column, into, rolled_up, upserted_table
from stream.declaration.types import EntityId, Micros, Money, Text128, TextId32


class OrderPaid(Event):
    """A payment towards an order of tickets."""

    order_id: EntityId
    payment_id: EntityId
    user_id: EntityId
    payment_type: TextId32
    card: TextId32 | None
    """The part of the card that is shown, such as its last four digits; None where it was none."""
    total_price: Money
    created_on: Micros


class OrderItemIssued(Event):
    """A ticket or pass that came of an order."""

    order_id: EntityId
    item_id: EntityId
    user_id: EntityId
    product_name: Text128
    price: Money
    valid_from: Micros | None
    valid_until: Micros | None
    created_on: Micros


BYTEMARK_ORDER_PAYMENTS = upserted_table(
    "bytemark_order_payments",
    column("id", EntityId, primary_key=True, comment="the payment's id"),
    column("order_id", EntityId, index=True, comment="the order that was paid"),
    column("user_id", EntityId, index=True, comment="the app user who paid"),
    column("payment_type", TextId32, comment="such as credit_card, stored_value or points"),
    column("card", TextId32 | None, comment="what is shown of the card; null where it was none"),
    column("total_price", Money, comment="what was paid"),
    Index(None, "created_on"),
    persons=[app("user_id").but_keep_row("card")],
    comment="Payments for orders of transit tickets",
    business_time="created_on",
)

rolled_up(BYTEMARK_ORDER_PAYMENTS, REVENUE, bytemark=func.sum(BYTEMARK_ORDER_PAYMENTS.c.total_price))

BYTEMARK_ORDER_ITEMS = upserted_table(
    "bytemark_order_items",
    column("id", EntityId, primary_key=True, comment="the item's id"),
    column("order_id", EntityId, index=True, comment="the order that it came of"),
    column("user_id", EntityId, index=True, comment="the app user who ordered"),
    column("product_name", Text128, comment="such as Adult Day Pass"),
    column("price", Money, comment="what it cost"),
    column("valid_from", Micros | None, comment="UTC; null until it is activated"),
    column("valid_until", Micros | None, comment="UTC; null until it is activated"),
    persons=[app("user_id").but_keep_row()],
    comment="Tickets and passes that came of orders",
    business_time="created_on",
)

STREAM = Stream(
    topic="bytemark.order",
    key="order_id",
    routes={
        OrderPaid: [into(BYTEMARK_ORDER_PAYMENTS, id="payment_id")],
        OrderItemIssued: [into(BYTEMARK_ORDER_ITEMS, id="item_id")],
    },
)
