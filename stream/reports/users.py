"""Reports on users of the app: who does something, and who stays."""

from stream.reports.declaration import TIME_ZONE, Report, days_back, number
from stream.reports.scope import Scope

ACTIVITIES = {"points_transaction": "created_on", "token_transaction": "issued_on", "trip": "started_on"}
"""The tables whose rows are a user's activity, each with its moment."""


WEEKS_MAX = 520
"""Ten years. Servers end a recursion, such as the one that counts the weeks, after 1,000 steps."""


def _engagement(_scope: Scope) -> str:
    # A subquery for each figure: joining the three ledgers to the user would multiply their rows with each other.
    return """
        SELECT engaged.* FROM (
            SELECT u.id, u.first_name, u.last_name, u.enterprise_id,
                (SELECT COUNT(*) FROM points_transaction p WHERE p.user_id = u.id) AS points_transactions,
                (SELECT COUNT(*) FROM token_transaction t WHERE t.user_id = u.id) AS token_transactions,
                (SELECT COUNT(*) FROM trip t WHERE t.user_id = u.id) AS trips,
                (SELECT COALESCE(SUM(p.points), 0) FROM points_transaction p WHERE p.user_id = u.id) AS total_points,
                (SELECT COALESCE(SUM(t.tokens), 0) FROM token_transaction t WHERE t.user_id = u.id) AS total_tokens
            FROM auth_user u
            WHERE u.created_on >= UTC_TIMESTAMP(6) - INTERVAL :days DAY
        ) engaged
        WHERE points_transactions + token_transactions + trips > 0
        ORDER BY total_points DESC, id
    """


def _monday(day: str) -> str:
    return f"({day} - INTERVAL WEEKDAY({day}) DAY)"


def _retention(scope: Scope) -> str:
    this_week = _monday(scope.day("UTC_TIMESTAMP(6)"))
    # The bound on the moment lets an index serve; the one on the week makes the first cohort whole. DISTINCT, though no
    # id is there twice, has the server find a user's week once, and not again for whatever the user did.
    return f"""
        WITH RECURSIVE later AS (
            SELECT 0 AS weeks_after UNION ALL SELECT weeks_after + 1 FROM later WHERE weeks_after < :weeks
        ), registered AS (
            SELECT DISTINCT id, {_monday(scope.day("created_on"))} AS registration_week
            FROM auth_user
            WHERE created_on >= UTC_TIMESTAMP(6) - INTERVAL 7 * :weeks + 8 DAY
        ), cohort AS (
            SELECT registration_week, COUNT(*) AS users
            FROM registered
            WHERE registration_week >= {this_week} - INTERVAL :weeks WEEK
            GROUP BY registration_week
        ), active AS ({" UNION".join(_active(scope, *activity) for activity in ACTIVITIES.items())}
        ), counted AS (
            SELECT registration_week, weeks_after, COUNT(*) AS users FROM active GROUP BY registration_week, weeks_after
        )
        SELECT cohort.registration_week, later.weeks_after, cohort.users,
            COALESCE(counted.users, 0) AS active_users, COALESCE(counted.users, 0) / cohort.users AS retention
        FROM cohort
        JOIN later ON cohort.registration_week + INTERVAL later.weeks_after WEEK <= {this_week}
        LEFT JOIN counted ON counted.registration_week = cohort.registration_week
            AND counted.weeks_after = later.weeks_after
        ORDER BY cohort.registration_week, later.weeks_after
    """


def _active(scope: Scope, table: str, moment: str) -> str:
    """The weeks, counted from registration, in which the registered did what this table tells."""
    return f"""
            SELECT r.id, r.registration_week,
                FLOOR(DATEDIFF({scope.local(f"a.{moment}")}, r.registration_week) / 7) AS weeks_after
            FROM registered r JOIN {table} a ON a.user_id = r.id"""


ENGAGEMENT = Report(
    "users-engagement",
    "Users who registered in the last days and did anything since, those with most points first",
    {
        "id": "the app user",
        "first_name": "as the user gave it",
        "last_name": "as the user gave it",
        "enterprise_id": "0 or empty for none",
        "points_transactions": "transactions with points",
        "token_transactions": "transactions with tokens",
        "trips": "trips",
        "total_points": "points that the user got, less those that were spent",
        "total_tokens": "tokens that the user got, less those that were spent",
    },
    _engagement,
    (days_back(30),),
    note="Each figure is counted by itself: a join of trips with transactions would count each trip once for every "
    "transaction.",
)

RETENTION = Report(
    "users-retention",
    "How many of those who registered in a week did anything in it and in the weeks after",
    {
        "registration_week": "the Monday of the week in which they registered",
        "weeks_after": "0 is that week itself, 1 the next one",
        "users": "how many registered in that week",
        "active_users": "how many of them made a trip or a transaction with points or tokens",
        "retention": "their share, 0 to 1",
    },
    _retention,
    (number("weeks", 12, "How many weeks back from this one, and how many after.", most=WEEKS_MAX), TIME_ZONE),
    note="The present week is among them, so its figures may still grow.",
)

REPORTS = (ENGAGEMENT, RETENTION)
