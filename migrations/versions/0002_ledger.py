"""Create ledger: what became of the rows sent to each table."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE ledger (
            group_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the consumer group',
            topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'the topic',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'the partition',
            table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the rows were sent',
            rows_sent BIGINT UNSIGNED NOT NULL COMMENT '= inserted + updated + unchanged + suppressed' DEFAULT '0',
            rows_inserted BIGINT UNSIGNED NOT NULL COMMENT 'new keys' DEFAULT '0',
            rows_updated BIGINT UNSIGNED NOT NULL COMMENT 'newer versions' DEFAULT '0',
            rows_unchanged BIGINT UNSIGNED NOT NULL COMMENT 'duplicates, and versions older than the row' DEFAULT '0',
            rows_suppressed BIGINT UNSIGNED NOT NULL COMMENT 'rows about erased persons' DEFAULT '0',
            PRIMARY KEY (group_id, topic, kafka_partition, table_name)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What became of the rows sent to each table' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("ledger")
