"""Index hntb_bytemark_pass for reports: a user's passes are read in the order of time."""

from alembic import op

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE hntb_bytemark_pass ADD KEY ix_hntb_bytemark_pass_user_id_logged_on (user_id, logged_on), DROP KEY ix_hntb_bytemark_pass_user_id"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE hntb_bytemark_pass DROP KEY ix_hntb_bytemark_pass_user_id_logged_on, ADD KEY ix_hntb_bytemark_pass_user_id (user_id)"
    )
