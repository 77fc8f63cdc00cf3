"""Create all tables of the first release."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";\n\n")


def upgrade() -> None:
    """Create what is missing: the server keeps each table of an attempt that failed half-way."""
    for statement in STATEMENTS:
        op.execute(statement.removesuffix(";\n"))


def downgrade() -> None:
    for statement in reversed(STATEMENTS):
        op.execute(f"DROP TABLE IF EXISTS {statement.split()[5]}")
