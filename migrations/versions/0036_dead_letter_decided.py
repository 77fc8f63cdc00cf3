"""Remember of dead letters why they were discarded and when they were published; find the oldest that wait."""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE dead_letter
            MODIFY status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL
                COMMENT 'waiting, resolved, discarded, erased or expired',
            ADD COLUMN discarded_because VARCHAR(200) COLLATE utf8mb4_bin
                COMMENT 'what whoever discarded it said',
            ADD COLUMN published_on DATETIME(6)
                COMMENT 'when it was last copied to the dead letter topic (UTC)',
            ADD KEY ix_dead_letter_status_last_rejected_on (status, last_rejected_on)
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE dead_letter
            DROP KEY ix_dead_letter_status_last_rejected_on,
            DROP COLUMN published_on,
            DROP COLUMN discarded_because,
            MODIFY status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL
                COMMENT 'waiting, resolved, discarded or erased'
        """
    )
