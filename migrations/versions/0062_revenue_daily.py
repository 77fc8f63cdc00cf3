"""Create the view revenue_daily: points and tokens that users got, and what they paid for tickets, on each day."""

from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW revenue_daily AS
        SELECT DATE(period_start) AS `date`,
            SUM(points) AS total_points, SUM(tokens) AS total_tokens, SUM(bytemark) AS total_amount
        FROM rollup_revenue
        WHERE TRUE
        GROUP BY `date`
        ORDER BY `date`
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW revenue_daily")
