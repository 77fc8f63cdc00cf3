"""Create hntb_trip: trips, for the HNTB research platform."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE hntb_trip (
            trip_id INTEGER UNSIGNED NOT NULL COMMENT 'names the trip',
            user_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the research participant: an app user''s id as text',
            travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
            started_on DATETIME(6) NOT NULL COMMENT 'UTC',
            ended_on DATETIME(6) COMMENT 'UTC; null while the trip is under way',
            distance DOUBLE NOT NULL COMMENT 'in metres',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (trip_id),
            KEY ix_hntb_trip_started_on (started_on),
            KEY ix_hntb_trip_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Trips, for the HNTB research platform' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("hntb_trip")
