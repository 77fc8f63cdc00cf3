"""Create the view learners_by_stream: learners with a confirmed booking in a course stream."""

from alembic import op

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW learners_by_stream AS
        SELECT u.user_id, u.username, u.first_name, b.course_stream
        FROM (
            SELECT DISTINCT course_stream, user_id
            FROM bookings
            WHERE confirmed = 2 AND TRUE
        ) b
        JOIN telegram_user u ON u.user_id = b.user_id
        ORDER BY b.course_stream, u.user_id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW learners_by_stream")
