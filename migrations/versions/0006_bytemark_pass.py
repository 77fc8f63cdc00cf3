"""Create bytemark_pass: usage and validation of Bytemark passes, for QuickSight."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE bytemark_pass (
            bytemark_pass_id INTEGER UNSIGNED NOT NULL COMMENT 'names the interaction',
            user_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the rider: an app user''s id as text',
            interaction VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'what happened, such as activated, validated or expired',
            logged_on DATETIME(6) NOT NULL COMMENT 'when the pass was logged (UTC)',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (bytemark_pass_id),
            KEY ix_bytemark_pass_logged_on (logged_on),
            KEY ix_bytemark_pass_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Usage and validation of Bytemark passes, for QuickSight' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("bytemark_pass")
