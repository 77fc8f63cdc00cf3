"""Create cm_activity_location: ways between clusters of places."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE cm_activity_location (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the way between the two clusters',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who travels',
            o_id INTEGER UNSIGNED NOT NULL COMMENT 'the cluster of places where the way begins',
            d_id INTEGER UNSIGNED NOT NULL COMMENT 'the cluster of places where the way ends',
            travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
            probability_driving DOUBLE COMMENT '0 to 1; null where unknown',
            probability_transit DOUBLE COMMENT '0 to 1; null where unknown',
            probability_walking DOUBLE COMMENT '0 to 1; null where unknown',
            probability_cycling DOUBLE COMMENT '0 to 1; null where unknown',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_cm_activity_location_o_id_d_id_travel_mode (o_id, d_id, travel_mode),
            KEY ix_cm_activity_location_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Ways between clusters of places' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("cm_activity_location")
