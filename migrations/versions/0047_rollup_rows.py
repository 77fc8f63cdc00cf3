"""Have the rollups sum the rows that are there already: `stream run` does it as soon as it starts."""

from alembic import op

revision = "0047"
down_revision = "0046"

PERIOD = "TIMESTAMP'1970-01-01 00:00:00' + INTERVAL (TIMESTAMPDIFF(MINUTE, '1970-01-01', {}) DIV 15) * 15 MINUTE"

SHARES = [
    ("rollup_passes", "hntb_bytemark_pass", "logged_on"),
    ("rollup_revenue", "points_transaction", "created_on"),
    ("rollup_revenue", "token_transaction", "issued_on"),
    ("rollup_revenue", "bytemark_order_payments", "created_on"),
    ("rollup_trips", "trip", "started_on"),
]


def upgrade() -> None:
    periods = " UNION ".join(
        f"SELECT '{rollup}' AS rollup, {PERIOD.format(time)} AS period_start FROM {table}"
        for rollup, table, time in SHARES
    )
    op.execute(
        "INSERT INTO rollup_touched (rollup, period_start, touched_on) "
        f"SELECT rollup, period_start, UTC_TIMESTAMP(6) FROM ({periods}) periods"
    )


def downgrade() -> None:
    """The rollups themselves go with their own migrations."""
