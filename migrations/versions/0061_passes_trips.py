"""Create the view passes_trips: a user's interactions with passes, each with the trips of the same day, the newest first."""

from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW passes_trips AS
        SELECT p.user_id, p.logged_on AS pass_time, p.bytemark_pass_id,
            t.trip_id, t.started_on AS trip_start, t.travel_mode
        FROM hntb_bytemark_pass p
        LEFT JOIN hntb_trip t ON t.user_id = p.user_id
            AND t.started_on BETWEEN p.logged_on - INTERVAL 25 HOUR AND p.logged_on + INTERVAL 25 HOUR
            AND DATE(t.started_on) = DATE(p.logged_on)
        WHERE TRUE AND TRUE
        ORDER BY p.logged_on DESC, p.bytemark_pass_id DESC, t.started_on DESC, t.trip_id DESC
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW passes_trips")
