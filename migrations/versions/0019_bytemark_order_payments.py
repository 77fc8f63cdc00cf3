"""Create bytemark_order_payments: payments for orders of transit tickets."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE bytemark_order_payments (
            id INTEGER UNSIGNED NOT NULL COMMENT 'the payment''s id',
            order_id INTEGER UNSIGNED NOT NULL COMMENT 'the order that was paid',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who paid',
            payment_type VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as credit_card, stored_value or points',
            card VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'what is shown of the card; null where it was none',
            total_price DECIMAL(10, 2) NOT NULL COMMENT 'what was paid',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_bytemark_order_payments_order_id (order_id),
            KEY ix_bytemark_order_payments_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Payments for orders of transit tickets' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("bytemark_order_payments")
