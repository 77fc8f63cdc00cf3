"""Create progress: how far each partition is applied; written in the transaction of its rows."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE progress (
            group_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the consumer group',
            topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'the topic',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'the partition',
            topic_id VARCHAR(22) COLLATE utf8mb4_bin NOT NULL COMMENT 'Kafka''s own id of the topic; another one means that it was recreated',
            owner_epoch BIGINT UNSIGNED NOT NULL COMMENT 'raised by each claim; fences older owners',
            owner VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the client that claimed last',
            next_offset BIGINT UNSIGNED NOT NULL COMMENT 'everything before it is applied',
            complete_through DATETIME(6) COMMENT 'latest Kafka timestamp applied (UTC); never goes back',
            records_consumed BIGINT UNSIGNED NOT NULL COMMENT '= written + superseded + dead-lettered' DEFAULT '0',
            records_written BIGINT UNSIGNED NOT NULL COMMENT 'records of which a row was sent' DEFAULT '0',
            records_superseded BIGINT UNSIGNED NOT NULL COMMENT 'records none of whose rows was sent: older than another of their batch' DEFAULT '0',
            records_dead_lettered BIGINT UNSIGNED NOT NULL COMMENT 'records that were rejected' DEFAULT '0',
            updated_on DATETIME(6) NOT NULL COMMENT 'when this row was last written (UTC)',
            PRIMARY KEY (group_id, topic, kafka_partition)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='How far each partition is applied; written in the transaction of its rows' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("progress")
