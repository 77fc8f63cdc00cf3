"""Say of progress.complete_through that idle partitions move it on as well."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE progress MODIFY complete_through DATETIME(6) COMMENT "
        "'the moment (UTC) through which the partition is applied; never goes back'"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE progress MODIFY complete_through DATETIME(6) COMMENT "
        "'latest Kafka timestamp applied (UTC); never goes back'"
    )
