"""Create the view trips_hourly: trips of the last days by weekday, hour and mode of travel."""

from alembic import op

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW trips_hourly AS
        SELECT DAYOFWEEK(period_start) AS day_of_week, HOUR(period_start) AS `hour`,
            travel_mode, CAST(SUM(trips) AS SIGNED) AS trip_count,
            SUM(distance_sum) / NULLIF(SUM(distances), 0) AS avg_distance
        FROM rollup_trips
        WHERE period_start >= UTC_TIMESTAMP(6) - INTERVAL 7 DAY
        GROUP BY day_of_week, `hour`, travel_mode
        ORDER BY day_of_week, `hour`, travel_mode
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW trips_hourly")
