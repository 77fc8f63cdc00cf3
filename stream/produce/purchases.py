"""Purchases for rides: an order with the payments towards it and the tickets that come of it."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from stream.produce.accounts import DAY, HOUR, MINUTE, SECOND


class Product(NamedTuple):
    name: str
    cents: int
    lasts: int


PRODUCTS = (
    Product("Single Ride", 125, 3 * HOUR),
    Product("Adult Day Pass", 300, DAY),
    Product("Adult Day Pass", 300, DAY),
    Product("Pase de 7 días, “Metro & Bus” 🚍", 1250, 7 * DAY),
)

CARDS = ("Visa", "Mastercard", "Débito", "Amex")


class Payment(NamedTuple):
    payment_id: int
    paid_on: int
    payment_type: str
    card: str | None
    cents: int
    """The amount; negative for a refund."""


class Item(NamedTuple):
    item_id: int
    product: Product


class Purchase(NamedTuple):
    order_id: int
    bought_on: int
    payments: tuple[Payment, ...]
    items: tuple[Item, ...]
    activated_on: int | None
    """The moment at which the tickets were first shown; None where they weren't on that day."""


def buy(rider_id: int, bought_on: int, activated_on: int | None, chance: Random, ids: Iterator[int]) -> Purchase:
    """Mostly one ticket and one payment; sometimes a companion's as well, and sometimes in two parts."""
    product = PRODUCTS[int(chance.random() * len(PRODUCTS))]
    items = tuple(Item(next(ids), product) for _ in range(2 if chance.random() < 0.1 else 1))
    payments = _payments(rider_id, bought_on, len(items) * product.cents, chance, ids)
    return Purchase(next(ids), bought_on, tuple(payments), items, activated_on)


def _payments(rider_id: int, bought_on: int, cents: int, chance: Random, ids: Iterator[int]) -> Iterator[Payment]:
    card = f"{CARDS[rider_id % len(CARDS)]} •••• {rider_id % 10_000:04}"
    stored = cents if chance.random() < 0.25 else int(cents * chance.random()) if chance.random() < 0.2 else 0
    if stored:
        yield Payment(next(ids), bought_on, "stored_value", None, stored)
    if stored < cents:
        yield Payment(next(ids), bought_on + SECOND, "credit_card", card, cents - stored)
        if chance.random() < 0.03:  # complained, and got it back
            yield Payment(next(ids), bought_on + 20 * MINUTE, "refund", card, stored - cents)
