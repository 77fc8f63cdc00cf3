"""Create rollup_refresh: Who sums a rollup, one process at a time, and when that was."""

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rollup_refresh (
            rollup VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the rollup; whoever sums locks its row',
            refreshed_on DATETIME(6) COMMENT 'when periods were last summed (UTC); null where none was yet',
            PRIMARY KEY (rollup)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who sums a rollup, one process at a time, and when that was' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("rollup_refresh")
