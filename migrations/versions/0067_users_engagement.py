"""Create the view users_engagement: users who registered in the last days and did anything since, those with most points first."""

from alembic import op

revision = "0067"
down_revision = "0066"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW users_engagement AS
        SELECT engaged.* FROM (
            SELECT u.id, u.first_name, u.last_name, u.enterprise_id,
                (SELECT COUNT(*) FROM points_transaction p WHERE p.user_id = u.id) AS points_transactions,
                (SELECT COUNT(*) FROM token_transaction t WHERE t.user_id = u.id) AS token_transactions,
                (SELECT COUNT(*) FROM trip t WHERE t.user_id = u.id) AS trips,
                (SELECT COALESCE(SUM(p.points), 0) FROM points_transaction p WHERE p.user_id = u.id) AS total_points,
                (SELECT COALESCE(SUM(t.tokens), 0) FROM token_transaction t WHERE t.user_id = u.id) AS total_tokens
            FROM auth_user u
            WHERE u.created_on >= UTC_TIMESTAMP(6) - INTERVAL 30 DAY
        ) engaged
        WHERE points_transactions + token_transactions + trips > 0
        ORDER BY total_points DESC, id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW users_engagement")
