"""Create token_transaction: the ledger of campaigns' tokens."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE token_transaction (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the transaction',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user whose tokens they are',
            enterprise_id INTEGER UNSIGNED COMMENT 'null where it is of none',
            activity_type INTEGER UNSIGNED COMMENT 'what it was for',
            tokens DECIMAL(10, 2) COMMENT 'negative where they were spent',
            balance DECIMAL(10, 2) COMMENT 'what the user has since',
            campaign_id INTEGER UNSIGNED COMMENT 'a campaign''s ap_campaign_id',
            f_agency_id INTEGER UNSIGNED NOT NULL COMMENT '0 for none',
            f_token_id INTEGER UNSIGNED NOT NULL COMMENT '0 for none',
            issued_on DATETIME(6) NOT NULL COMMENT 'UTC',
            expired_on DATETIME(6) COMMENT 'UTC; null where they do not expire',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_token_transaction_campaign_id (campaign_id),
            KEY ix_token_transaction_issued_on (issued_on),
            KEY main_query_index_1 (user_id, activity_type, f_agency_id, f_token_id, issued_on, expired_on)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='The ledger of campaigns'' tokens' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("token_transaction")
