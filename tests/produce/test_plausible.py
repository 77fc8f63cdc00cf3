"""Purchases, rewards, labels and referrals of the synthetic producer fit together, as those of a real town would."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stream.catalog import STREAMS, Event
from stream.catalog.bytemark_order import OrderItemIssued, OrderPaid
from stream.catalog.rewards_points import PointsTransacted
from stream.catalog.rewards_tokens import TokensTransacted
from stream.catalog.trip import TripRecorded
from stream.catalog.trip_activity_location import ActivityLocationClustered
from stream.catalog.user_label import LabelDefined, UserLabelled, UserUnlabelled
from stream.catalog.user_lifecycle import AppUserSaved
from stream.catalog.user_referral import UserReferred
from stream.produce import Plan, synthesize
from stream.records import Record
from stream.stages.decode import decode_record
from tests.stores import STORE

UNTIL = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
TIMESTAMP_MS = int(UNTIL.timestamp()) * 1000
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def told() -> list[Any]:
    """The events of 20,000 messages, in the order in which they happened."""
    readers = {topic: STORE.readers(topic) for topic in STREAMS}
    return [
        decode_record(Record(0, TIMESTAMP_MS, message.key, message.value), readers[message.topic])[1]
        for message in synthesize(Plan(seed=11, until=UNTIL, count=20_000))
        if message.value is not None
    ]


def _of(told: list[Any], kind: type[Event]) -> list[Any]:
    return [event for event in told if type(event) is kind]


def _grouped(events: Sequence[Any], attribute: str) -> dict[int, list[Any]]:
    groups = defaultdict(list)
    for event in sorted(events, key=lambda event: event.version):
        groups[getattr(event, attribute)].append(event)
    return groups


@pytest.mark.parametrize(("kind", "amount"), [(PointsTransacted, "points"), (TokensTransacted, "tokens")])
def test_every_balance_of_a_ledger_is_what_the_transactions_before_it_make(
    told: list[Any], kind: type[Event], amount: str
) -> None:
    ledgers = _grouped(_of(told, kind), "user_id")
    for transactions in ledgers.values():
        balance = Decimal(0)
        for transaction in transactions:
            balance += getattr(transaction, amount)
            assert transaction.balance == balance
            assert balance >= 0, "nobody spends what they don't have"
    amounts = [getattr(transaction, amount) for transactions in ledgers.values() for transaction in transactions]
    assert min(amounts) < 0 < max(amounts)
    assert len({transaction.transaction_id for transaction in _of(told, kind)}) == len(amounts)


def test_points_that_are_given_back_are_those_of_an_earlier_transaction(told: list[Any]) -> None:
    transactions = {transaction.transaction_id: transaction for transaction in _of(told, PointsTransacted)}
    returned = [transaction for transaction in transactions.values() if transaction.ref_transaction_id]
    assert len(returned) > 3
    for transaction in returned:
        spent = transactions[transaction.ref_transaction_id]
        assert (spent.user_id, spent.points) == (transaction.user_id, -transaction.points)
        assert spent.occurred_at < transaction.occurred_at


def test_tokens_of_riders_in_one_group_come_from_one_campaign(told: list[Any]) -> None:
    tokens = _of(told, TokensTransacted)
    handed_out = {transaction.campaign_id for transaction in tokens if transaction.tokens > 0}
    assert None not in handed_out
    assert 0 < len(handed_out) < len({transaction.user_id for transaction in tokens}) / 10
    assert {transaction.campaign_id for transaction in tokens if transaction.tokens < 0} == {None}


def test_payments_of_an_order_cover_its_items(told: list[Any]) -> None:
    payments, items = _grouped(_of(told, OrderPaid), "order_id"), _grouped(_of(told, OrderItemIssued), "order_id")
    covered = 0
    for order_id in payments.keys() & items.keys():
        paid = sum(payment.total_price for payment in payments[order_id] if payment.payment_type != "refund")
        price = sum({item.item_id: item.price for item in items[order_id]}.values())
        covered += paid == price
        assert {payment.user_id for payment in payments[order_id]} == {item.user_id for item in items[order_id]}
    assert covered > 0.98 * len(payments.keys() | items.keys()), "all but those at the edges of the time that is told"
    assert {payment.card is None for payment in _of(told, OrderPaid)} == {True, False}
    assert min(payment.total_price for payment in _of(told, OrderPaid)) < 0


def test_a_ticket_is_activated_after_it_was_issued_and_before_a_ride_of_the_same_rider(told: list[Any]) -> None:
    rides = {(trip.user_id, trip.started_on // 86_400_000_000) for trip in _of(told, TripRecorded)}
    activated = [item for item in _of(told, OrderItemIssued) if item.valid_from]
    assert len(activated) > 100
    for item in activated:
        assert item.created_on < item.valid_from < item.valid_until
    assert sum((item.user_id, item.valid_from // 86_400_000_000) in rides for item in activated) > 0.97 * len(activated)


def test_ways_keep_their_ends_and_their_probabilities_make_at_most_one(told: list[Any]) -> None:
    ways = _grouped(_of(told, ActivityLocationClustered), "activity_location_id")
    assert max(len(versions) for versions in ways.values()) > 3, "they are reckoned anew"
    for versions in ways.values():
        assert len({(way.user_id, way.o_id, way.d_id, way.created_on) for way in versions}) == 1
        for way in versions:
            parts = (way.probability_driving, way.probability_transit, way.probability_walking, way.probability_cycling)
            assert sum(part or 0 for part in parts) <= 1
    ends = Counter((way.o_id, way.d_id, way.travel_mode) for way in _of(told, ActivityLocationClustered))
    assert max(ends.values()) > 10, "some are busier than others"


def test_every_label_that_somebody_has_is_defined_and_none_is_lost_before_it_is_given(told: list[Any]) -> None:
    defined_on: dict[int, int] = {}
    for label in _of(told, LabelDefined):
        defined_on.setdefault(label.label_id, label.created_on)
        assert label.created_on == defined_on[label.label_id]
    belongings = [*_of(told, UserLabelled), *_of(told, UserUnlabelled)]
    assert {belonging.label_id for belonging in belongings} == set(defined_on)
    pairs = _grouped(belongings, "user_id")
    assert set(pairs) == {account.user_id for account in _of(told, AppUserSaved)}
    for events in pairs.values():
        assert isinstance(events[0], UserLabelled), "nobody loses what they never had"
        assert len({belonging.created_on for belonging in events}) == 1


def test_labels_are_taken_away_and_given_back(told: list[Any]) -> None:
    belongings = [*_of(told, UserLabelled), *_of(told, UserUnlabelled)]
    changes = defaultdict(list)
    for belonging in sorted(belongings, key=lambda belonging: belonging.version):
        changes[belonging.user_id, belonging.label_id].append(belonging.is_deleted)
    assert any(states[:3] == [False, True, False] for states in changes.values())
    assert {states[-1] for states in changes.values()} == {True, False}


def test_who_is_brought_and_who_brought_them_are_riders_and_not_the_same(told: list[Any]) -> None:
    opened_on = {account.user_id: account.created_on for account in _of(told, AppUserSaved)}
    referrals = _grouped(_of(told, UserReferred), "referral_id")
    assert 0.2 < len(referrals) / len(opened_on) < 0.6
    for versions in referrals.values():
        assert len({(event.sender_user_id, event.receiver_user_id, event.referral_code) for event in versions}) == 1
        referral = versions[0]
        assert referral.sender_user_id != referral.receiver_user_id
        assert referral.created_on > opened_on[referral.sender_user_id]
        assert referral.created_on >= opened_on[referral.receiver_user_id]
    codes = {referral.referral_code is None for referral in _of(told, UserReferred)}
    assert codes == {True, False}
