"""Create campaign: campaigns that hand out tokens."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE campaign (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the campaign',
            ap_campaign_id INTEGER UNSIGNED NOT NULL COMMENT 'what tokens refer to',
            token_id INTEGER UNSIGNED NOT NULL COMMENT '0 for none',
            name VARCHAR(32) NOT NULL COMMENT 'what people call it',
            tokens DECIMAL(10, 2) NOT NULL COMMENT 'how many it may hand out',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id),
            CONSTRAINT uq_campaign_ap_campaign_id UNIQUE (ap_campaign_id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Campaigns that hand out tokens' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("campaign")
