"""Create hntb_target_user: who takes part in which study, for the HNTB research platform."""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE hntb_target_user (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the registration',
            hash_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the participant within the study; never the user''s id',
            study_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the study',
            key_id VARCHAR(16) COLLATE utf8mb4_bin COMMENT 'names the key of the hash; null where it was made elsewhere',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_hntb_target_user_created_on (created_on),
            KEY ix_hntb_target_user_hash_id (hash_id),
            KEY ix_hntb_target_user_study_id (study_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who takes part in which study, for the HNTB research platform' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("hntb_target_user")
