"""Create the view passes_daily: interactions with passes on each day."""

from alembic import op

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW passes_daily AS
        SELECT DATE(period_start) AS usage_date, CAST(SUM(passes) AS SIGNED) AS daily_pass_usage
        FROM rollup_passes
        WHERE TRUE
        GROUP BY usage_date
        ORDER BY usage_date
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW passes_daily")
