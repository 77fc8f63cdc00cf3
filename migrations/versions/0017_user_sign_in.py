"""Create user_sign_in: attempts to sign in to Clerk accounts, a row each."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user_sign_in (
            clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the Clerk account',
            signed_in_on DATETIME(6) NOT NULL COMMENT 'UTC',
            device VARCHAR(512) COMMENT 'as the browser or the app says',
            ip VARCHAR(45) COLLATE utf8mb4_bin COMMENT 'where it came from',
            success TINYINT(1) NOT NULL COMMENT '1 where it succeeded',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (event_id),
            KEY ix_user_sign_in_clerk_id (clerk_id),
            KEY ix_user_sign_in_signed_in_on (signed_in_on)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Attempts to sign in to Clerk accounts, a row each' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("user_sign_in")
