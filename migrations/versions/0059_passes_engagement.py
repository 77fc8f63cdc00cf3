"""Create the view passes_engagement: since when a user has used passes, until when, and how often."""

from alembic import op

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW passes_engagement AS
        SELECT counted.*,
            DATEDIFF(last_interaction, first_interaction) AS engagement_days
        FROM (
            SELECT user_id, COUNT(*) AS total_interactions,
                MIN(logged_on) AS first_interaction, MAX(logged_on) AS last_interaction
            FROM hntb_bytemark_pass
            WHERE TRUE
            GROUP BY user_id
        ) counted
        ORDER BY user_id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW passes_engagement")
