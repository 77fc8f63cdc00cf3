"""Topic bytemark.pass: riders' interactions with their Bytemark transit passes; see schemas/."""

from sqlalchemy import Index, func

from stream.declaration import rollups
from stream.declaration.streams import Event, Stream, app, into, upserted_table
from stream.declaration.types import AppIdText, EntityId, Micros, TextId32, column


class BytemarkPassLogged(Event):
    """One interaction of a rider with a Bytemark pass. The id names the interaction, not the pass."""

    bytemark_pass_id: EntityId
    user_id: AppIdText
    interaction: TextId32
    """The kind of interaction, such as activated, validated or expired."""
    logged_on: Micros | None = None
    """The moment of the interaction; a producer may leave it to `occurred_at`."""

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

rollups.rolled_up(HNTB_BYTEMARK_PASS, rollups.PASSES, passes=func.count())

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
