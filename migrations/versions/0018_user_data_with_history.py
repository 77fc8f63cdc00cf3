"""Create the view user_data_with_history: user_data, and beside it what grows, in the same key–value shape."""

from alembic import op
from sqlalchemy.dialects.mysql.base import MySQLDialect

revision = "0018"
down_revision = "0017"

TIME = "DATE_FORMAT({}, '%Y-%m-%dT%H:%i:%s.%fZ')"
SIGN_IN = f"""JSON_MERGE_PATCH('{{}}', JSON_OBJECT('timestamp', {TIME.format("signed_in_on")}, 'device', device, 'ip', ip,
            'success', JSON_EXTRACT('[false, true]', CONCAT('$[', success, ']'))))"""
NAME = f"""JSON_MERGE_PATCH('{{}}', JSON_OBJECT('first_name', first_name, 'last_name', last_name,
            'timestamp', {TIME.format("event_time")}, 'changed_by', changed_by))"""


def collected(entry: str, table: str, order: str, is_mariadb: bool) -> str:
    """One JSON array for each account, its entries in order; the two servers say that differently."""
    if is_mariadb:
        return f"SELECT clerk_id, JSON_ARRAYAGG({entry} ORDER BY {order}) AS entries FROM {table} GROUP BY clerk_id"
    return f"""SELECT clerk_id, entries FROM (
            SELECT clerk_id, ROW_NUMBER() OVER (PARTITION BY clerk_id ORDER BY {order}) AS number,
            JSON_ARRAYAGG({entry}) OVER (PARTITION BY clerk_id ORDER BY {order}
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS entries
            FROM {table}) numbered WHERE number = 1"""


def grown(key: str, value: str, source: str) -> str:
    """The rows of one key. Charset and collation are said, for MariaDB finds none that fits all of a UNION."""
    return f"""
        UNION ALL
        SELECT clerk_id, _utf8mb4'{key}' COLLATE utf8mb4_bin,
            CAST({value} AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_unicode_ci
        FROM {source}"""


def upgrade() -> None:
    dialect = op.get_context().dialect
    is_mariadb = isinstance(dialect, MySQLDialect) and dialect.is_mariadb
    successes = "user_sign_in WHERE success GROUP BY clerk_id"
    sign_ins = collected(SIGN_IN, "user_sign_in", "signed_in_on, event_id", is_mariadb)
    names = collected(NAME, "user_name_history", "event_time, event_id", is_mariadb)
    op.execute(
        "CREATE VIEW user_data_with_history AS SELECT clerk_id, `key`, value FROM user_data"
        + grown("session_count", "COUNT(*)", successes)
        + grown("last_active", f"JSON_QUOTE({TIME.format('MAX(signed_in_on)')})", successes)
        + grown("login_history", "entries", f"({sign_ins}) sign_ins")
        + grown("name_history", "entries", f"({names}) names")
    )


def downgrade() -> None:
    op.execute("DROP VIEW user_data_with_history")
