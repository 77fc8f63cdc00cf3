"""Create data_quality: what the checks of data quality found last."""

from alembic import op

revision = "0070"
down_revision = "0069"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE data_quality (
            check_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the check',
            faults BIGINT UNSIGNED COMMENT 'how many rows are at fault; null where the check took longer than it may',
            sample VARCHAR(1000) COLLATE utf8mb4_bin NOT NULL
                COMMENT 'some of them, by their keys or the coordinates of their events',
            meaning VARCHAR(250) COLLATE utf8mb4_bin NOT NULL COMMENT 'what a row at fault is',
            seconds DOUBLE NOT NULL COMMENT 'how long the check took',
            checked_on DATETIME(6) NOT NULL COMMENT 'when it was last run (UTC)',
            PRIMARY KEY (check_name)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT='What the checks of data quality found last'
        """
    )


def downgrade() -> None:
    op.drop_table("data_quality")
