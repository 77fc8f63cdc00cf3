"""Create the view target_users_totals: how many participants there are, and since when."""

from alembic import op

revision = "0064"
down_revision = "0063"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW target_users_totals AS
        SELECT COUNT(DISTINCT hash_id) AS total_users,
            MIN(created_on) AS first_registration, MAX(created_on) AS latest_registration,
            COUNT(DISTINCT DATE(created_on)) AS registration_days, COUNT(*) AS registrations
        FROM hntb_target_user
        WHERE TRUE
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW target_users_totals")
