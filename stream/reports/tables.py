"""Views that add to the rows of a table what other tables hold of them."""

from stream.mysql.views import View

COURSE_STREAM = """(
        SELECT b.course_stream FROM bookings b WHERE b.user_id = u.user_id
        ORDER BY b.confirmed = 2 DESC, b.created_on DESC, b.id DESC LIMIT 1
    )"""
"""The course stream of a user `u`: that of the latest confirmed booking, or else of the latest booking."""

TELEGRAM_USER_WITH_STREAM = View(
    "telegram_user_with_stream",
    f"""
    SELECT u.user_id, u.username, u.first_name, {COURSE_STREAM} AS course_stream, u.created_on, u.modified_on
    FROM telegram_user u
    """,
)

TIME = "DATE_FORMAT({}, '%Y-%m-%dT%H:%i:%s.%fZ')"
SIGN_IN = f"""JSON_MERGE_PATCH('{{}}', JSON_OBJECT('timestamp', {TIME.format("signed_in_on")},
            'device', device, 'ip', ip, 'success', JSON_EXTRACT('[false, true]', CONCAT('$[', success, ']'))))"""
NAME = f"""JSON_MERGE_PATCH('{{}}', JSON_OBJECT('first_name', first_name, 'last_name', last_name,
            'timestamp', {TIME.format("event_time")}, 'changed_by', changed_by))"""


def _with_history(*, is_mariadb: bool) -> str:
    """`user_data`, and beside it what grows, in the same shape of key and value."""
    successes = "user_sign_in WHERE success GROUP BY clerk_id"
    sign_ins = _collected(SIGN_IN, "user_sign_in", "signed_in_on, event_id", is_mariadb)
    names = _collected(NAME, "user_name_history", "event_time, event_id", is_mariadb)
    return (
        "SELECT clerk_id, `key`, value FROM user_data"
        + _grown("session_count", "COUNT(*)", successes)
        + _grown("last_active", f"JSON_QUOTE({TIME.format('MAX(signed_in_on)')})", successes)
        + _grown("login_history", "entries", f"({sign_ins}) sign_ins")
        + _grown("name_history", "entries", f"({names}) names")
    )


def _collected(entry: str, table: str, order: str, is_mariadb: bool) -> str:
    """A JSON array for each account, its entries in order; MySQL can't order them without a window."""
    if is_mariadb:
        return f"SELECT clerk_id, JSON_ARRAYAGG({entry} ORDER BY {order}) AS entries FROM {table} GROUP BY clerk_id"
    return f"""SELECT clerk_id, entries FROM (
            SELECT clerk_id, ROW_NUMBER() OVER (PARTITION BY clerk_id ORDER BY {order}) AS number,
            JSON_ARRAYAGG({entry}) OVER (PARTITION BY clerk_id ORDER BY {order}
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS entries
            FROM {table}) numbered WHERE number = 1"""


def _grown(key: str, value: str, source: str) -> str:
    """The rows of a key. Charset and collation are said, for MariaDB finds none that fits all of a UNION."""
    return f"""
UNION ALL
SELECT clerk_id, _utf8mb4'{key}' COLLATE utf8mb4_bin,
    CAST({value} AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_unicode_ci
FROM {source}"""


VIEWS = (
    TELEGRAM_USER_WITH_STREAM,
    View("user_data_with_history", _with_history(is_mariadb=False), _with_history(is_mariadb=True)),
)
