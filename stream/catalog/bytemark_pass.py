"""Topic bytemark.pass: riders' interactions with their Bytemark transit passes; see schemas/."""

from sqlalchemy import Index, func

from stream.declaration import Event, Stream, app, column, into, rolled_up, rollup_table, upserted_table
from stream.declaration.rollups import Count
from stream.declaration.types import AppIdText, EntityId, Micros, TextId32


class BytemarkPassLogged(Event):
    """One interaction of a rider with a Bytemark pass. The id names the interaction, not the pass."""

    bytemark_pass_id: EntityId
    user_id: AppIdText
    interaction: TextId32
    logged_on: Micros | None = None
    """A producer may leave it to `occurred_at`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.logged_on is None:
            self.logged_on = self.occurred_at


HNTB_BYTEMARK_PASS = upserted_table(
    "hntb_bytemark_pass",
    column("bytemark_pass_id", EntityId, primary_key=True, comment="names the interaction"),
    column("user_id", AppIdText, comment="the research participant: an app user's id as text"),
    column("logged_on", Micros, comment="when the pass was logged (UTC)"),
    Index(None, "user_id", "logged_on"),
    Index(None, "logged_on", "user_id"),
    persons=[app("user_id")],
    comment="Interactions with Bytemark passes, for the HNTB research platform",
    business_time="logged_on",
)

PASSES = rollup_table(
    "rollup_passes",
    column("passes", Count, comment="interactions with passes that were logged in the period"),
    comment="Interactions with Bytemark passes, by the quarter of an hour",
)

rolled_up(HNTB_BYTEMARK_PASS, PASSES, passes=func.count())

BYTEMARK_PASS = upserted_table(
    "bytemark_pass",
    column("bytemark_pass_id", EntityId, primary_key=True, comment="names the interaction"),
    column("user_id", AppIdText, index=True, comment="the rider: an app user's id as text"),
    column("interaction", TextId32, comment="what happened, such as activated, validated or expired"),
    column("logged_on", Micros, index=True, comment="when the pass was logged (UTC)"),
    persons=[app("user_id")],
    comment="Usage and validation of Bytemark passes, for QuickSight",
    business_time="logged_on",
)

STREAM = Stream(
    topic="bytemark.pass",
    key="bytemark_pass_id",
    routes={BytemarkPassLogged: [into(HNTB_BYTEMARK_PASS), into(BYTEMARK_PASS)]},
)
