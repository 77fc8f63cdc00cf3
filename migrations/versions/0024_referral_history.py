"""Create referral_history: who brought whom to the app."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE referral_history (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the referral',
            sender_user_id INTEGER UNSIGNED COMMENT 'who recommended the app; null once they are erased',
            receiver_user_id INTEGER UNSIGNED NOT NULL COMMENT 'who came',
            referral_code VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'the code that was used',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_referral_history_receiver_user_id (receiver_user_id),
            KEY ix_referral_history_sender_user_id (sender_user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who brought whom to the app' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("referral_history")
