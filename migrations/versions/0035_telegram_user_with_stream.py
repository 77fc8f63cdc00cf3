"""Create the view telegram_user_with_stream: users of the bot, each with a course stream."""

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    # The stream of the latest confirmed booking, or else of the latest booking.
    op.execute(
        """
        CREATE VIEW telegram_user_with_stream AS
        SELECT u.user_id, u.username, u.first_name, (
                SELECT b.course_stream FROM bookings b WHERE b.user_id = u.user_id
                ORDER BY b.confirmed = 2 DESC, b.created_on DESC, b.id DESC LIMIT 1
            ) AS course_stream, u.created_on, u.modified_on
        FROM telegram_user u
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW telegram_user_with_stream")
