"""Index auth_user for reports: users are read by the day of their registration."""

from alembic import op

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    op.execute("ALTER TABLE auth_user ADD KEY ix_auth_user_created_on (created_on)")


def downgrade() -> None:
    op.execute("ALTER TABLE auth_user DROP KEY ix_auth_user_created_on")
