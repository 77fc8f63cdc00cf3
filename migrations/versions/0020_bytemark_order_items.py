"""Create bytemark_order_items: tickets and passes that came of orders."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE bytemark_order_items (
            id INTEGER UNSIGNED NOT NULL COMMENT 'the item''s id',
            order_id INTEGER UNSIGNED NOT NULL COMMENT 'the order that it came of',
            user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who ordered',
            product_name VARCHAR(128) NOT NULL COMMENT 'such as Adult Day Pass',
            price DECIMAL(10, 2) NOT NULL COMMENT 'what it cost',
            valid_from DATETIME(6) COMMENT 'UTC; null until it is activated',
            valid_until DATETIME(6) COMMENT 'UTC; null until it is activated',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_bytemark_order_items_order_id (order_id),
            KEY ix_bytemark_order_items_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Tickets and passes that came of orders' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("bytemark_order_items")
