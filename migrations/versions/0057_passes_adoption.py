"""Create the view passes_adoption: who used passes in the last days, the most frequent first."""

from alembic import op

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW passes_adoption AS
        SELECT user_id, COUNT(*) AS pass_usage_count
        FROM hntb_bytemark_pass
        WHERE logged_on > UTC_TIMESTAMP(6) - INTERVAL 30 DAY
        GROUP BY user_id
        ORDER BY pass_usage_count DESC, user_id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW passes_adoption")
