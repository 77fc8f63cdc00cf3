"""Create free_lesson_registrations: registrations for free lessons."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE free_lesson_registrations (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the registration',
            user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
            username TEXT COMMENT 'in Telegram, when this was told',
            first_name TEXT COMMENT 'in Telegram, when this was told',
            lesson_on DATETIME(6) COMMENT 'UTC; null where no date is set',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_free_lesson_registrations_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Registrations for free lessons' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("free_lesson_registrations")
