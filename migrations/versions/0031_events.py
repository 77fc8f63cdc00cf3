"""Create events: what users did with the bot."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE events (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names what was done',
            user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
            event_type VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as start, lesson_opened or payment_opened',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_events_user_id_created_on (user_id, created_on)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What users did with the bot' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("events")
