"""Topic rewards.campaign: campaigns that hand out tokens; see schemas/."""

from stream.declaration import Event, Stream, column, into, upserted_table
from stream.declaration.types import EntityId, Micros, Money, ReferenceId, Text32


class CampaignSaved(Event):
    """A campaign as it stands."""

    campaign_id: EntityId
    ap_campaign_id: ReferenceId
    token_id: ReferenceId
    name: Text32
    tokens: Money
    created_on: Micros


CAMPAIGN = upserted_table(
    "campaign",
    column("id", EntityId, primary_key=True, comment="names the campaign"),
    column("ap_campaign_id", ReferenceId, unique=True, comment="what tokens refer to"),
    column("token_id", ReferenceId, comment="0 for none"),
    column("name", Text32, comment="what people call it"),
    column("tokens", Money, comment="how many it may hand out"),
    persons=[],
    comment="Campaigns that hand out tokens",
)

STREAM = Stream(
    topic="rewards.campaign", key="ap_campaign_id", routes={CampaignSaved: [into(CAMPAIGN, id="campaign_id")]}
)
