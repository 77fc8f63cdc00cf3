"""Create the view campaigns_performance: how many users each campaign reached, what they got, and who travelled afterwards."""

from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW campaigns_performance AS
        WITH received AS (
            SELECT campaign_id, user_id, SUM(tokens) AS tokens, MIN(issued_on) AS since, MAX(issued_on) AS until
            FROM token_transaction
            WHERE tokens > 0 AND TRUE
            GROUP BY campaign_id, user_id
        ), engaged AS (
            SELECT r.campaign_id, r.user_id, COUNT(*) AS trips, MIN(t.started_on) AS travelled_on
            FROM received r JOIN trip t ON t.user_id = r.user_id AND t.started_on >= r.since
            GROUP BY r.campaign_id, r.user_id
        )
        SELECT c.ap_campaign_id, c.name, c.tokens AS allocated,
            COUNT(r.user_id) AS unique_recipients, COALESCE(SUM(r.tokens), 0) AS total_distributed,
            SUM(r.tokens) / COUNT(r.user_id) AS avg_per_user,
            MIN(r.since) AS campaign_start, MAX(r.until) AS campaign_end,
            COUNT(e.user_id) AS engaged_users, CAST(COALESCE(SUM(e.trips), 0) AS SIGNED) AS post_campaign_trips,
            AVG(DATEDIFF(e.travelled_on, r.since)) AS avg_days_to_engagement,
            COUNT(e.user_id) / COUNT(r.user_id) AS engagement_rate
        FROM campaign c
        LEFT JOIN received r ON r.campaign_id = c.ap_campaign_id
        LEFT JOIN engaged e ON e.campaign_id = r.campaign_id AND e.user_id = r.user_id
        WHERE TRUE
        GROUP BY c.ap_campaign_id, c.name, c.tokens
        ORDER BY c.ap_campaign_id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW campaigns_performance")
