"""Create trip: trips with any mode of travel, for QuickSight."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE trip (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the trip',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who travelled',
            travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
            started_on DATETIME(6) NOT NULL COMMENT 'UTC',
            ended_on DATETIME(6) COMMENT 'UTC; null while the trip is under way',
            distance DOUBLE NOT NULL COMMENT 'in metres',
            origin_latitude DOUBLE COMMENT 'degrees (WGS 84)',
            origin_longitude DOUBLE COMMENT 'degrees (WGS 84)',
            destination_latitude DOUBLE COMMENT 'degrees (WGS 84)',
            destination_longitude DOUBLE COMMENT 'degrees (WGS 84)',
            fare DECIMAL(10, 2) COMMENT 'null where none is known',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_trip_started_on (started_on),
            KEY ix_trip_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Trips with any mode of travel, for QuickSight' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("trip")
