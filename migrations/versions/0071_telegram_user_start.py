"""Add username_start and first_name_start to telegram_user, so that learners can be searched by an index."""

from alembic import op

revision = "0071"
down_revision = "0070"


def upgrade() -> None:
    # One statement, and so one copy of the table, during which writes wait.
    op.execute(
        """
        ALTER TABLE telegram_user
            ADD COLUMN username_start VARCHAR(64) COLLATE utf8mb4_unicode_520_ci
                GENERATED ALWAYS AS (LEFT(username, 64)) STORED
                COMMENT 'the first 64 characters of username, for searching' AFTER first_name,
            ADD COLUMN first_name_start VARCHAR(64) COLLATE utf8mb4_unicode_520_ci
                GENERATED ALWAYS AS (LEFT(first_name, 64)) STORED
                COMMENT 'the first 64 characters of first_name, for searching' AFTER username_start,
            ADD KEY ix_telegram_user_username_start (username_start),
            ADD KEY ix_telegram_user_first_name_start (first_name_start)
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE telegram_user DROP COLUMN username_start, DROP COLUMN first_name_start")
