"""Topic rewards.tokens: the ledger of campaigns' tokens; see schemas/."""

from sqlalchemy import Index, func

from stream.catalog.rewards_points import REVENUE
from stream.declaration import Event, PersonKind, Stream, app, column, into, rolled_up, upserted_table
from stream.declaration.types import EntityId, Micros, Money, ReferenceId


class TokensTransacted(Event):
    """Tokens that a user got or spent, and the balance since."""

    transaction_id: EntityId
    user_id: EntityId
    enterprise_id: ReferenceId | None
    activity_type: ReferenceId | None
    tokens: Money | None
    balance: Money | None
    campaign_id: ReferenceId | None
    """The campaign's ap_campaign_id; None for tokens of no campaign."""
    f_agency_id: ReferenceId
    f_token_id: ReferenceId
    expired_on: Micros | None
    issued_on: Micros | None = None
    """The moment of the transaction; a producer may leave it to `occurred_at`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.issued_on is None:
            self.issued_on = self.occurred_at


TOKEN_TRANSACTION = upserted_table(
    "token_transaction",
    column("id", EntityId, primary_key=True, comment="names the transaction"),
    column("user_id", EntityId, comment="the app user whose tokens they are"),
    column("enterprise_id", ReferenceId | None, comment="null where it is of none"),
    column("activity_type", ReferenceId | None, comment="what it was for"),
    column("tokens", Money | None, comment="negative where they were spent"),
    column("balance", Money | None, comment="what the user has since"),
    column("campaign_id", ReferenceId | None, comment="a campaign's ap_campaign_id"),
    column("f_agency_id", ReferenceId, comment="0 for none"),
    column("f_token_id", ReferenceId, comment="0 for none"),
    column("issued_on", Micros, index=True, comment="UTC"),
    column("expired_on", Micros | None, comment="UTC; null where they do not expire"),
    Index("main_query_index_1", "user_id", "activity_type", "f_agency_id", "f_token_id", "issued_on", "expired_on"),
    Index(None, "campaign_id", "user_id", "issued_on", "tokens"),
    persons=[app("user_id").but_keep_row()],
    comment="The ledger of campaigns' tokens",
    business_time="issued_on",
)

rolled_up(TOKEN_TRANSACTION, REVENUE, where=TOKEN_TRANSACTION.c.tokens > 0, tokens=func.sum(TOKEN_TRANSACTION.c.tokens))

STREAM = Stream(
    topic="rewards.tokens",
    key="user_id",
    routes={TokensTransacted: [into(TOKEN_TRANSACTION, id="transaction_id", created_on="issued_on")]},
    keyed_by=PersonKind.APP,
)
