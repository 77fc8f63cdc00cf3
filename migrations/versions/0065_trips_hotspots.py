"""Create the view trips_hotspots: between which clusters of places people travel most, and how."""

from alembic import op

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW trips_hotspots AS
        SELECT o_id, d_id, travel_mode, COUNT(*) AS frequency,
            AVG(probability_driving) AS avg_drive_prob, AVG(probability_transit) AS avg_transit_prob
        FROM cm_activity_location
        GROUP BY o_id, d_id, travel_mode
        HAVING COUNT(*) > 10
        ORDER BY frequency DESC, o_id, d_id, travel_mode
        LIMIT 100
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW trips_hotspots")
