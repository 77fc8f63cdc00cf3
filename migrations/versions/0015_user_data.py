"""Create user_data: what is known of Clerk accounts, by key."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user_data (
            clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the Clerk account',
            `key` VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'which value, such as preferences',
            value TEXT NOT NULL COMMENT 'JSON, as text',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (clerk_id, `key`)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What is known of Clerk accounts, by key' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("user_data")
