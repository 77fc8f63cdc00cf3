"""Create the view target_users_daily: registrations of participants on each day."""

from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW target_users_daily AS
        SELECT DATE(created_on) AS registration_date, COUNT(*) AS registrations
        FROM hntb_target_user
        WHERE TRUE AND TRUE
        GROUP BY registration_date
        ORDER BY registration_date
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW target_users_daily")
