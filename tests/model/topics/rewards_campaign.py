"""The model of topic rewards.campaign.

It knows nothing of conflicts: which of two campaigns keeps an ap_campaign_id that both claim is decided by the order
in which they come, and the model has none. Who feeds it such records says themselves which are dead letters.
"""

from tests.model.declaration import Event, Row, TableModel, TopicModel, key_is, only
from tests.model.rules import EVENT, ID, ID_MAX, MOMENT, decimal, free_text, moment, money, number


def _campaign_row(event: Event) -> Row:
    own = {name: event[name] for name in ("ap_campaign_id", "token_id", "name")}
    return {
        "id": event["campaign_id"],
        **own,
        "tokens": money(event["tokens"]),
        "created_on": moment(event["created_on"]),
    }


TOPIC = TopicModel(
    topic="rewards.campaign",
    rules={
        "CampaignSaved": {
            **EVENT,
            "campaign_id": ID,
            "ap_campaign_id": number(0, ID_MAX),
            "token_id": number(0, ID_MAX),
            "name": free_text(32),
            "tokens": decimal(10),
            "created_on": MOMENT,
        }
    },
    tables={"campaign": TableModel(("id",), {"CampaignSaved": only(_campaign_row)})},
    key=key_is("ap_campaign_id"),
)
