"""Create users: clerk accounts."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE users (
            clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the Clerk account',
            email VARCHAR(512) COMMENT 'the primary address',
            first_name VARCHAR(128) NOT NULL COMMENT 'empty where none is given',
            last_name VARCHAR(128) NOT NULL COMMENT 'empty where none is given',
            `role` VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as user or admin',
            status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as active',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (clerk_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Clerk accounts' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("users")
