"""Create telegram_user: users of the Telegram bot, each under the latest name."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE telegram_user (
            user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
            username TEXT COMMENT 'in Telegram, the latest',
            first_name TEXT COMMENT 'in Telegram, the latest',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Users of the Telegram bot, each under the latest name' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("telegram_user")
