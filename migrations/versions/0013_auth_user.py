"""Create auth_user: users of the app."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE auth_user (
            id INTEGER UNSIGNED NOT NULL COMMENT 'names the app user',
            first_name VARCHAR(128) COMMENT 'as the user gave it',
            last_name VARCHAR(128) COMMENT 'as the user gave it',
            email VARCHAR(512) COMMENT 'as the user gave it',
            google_id VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'of a Google account, where one is used to sign in',
            facebook_id VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'of a Facebook account, where one is used to sign in',
            apple_id VARCHAR(512) COLLATE utf8mb4_bin COMMENT 'of an Apple account, where one is used to sign in',
            registration_latitude DOUBLE COMMENT 'degrees (WGS 84), where the user registered',
            registration_longitude DOUBLE COMMENT 'degrees (WGS 84), where the user registered',
            device_token VARCHAR(512) COLLATE utf8mb4_bin COMMENT 'where notifications go',
            enterprise_id INTEGER UNSIGNED COMMENT '0 or null for none',
            created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
            modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
            event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
            event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
            kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
            kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
            loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
            PRIMARY KEY (id)
        ) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Users of the app' COLLATE utf8mb4_unicode_ci
        """
    )


def downgrade() -> None:
    op.drop_table("auth_user")
