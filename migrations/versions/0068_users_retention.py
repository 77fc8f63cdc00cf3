"""Create the view users_retention: how many of those who registered in a week did anything in it and in the weeks after."""

from alembic import op

revision = "0068"
down_revision = "0067"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW users_retention AS
        WITH RECURSIVE later AS (
            SELECT 0 AS weeks_after UNION ALL SELECT weeks_after + 1 FROM later WHERE weeks_after < 12
        ), registered AS (
            SELECT id, (DATE(created_on) - INTERVAL WEEKDAY(DATE(created_on)) DAY) AS registration_week
            FROM auth_user
            WHERE created_on >= UTC_TIMESTAMP(6) - INTERVAL 7 * 12 + 8 DAY
        ), cohort AS (
            SELECT registration_week, COUNT(*) AS users
            FROM registered
            WHERE registration_week >= (DATE(UTC_TIMESTAMP(6)) - INTERVAL WEEKDAY(DATE(UTC_TIMESTAMP(6))) DAY) - INTERVAL 12 WEEK
            GROUP BY registration_week
        ), active AS (
            SELECT r.id, r.registration_week, (DATE(a.created_on) - INTERVAL WEEKDAY(DATE(a.created_on)) DAY) AS active_week
            FROM registered r JOIN points_transaction a ON a.user_id = r.id UNION
            SELECT r.id, r.registration_week, (DATE(a.issued_on) - INTERVAL WEEKDAY(DATE(a.issued_on)) DAY) AS active_week
            FROM registered r JOIN token_transaction a ON a.user_id = r.id UNION
            SELECT r.id, r.registration_week, (DATE(a.started_on) - INTERVAL WEEKDAY(DATE(a.started_on)) DAY) AS active_week
            FROM registered r JOIN trip a ON a.user_id = r.id
        )
        SELECT cohort.registration_week, later.weeks_after, cohort.users, COUNT(active.id) AS active_users,
            COUNT(active.id) / cohort.users AS retention
        FROM cohort
        JOIN later ON cohort.registration_week + INTERVAL later.weeks_after WEEK <= (DATE(UTC_TIMESTAMP(6)) - INTERVAL WEEKDAY(DATE(UTC_TIMESTAMP(6))) DAY)
        LEFT JOIN active ON active.active_week = cohort.registration_week + INTERVAL later.weeks_after WEEK
            AND active.registration_week = cohort.registration_week
        GROUP BY cohort.registration_week, later.weeks_after, cohort.users
        ORDER BY cohort.registration_week, later.weeks_after
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW users_retention")
