"""Create bookings: bookings of courses."""

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE bookings (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the booking',
            user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
            username TEXT COMMENT 'in Telegram, when this was told',
            first_name TEXT COMMENT 'in Telegram, when this was told',
            course_stream VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT '3rd_stream, 4th_stream or 5th_stream',
            confirmed TINYINT UNSIGNED NOT NULL COMMENT '0 booked, 1 payment announced, 2 confirmed',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            KEY ix_bookings_course_stream_confirmed (course_stream, confirmed),
            KEY ix_bookings_user_id (user_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Bookings of courses' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("bookings")
