"""Index hntb_trip for reports: a user's trips are read in the order of time."""

from alembic import op

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE hntb_trip ADD KEY ix_hntb_trip_user_id_started_on (user_id, started_on), DROP KEY ix_hntb_trip_user_id"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE hntb_trip DROP KEY ix_hntb_trip_user_id_started_on, ADD KEY ix_hntb_trip_user_id (user_id)")
