"""Create rollup_revenue: Points, tokens and payments, by the quarter of an hour."""

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rollup_revenue (
            period_start DATETIME NOT NULL COMMENT 'a quarter of an hour begins (UTC)',
            points DECIMAL(38, 2) NOT NULL COMMENT 'points that users got; those that they spent are left out',
            tokens DECIMAL(38, 2) NOT NULL COMMENT 'tokens that users got; those that they spent are left out',
            bytemark DECIMAL(38, 2) NOT NULL COMMENT 'what was paid for orders of transit tickets, less what was paid back',
            PRIMARY KEY (period_start)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Points, tokens and payments, by the quarter of an hour' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("rollup_revenue")
