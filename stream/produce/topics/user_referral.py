"""Topic user.referral: who brought whom, told when the newcomer's account is, and again after either has left."""

from collections.abc import Iterator
from random import Random

from stream.catalog.user_referral import UserReferred
from stream.produce.accounts import DAY, MINUTE
from stream.produce.bonds import brought_on
from stream.produce.riders import RiderDay
from stream.produce.topics.declaration import Datum, Synthetic

TOLD_AGAIN_SHARE = 0.01


def referrals(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    rider, referral = day.rider, day.rider.referral
    if referral is None:
        return
    first_told_on = rider.account.saved_on + MINUTE
    if day.has(first_told_on):
        occurred_at = first_told_on
    elif first_told_on < day.midnight and _is_told_again(day, chance):
        occurred_at = day.midnight + int(chance.random() * DAY)
    else:
        return
    yield {
        "occurred_at": occurred_at,
        "referral_id": referral.referral_id,
        "sender_user_id": referral.sender_id,
        "receiver_user_id": rider.rider_id,
        "referral_code": referral.code,
        "created_on": brought_on(rider.account, referral),
    }


def _is_told_again(day: RiderDay, chance: Random) -> bool:
    referral = day.rider.referral
    told_of = [day.rider.account, *([referral.sender] if referral else [])]
    return any(map(day.follows_farewell_of, told_of)) or chance.random() < TOLD_AGAIN_SHARE


def _before_it_was_confirmed(referral: Datum) -> Datum:
    return {**referral, "referral_code": "unconfirmed"}


SYNTHETICS = (Synthetic(UserReferred, tell=referrals, earlier=_before_it_was_confirmed),)
