"""Topic bytemark.order: the payments towards each purchase, and its tickets as they are issued and activated."""

from collections.abc import Iterator
from random import Random

from stream.catalog.bytemark_order import OrderItemIssued, OrderPaid
from stream.produce.accounts import SECOND
from stream.produce.purchases import Item, Purchase
from stream.produce.riders import RiderDay
from stream.produce.topics.declaration import Datum, Synthetic, unscaled


def payments(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    purchase = day.purchase
    for payment in purchase.payments if purchase else ():
        assert purchase is not None
        yield {
            "occurred_at": payment.paid_on + SECOND,
            "order_id": purchase.order_id,
            "payment_id": payment.payment_id,
            "user_id": day.rider.rider_id,
            "payment_type": payment.payment_type,
            "card": payment.card,
            "total_price": unscaled(payment.cents),
            "created_on": payment.paid_on,
        }


def _before_the_bank_answered(payment: Datum) -> Datum:
    return {**payment, "payment_type": "pending", "card": None}


def items(day: RiderDay, _chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    purchase = day.purchase
    for item in purchase.items if purchase else ():
        assert purchase is not None
        issued = _issued(day, purchase, item)
        yield issued
        if purchase.activated_on is not None:
            valid_until = purchase.activated_on + item.product.lasts
            activated = {"valid_from": purchase.activated_on, "valid_until": valid_until}
            yield {**issued, **activated, "occurred_at": purchase.activated_on}


def _issued(day: RiderDay, purchase: Purchase, item: Item) -> Datum:
    return {
        "occurred_at": purchase.bought_on + 2 * SECOND,
        "order_id": purchase.order_id,
        "item_id": item.item_id,
        "user_id": day.rider.rider_id,
        "product_name": item.product.name,
        "price": unscaled(item.product.cents),
        "valid_from": None,
        "valid_until": None,
        "created_on": purchase.bought_on,
    }


def _when_reserved(item: Datum) -> Datum:
    return {**item, "product_name": "reserved", "valid_from": None, "valid_until": None}


SYNTHETICS = (
    Synthetic(OrderPaid, tell=payments, earlier=_before_the_bank_answered),
    Synthetic(OrderItemIssued, tell=items, earlier=_when_reserved),
)
