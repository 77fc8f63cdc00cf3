"""Create dead_letter: records that were rejected, with why; each exactly once, by its coordinates."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE dead_letter (
            topic_id VARCHAR(22) COLLATE utf8mb4_bin NOT NULL COMMENT 'Kafka''s own id of the topic',
            topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the record is',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where the record is',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where the record is',
            stage VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'decode, validate or write',
            reason VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'a code of the runbook',
            field VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'which field is at fault, where it is known',
            status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'waiting, resolved or discarded',
            attempts INTEGER UNSIGNED NOT NULL COMMENT 'how often it was rejected',
            record_time DATETIME(6) NOT NULL COMMENT 'Kafka''s timestamp of the record (UTC)',
            first_rejected_on DATETIME(6) NOT NULL COMMENT 'UTC',
            last_rejected_on DATETIME(6) NOT NULL COMMENT 'UTC',
            record_key MEDIUMBLOB COMMENT 'as it came',
            record_value LONGBLOB COMMENT 'as it came',
            record_headers MEDIUMTEXT COMMENT 'JSON: [[name, base64 of the value or null], …]',
            PRIMARY KEY (topic_id, topic, kafka_partition, kafka_offset),
            KEY ix_dead_letter_last_rejected_on (last_rejected_on),
            KEY ix_dead_letter_status_reason (status, reason)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Records that were rejected, with why; each exactly once, by its coordinates' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("dead_letter")
