"""Topic rewards.campaign: a community's campaigns, told when they open and again as they may hand out more tokens.

No campaign ever gets another's `ap_campaign_id`: which of the two would keep it is decided by the order of arrival.
"""

from collections.abc import Iterator
from random import Random

from stream.catalog.rewards_campaign import CampaignSaved
from stream.produce.accounts import DAY
from stream.produce.communities import Campaign
from stream.produce.riders import RiderDay
from stream.produce.topics.declaration import Datum, Synthetic, unscaled

SAVED_AGAIN_SHARE = 0.1


def campaigns(day: RiderDay, chance: Random, _ids: Iterator[int]) -> Iterator[Datum]:
    for campaign in day.rider.community.campaigns if day.rider.speaks_for_community else ():
        if day.has(campaign.opens_on):
            yield _saved(campaign, campaign.opens_on, campaign.token_cents)
        elif campaign.opens_on < day.midnight and chance.random() < SAVED_AGAIN_SHARE:
            more = campaign.token_cents + chance.randint(1, 500) * 100
            yield _saved(campaign, day.midnight + int(chance.random() * DAY), more)


def _saved(campaign: Campaign, occurred_at: int, token_cents: int) -> Datum:
    return {
        "occurred_at": occurred_at,
        "campaign_id": campaign.campaign_id,
        "ap_campaign_id": campaign.ap_campaign_id,
        "token_id": campaign.token_id,
        "name": campaign.name,
        "tokens": unscaled(token_cents),
        "created_on": campaign.opens_on,
    }


def _before_it_was_approved(saved: Datum) -> Datum:
    return {**saved, "name": "draft", "tokens": unscaled(0)}


SYNTHETICS = (Synthetic(CampaignSaved, tell=campaigns, earlier=_before_it_was_approved),)
