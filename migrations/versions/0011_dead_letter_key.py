"""Index dead letters by key: an erasure finds the records about a person by it."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("ix_dead_letter_topic_record_key", "dead_letter", ["topic", "record_key"], mysql_length={"record_key": 64})


def downgrade() -> None:
    op.drop_index("ix_dead_letter_topic_record_key", "dead_letter")
