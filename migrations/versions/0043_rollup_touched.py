"""Create rollup_touched: Periods whose rows changed since they were last summed."""

from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rollup_touched (
            id BIGINT UNSIGNED NOT NULL COMMENT 'names the entry; one that is committed later may have a smaller id' AUTO_INCREMENT,
            rollup VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the rollup',
            period_start DATETIME NOT NULL COMMENT 'the period to be summed again (UTC)',
            touched_on DATETIME(6) NOT NULL COMMENT 'when rows of the period were written or removed (UTC)',
            PRIMARY KEY (id),
            KEY ix_rollup_touched_rollup_id (rollup, id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Periods whose rows changed since they were last summed' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("rollup_touched")
