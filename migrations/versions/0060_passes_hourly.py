"""Create the view passes_hourly: interactions with passes by the hour of the day."""

from alembic import op

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW passes_hourly AS
        SELECT HOUR(period_start) AS usage_hour, CAST(SUM(passes) AS SIGNED) AS hourly_count
        FROM rollup_passes
        WHERE TRUE
        GROUP BY usage_hour
        ORDER BY usage_hour
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW passes_hourly")
