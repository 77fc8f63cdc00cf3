"""Topic rewards.points: the ledger of points; see schemas/."""

from sqlalchemy import Index, func

from stream.declaration import Event, PersonKind, Stream, app, column, into, rolled_up, rollup_table, upserted_table
from stream.declaration.rollups import Sum
from stream.declaration.types import EntityId, Micros, Money, ReferenceId, Text200


class PointsTransacted(Event):
    """Points that a user got or spent, and the balance since."""

    transaction_id: EntityId
    user_id: EntityId
    activity_type: ReferenceId
    points: Money
    balance: Money
    note: Text200 | None
    payer: ReferenceId
    payee: ReferenceId
    ref_transaction_id: ReferenceId
    created_on: Micros


POINTS_TRANSACTION = upserted_table(
    "points_transaction",
    column("id", EntityId, primary_key=True, comment="names the transaction"),
    column("user_id", EntityId, comment="the app user whose points they are"),
    column("activity_type", ReferenceId, comment="what it was for"),
    column("points", Money, comment="negative where they were spent"),
    column("balance", Money, comment="what the user has since"),
    column("note", Text200 | None, comment="in words; null where nobody left any"),
    column("payer", ReferenceId, comment="who pay the coins; 0 for nobody"),
    column("payee", ReferenceId, comment="who receive the coins; 0 for nobody"),
    column("ref_transaction_id", ReferenceId, comment="0 where it refers to none"),
    Index(None, "created_on"),
    Index(None, "user_id", "created_on", "points"),
    persons=[app("user_id").but_keep_row("note")],
    comment="The ledger of points",
    business_time="created_on",
)

REVENUE = rollup_table(
    "rollup_revenue",
    column("points", Sum, comment="points that users got; those that they spent are left out"),
    column("tokens", Sum, comment="tokens that users got; those that they spent are left out"),
    column("bytemark", Sum, comment="what was paid for orders of transit tickets, less what was paid back"),
    comment="Points, tokens and payments, by the quarter of an hour",
)
"""Two other topics' tables are summed in it as well: rewards.tokens and bytemark.order."""

rolled_up(
    POINTS_TRANSACTION, REVENUE, where=POINTS_TRANSACTION.c.points > 0, points=func.sum(POINTS_TRANSACTION.c.points)
)

STREAM = Stream(
    topic="rewards.points",
    key="user_id",
    routes={PointsTransacted: [into(POINTS_TRANSACTION, id="transaction_id")]},
    keyed_by=PersonKind.APP,
)
