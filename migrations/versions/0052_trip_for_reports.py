"""Index trip for reports: a user's trips are read in the order of time."""

from alembic import op

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    op.execute("ALTER TABLE trip ADD KEY ix_trip_user_id_started_on (user_id, started_on), DROP KEY ix_trip_user_id")


def downgrade() -> None:
    op.execute("ALTER TABLE trip DROP KEY ix_trip_user_id_started_on, ADD KEY ix_trip_user_id (user_id)")
