"""Create message_history: messages to learners."""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE message_history (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the message',
            text VARCHAR(4096) COMMENT 'null where it has none',
            media_type VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'such as photo, video or document; null for text alone',
            caption VARCHAR(1024) COMMENT 'below the media; null where there is none',
            is_deleted TINYINT(1) NOT NULL COMMENT '1 where the message was deleted; then nothing else is left of it',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Messages to learners' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("message_history")
