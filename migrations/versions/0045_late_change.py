"""Create late_change: Business dates that changed when dashboards no longer looked at them."""

from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE late_change (
            table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'where rows changed',
            business_date DATE NOT NULL COMMENT 'the date under which dashboards show them (UTC)',
            first_changed_on DATETIME(6) NOT NULL COMMENT 'UTC',
            last_changed_on DATETIME(6) NOT NULL COMMENT 'UTC',
            changes BIGINT UNSIGNED NOT NULL COMMENT 'rows written or removed after the look-back window had passed the date' DEFAULT '0',
            PRIMARY KEY (table_name, business_date),
            KEY ix_late_change_last_changed_on (last_changed_on)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Business dates that changed when dashboards no longer looked at them' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("late_change")
