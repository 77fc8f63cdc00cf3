"""Create points_transaction: the ledger of points."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE points_transaction (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the transaction',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user whose points they are',
            activity_type INTEGER UNSIGNED NOT NULL COMMENT 'what it was for',
            points DECIMAL(10, 2) NOT NULL COMMENT 'negative where they were spent',
            balance DECIMAL(10, 2) NOT NULL COMMENT 'what the user has since',
            note VARCHAR(200) COMMENT 'in words; null where nobody left any',
            payer INTEGER UNSIGNED NOT NULL COMMENT 'who pay the coins; 0 for nobody',
            payee INTEGER UNSIGNED NOT NULL COMMENT 'who receive the coins; 0 for nobody',
            ref_transaction_id INTEGER UNSIGNED NOT NULL COMMENT '0 where it refers to none',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_points_transaction_created_on (created_on),
            KEY ix_points_transaction_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='The ledger of points' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("points_transaction")
