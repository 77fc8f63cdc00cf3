"""Index bytemark_order_payments by created_on: revenue is summed by it."""

from alembic import op

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_bytemark_order_payments_created_on ON bytemark_order_payments (created_on)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_bytemark_order_payments_created_on ON bytemark_order_payments")
