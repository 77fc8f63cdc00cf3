"""Index points_transaction for reports: a user's points are summed without reading the rows."""

from alembic import op

revision = "0069"
down_revision = "0068"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE points_transaction ADD KEY ix_points_transaction_user_id_created_on_points (user_id, created_on, points), DROP KEY ix_points_transaction_user_id"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE points_transaction DROP KEY ix_points_transaction_user_id_created_on_points, ADD KEY ix_points_transaction_user_id (user_id)"
    )
