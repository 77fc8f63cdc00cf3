"""Index token_transaction for reports: a campaign's tokens are summed without reading the rows."""

from alembic import op

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE token_transaction ADD KEY ix_token_transaction_campaign_id_user_id_issued_on_tokens (campaign_id, user_id, issued_on, tokens), DROP KEY ix_token_transaction_campaign_id"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE token_transaction DROP KEY ix_token_transaction_campaign_id_user_id_issued_on_tokens, ADD KEY ix_token_transaction_campaign_id (campaign_id)"
    )
