"""Create message_recipients: who gets a message, and how far it is."""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE message_recipients (
            message_id INTEGER UNSIGNED NOT NULL COMMENT 'the message',
            user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
            delivery_status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'pending, sent, delivered or failed',
            delivered_on DATETIME(6) COMMENT 'UTC; null until it is',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (message_id, user_id),
            CONSTRAINT fk_message_recipients_message_id FOREIGN KEY (message_id)
                REFERENCES message_history (id) ON DELETE CASCADE,
            KEY ix_message_recipients_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who gets a message, and how far it is' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("message_recipients")
