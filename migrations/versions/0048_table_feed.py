"""Create table_feed: Which topics feed which tables, as `stream run` found it when it started."""

from alembic import op

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE table_feed (
            table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the table',
            topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'a topic whose events feed it',
            partitions INTEGER UNSIGNED NOT NULL COMMENT 'how many the topic had when `stream run` last started',
            rollup VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'where the table''s rows are summed; null where they are not',
            PRIMARY KEY (table_name, topic)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which topics feed which tables, as `stream run` found it when it started' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("table_feed")
