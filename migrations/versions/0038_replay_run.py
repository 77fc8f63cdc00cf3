"""Create replay_run: which part of the log each replay reads again."""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE replay_run (
            run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the run; its progress and ledgers are of group replay:<run_id>',
            ranges MEDIUMTEXT NOT NULL COMMENT 'JSON: [[topic, partition, topic id, first offset, the offset behind the last], …]',
            rows_before MEDIUMTEXT NOT NULL COMMENT 'JSON: rows by table and date of created_on when the run began',
            started_on DATETIME(6) NOT NULL COMMENT 'when the run began (UTC)',
            ended_on DATETIME(6) COMMENT 'when the last of its records was applied (UTC); null until then',
            PRIMARY KEY (run_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which part of the log each replay reads again' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("replay_run")
