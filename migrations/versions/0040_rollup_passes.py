"""Create rollup_passes: Interactions with Bytemark passes, by the quarter of an hour."""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE rollup_passes (
            period_start DATETIME NOT NULL COMMENT 'a quarter of an hour begins (UTC)',
            passes BIGINT NOT NULL COMMENT 'interactions with passes that were logged in the period',
            PRIMARY KEY (period_start)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Interactions with Bytemark passes, by the quarter of an hour' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("rollup_passes")
