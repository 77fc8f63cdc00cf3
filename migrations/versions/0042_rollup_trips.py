"""Create rollup_trips: Trips by mode of travel, by the quarter of an hour."""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rollup_trips (
            period_start DATETIME NOT NULL COMMENT 'a quarter of an hour begins (UTC)',
            travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
            trips BIGINT NOT NULL COMMENT 'trips that began in the period',
            distance_sum DECIMAL(38, 3) NOT NULL COMMENT 'in metres; each trip''s is rounded to a millimetre, so that sums agree',
            distances BIGINT NOT NULL COMMENT 'trips that have a distance: what an average divides by',
            PRIMARY KEY (period_start, travel_mode)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Trips by mode of travel, by the quarter of an hour' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("rollup_trips")
