"""Create auth_user_label: which users have which labels, and had."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE auth_user_label (
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user',
            label_id INTEGER UNSIGNED NOT NULL COMMENT 'the label',
            is_deleted TINYINT(1) NOT NULL COMMENT '1 where the label was taken away',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (user_id, label_id),
            KEY ix_auth_user_label_label_id (label_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which users have which labels, and had' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("auth_user_label")
