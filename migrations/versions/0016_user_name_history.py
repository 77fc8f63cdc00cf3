"""Create user_name_history: names that Clerk accounts were given, a row for each change."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user_name_history (
            clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the Clerk account',
            first_name VARCHAR(128) NOT NULL COMMENT 'the new one',
            last_name VARCHAR(128) NOT NULL COMMENT 'the new one',
            changed_by VARCHAR(256) COLLATE utf8mb4_bin COMMENT 'the administrator''s Clerk id; null where the user did it',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (event_id),
            KEY ix_user_name_history_changed_by (changed_by),
            KEY ix_user_name_history_clerk_id (clerk_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Names that Clerk accounts were given, a row for each change' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("user_name_history")
