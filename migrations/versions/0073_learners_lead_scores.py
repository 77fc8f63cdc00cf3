"""Create the view learners_lead_scores: how active those are who registered for a free lesson."""

from alembic import op

revision = "0073"
down_revision = "0072"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW learners_lead_scores AS
        SELECT u.user_id, u.username, u.first_name, a.total_events, a.active_days, a.last_activity,
            CASE
                WHEN a.total_events >= 20 AND a.active_days >= 5 THEN 'hot'
                WHEN a.total_events >= 10 AND a.active_days >= 3 THEN 'warm'
                WHEN a.total_events >= 5 THEN 'cool'
                ELSE 'cold'
            END AS lead_score
        FROM (
            SELECT r.user_id, COUNT(e.id) AS total_events, COUNT(DISTINCT DATE(e.created_on)) AS active_days,
                MAX(e.created_on) AS last_activity
            FROM (SELECT DISTINCT user_id FROM free_lesson_registrations) r
            LEFT JOIN events e ON e.user_id = r.user_id AND e.created_on >= UTC_TIMESTAMP(6) - INTERVAL 7 DAY
            GROUP BY r.user_id
        ) a
        JOIN telegram_user u ON u.user_id = a.user_id
        ORDER BY a.total_events DESC, a.active_days DESC, u.user_id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW learners_lead_scores")
