"""Index hntb_bytemark_pass for reports: who used passes on some days is told without reading the rows."""

from alembic import op

revision = "0074"
down_revision = "0073"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE hntb_bytemark_pass ADD KEY ix_hntb_bytemark_pass_logged_on_user_id (logged_on, user_id), DROP KEY ix_hntb_bytemark_pass_logged_on"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE hntb_bytemark_pass DROP KEY ix_hntb_bytemark_pass_logged_on_user_id, ADD KEY ix_hntb_bytemark_pass_logged_on (logged_on)"
    )
