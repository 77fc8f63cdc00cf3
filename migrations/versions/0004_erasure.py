"""Create erasure: persons of whom nothing may be stored again."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE erasure (
            person_kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'app, clerk or telegram',
            person_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the id as text',
            erased_on DATETIME(6) NOT NULL COMMENT 'when the erasure was applied (UTC)',
            PRIMARY KEY (person_kind, person_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Persons of whom nothing may be stored again' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("erasure")
