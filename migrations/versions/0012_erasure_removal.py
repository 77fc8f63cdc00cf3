"""Create erasure_removal: what erasing a person removed from where."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE erasure_removal (
            person_kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'app, clerk or telegram',
            person_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the id as text',
            table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the rows were',
            rows_removed BIGINT UNSIGNED NOT NULL COMMENT 'rows deleted, or kept with their personal columns emptied' DEFAULT '0',
            PRIMARY KEY (person_kind, person_id, table_name)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What erasing a person removed from where' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("erasure_removal")
