"""Index cm_activity_location for reports: ways are counted without reading the rows."""

from alembic import op

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE cm_activity_location ADD KEY ix_cm_activity_location_ways (o_id, d_id, travel_mode, probability_driving, probability_transit), DROP KEY ix_cm_activity_location_o_id_d_id_travel_mode"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE cm_activity_location DROP KEY ix_cm_activity_location_ways, ADD KEY ix_cm_activity_location_o_id_d_id_travel_mode (o_id, d_id, travel_mode)"
    )
