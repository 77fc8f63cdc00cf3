"""Create user_rating: how riders rated their trips."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user_rating (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the rating',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who rated',
            trip_id INTEGER UNSIGNED NOT NULL COMMENT 'the trip that was rated',
            rating TINYINT UNSIGNED NOT NULL COMMENT '1 (worst) to 5 (best)',
            feedback VARCHAR(512) COMMENT 'in the rider''s own words',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_user_rating_trip_id (trip_id),
            KEY ix_user_rating_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='How riders rated their trips' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("user_rating")
