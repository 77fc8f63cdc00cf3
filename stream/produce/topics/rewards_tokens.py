"""Topic rewards.tokens: what campaigns hand out, to everybody once and then for rides by transit, and how it is spent.

Each transaction's balance follows from the rider's transactions before it.
"""

from collections.abc import Iterator
from operator import attrgetter
from random import Random

from stream.catalog.rewards_tokens import TokensTransacted
from stream.produce.accounts import DAY, HOUR, MINUTE
from stream.produce.riders import TRANSIT, Rider, RiderDay
from stream.produce.topics.declaration import Datum, Synthetic, unscaled
from stream.produce.topics.user_lifecycle import has_just_left

# What tokens are for.
STARTED, RODE, SPENT = 1, 2, 3

OWN_CLOCK_SHARE = 0.3
"""The share of transactions that say themselves when they were issued; the rest leave it to `occurred_at`."""

RIDE_SHARE = 0.3
SPENDS_SHARE = 0.1
PRICE = 7_50
EXPIRES_AFTER = 90 * DAY
AGENCIES = 4


def transactions(day: RiderDay, chance: Random, ids: Iterator[int]) -> Iterator[Datum]:
    rider, started_on = day.rider, day.rider.account.saved_on + 3 * MINUTE
    if started_on >= day.midnight + DAY:
        return
    if day.has(started_on):
        yield _issued(rider, started_on, STARTED, 10_00, chance, ids)
    elif has_just_left(day):
        yield _issued(rider, day.midnight + 3 * HOUR, STARTED, 1, chance, ids)
    last = max(started_on, day.midnight + 4 * HOUR)
    for journey in sorted(day.journeys, key=attrgetter("arrives_on")):
        if journey.mode is TRANSIT and journey.arrives_on > last and chance.random() < RIDE_SHARE:
            last = journey.arrives_on
            yield _issued(rider, last, RODE, 50 + int(chance.random() * 200), chance, ids)
    if rider.purse.tokens >= PRICE and chance.random() < SPENDS_SHARE:
        yield _spent(rider, last + 10 * MINUTE, chance, ids)


def _issued(rider: Rider, moment: int, activity_type: int, tokens: int, chance: Random, ids: Iterator[int]) -> Datum:
    campaign = {"campaign_id": rider.campaign.ap_campaign_id, "f_token_id": rider.campaign.token_id}
    expires = {"expired_on": moment + EXPIRES_AFTER}
    return {**_transaction(rider, moment, activity_type, tokens, chance, ids), **campaign, **expires}


def _spent(rider: Rider, moment: int, chance: Random, ids: Iterator[int]) -> Datum:
    return _transaction(rider, moment, SPENT, -PRICE, chance, ids)


def _transaction(
    rider: Rider, moment: int, activity_type: int, tokens: int, chance: Random, ids: Iterator[int]
) -> Datum:
    rider.purse.tokens += tokens
    return {
        "occurred_at": moment,
        "transaction_id": next(ids),
        "user_id": rider.rider_id,
        "enterprise_id": rider.rider_id % 20 if rider.rider_id % 5 else None,
        "activity_type": activity_type,
        "tokens": unscaled(tokens),
        "balance": unscaled(rider.purse.tokens),
        "campaign_id": None,
        "f_agency_id": rider.rider_id % AGENCIES,
        "f_token_id": 0,
        "expired_on": None,
        "issued_on": moment if chance.random() < OWN_CLOCK_SHARE else None,
    }


def _before_it_was_prolonged(transaction: Datum) -> Datum:
    return {**transaction, "expired_on": transaction["occurred_at"] + DAY}


SYNTHETICS = (Synthetic(TokensTransacted, tell=transactions, earlier=_before_it_was_prolonged),)
