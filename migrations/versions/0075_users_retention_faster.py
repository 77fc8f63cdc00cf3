"""Find a user's week once in the view users_retention."""

from alembic import op

revision = "0075"
down_revision = "0074"


def upgrade() -> None:
    op.execute(
        """
        CREATE OR REPLACE VIEW users_retention AS
        WITH RECURSIVE later AS (
            SELECT 0 AS weeks_after UNION ALL SELECT weeks_after + 1 FROM later WHERE weeks_after < 12
        ), registered AS (
            SELECT DISTINCT id, (DATE(created_on) - INTERVAL WEEKDAY(DATE(created_on)) DAY) AS registration_week
            FROM auth_user
            WHERE created_on >= UTC_TIMESTAMP(6) - INTERVAL 7 * 12 + 8 DAY
        ), cohort AS (
            SELECT registration_week, COUNT(*) AS users
            FROM registered
            WHERE registration_week >= (DATE(UTC_TIMESTAMP(6)) - INTERVAL WEEKDAY(DATE(UTC_TIMESTAMP(6))) DAY) - INTERVAL 12 WEEK
            GROUP BY registration_week
        ), active AS (
            SELECT r.id, r.registration_week,
                FLOOR(DATEDIFF(a.created_on, r.registration_week) / 7) AS weeks_after
            FROM registered r JOIN points_transaction a ON a.user_id = r.id UNION
            SELECT r.id, r.registration_week,
                FLOOR(DATEDIFF(a.issued_on, r.registration_week) / 7) AS weeks_after
            FROM registered r JOIN token_transaction a ON a.user_id = r.id UNION
            SELECT r.id, r.registration_week,
                FLOOR(DATEDIFF(a.started_on, r.registration_week) / 7) AS weeks_after
            FROM registered r JOIN trip a ON a.user_id = r.id
        ), counted AS (
            SELECT registration_week, weeks_after, COUNT(*) AS users FROM active GROUP BY registration_week, weeks_after
        )
        SELECT cohort.registration_week, later.weeks_after, cohort.users,
            COALESCE(counted.users, 0) AS active_users, COALESCE(counted.users, 0) / cohort.users AS retention
        FROM cohort
        JOIN later ON cohort.registration_week + INTERVAL later.weeks_after WEEK <= (DATE(UTC_TIMESTAMP(6)) - INTERVAL WEEKDAY(DATE(UTC_TIMESTAMP(6))) DAY)
        LEFT JOIN counted ON counted.registration_week = cohort.registration_week
            AND counted.weeks_after = later.weeks_after
        ORDER BY cohort.registration_week, later.weeks_after
        """
    )


def downgrade() -> None:
    op.execute(
        """
        CREATE OR REPLACE VIEW users_retention AS
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
