"""Add erasure.swept_on: until when what was stored of a person may still be there."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE erasure
            MODIFY erased_on DATETIME(6) NOT NULL COMMENT 'when the erasing event occurred, the earliest of them (UTC)',
            ADD swept_on DATETIME(6) COMMENT 'when the last of what was stored before was removed (UTC); null until then',
            ADD KEY ix_erasure_swept_on (swept_on)
        """
    )


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE erasure
            DROP KEY ix_erasure_swept_on,
            DROP swept_on,
            MODIFY erased_on DATETIME(6) NOT NULL COMMENT 'when the erasure was applied (UTC)'
        """
    )
