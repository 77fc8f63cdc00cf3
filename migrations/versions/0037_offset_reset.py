"""Create offset_reset: where an operator moved progress, without which the ledger of records can't be explained."""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE offset_reset (
            group_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the consumer group',
            topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'the topic',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'the partition',
            owner_epoch BIGINT UNSIGNED NOT NULL COMMENT 'the epoch that the reset began',
            from_offset BIGINT UNSIGNED COMMENT 'next_offset before; null where there was no progress',
            to_offset BIGINT UNSIGNED NOT NULL COMMENT 'next_offset from then on',
            reset_on DATETIME(6) NOT NULL COMMENT 'UTC',
            PRIMARY KEY (group_id, topic, kafka_partition, owner_epoch)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_unicode_ci
            COMMENT='Where an operator moved progress: why records of a partition are counted twice, or not at all'
        """
    )


def downgrade() -> None:
    op.drop_table("offset_reset")
