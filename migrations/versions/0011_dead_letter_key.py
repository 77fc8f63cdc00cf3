"""Index dead letters by key: an erasure finds by it the records about a person, and empties them."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE dead_letter
            MODIFY status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL
                COMMENT 'waiting, resolved, discarded or erased',
            ADD KEY ix_dead_letter_topic_record_key (topic, record_key(64))
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE dead_letter
            DROP KEY ix_dead_letter_topic_record_key,
            MODIFY status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'waiting, resolved or discarded'
        """
    )
