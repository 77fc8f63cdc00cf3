"""Reports on riders' interactions with Bytemark passes, from `hntb_bytemark_pass` and its rollup."""

from stream.reports.declaration import DAYS, TIME_ZONE, Parameter, Report, days_back, number
from stream.reports.scope import Scope


def _history(_scope: Scope) -> str:
    return """
        SELECT logged_on, bytemark_pass_id, created_on, modified_on
        FROM hntb_bytemark_pass
        WHERE user_id = :user
        ORDER BY logged_on DESC, bytemark_pass_id DESC
        LIMIT :limit
    """


def _usage(scope: Scope) -> str:
    return f"""
        SELECT user_id, COUNT(*) AS usage_count
        FROM hntb_bytemark_pass
        WHERE {scope.within("logged_on")}
        GROUP BY user_id
        ORDER BY usage_count DESC, user_id
    """


def _daily(scope: Scope) -> str:
    return f"""
        SELECT {scope.day("period_start")} AS usage_date, CAST(SUM(passes) AS SIGNED) AS daily_pass_usage
        FROM rollup_passes
        WHERE {scope.within("period_start")}
        GROUP BY usage_date
        ORDER BY usage_date
    """


def _hourly(scope: Scope) -> str:
    return f"""
        SELECT {scope.hour("period_start")} AS usage_hour, CAST(SUM(passes) AS SIGNED) AS hourly_count
        FROM rollup_passes
        WHERE {scope.within("period_start")}
        GROUP BY usage_hour
        ORDER BY usage_hour
    """


def _engagement(scope: Scope) -> str:
    return f"""
        SELECT counted.*,
            DATEDIFF({scope.local("last_interaction")}, {scope.local("first_interaction")}) AS engagement_days
        FROM (
            SELECT user_id, COUNT(*) AS total_interactions,
                MIN(logged_on) AS first_interaction, MAX(logged_on) AS last_interaction
            FROM hntb_bytemark_pass
            WHERE {scope.only("user", "user_id = :user")}
            GROUP BY user_id
        ) counted
        ORDER BY user_id
    """


def _trips(scope: Scope) -> str:
    # The bounds let an index serve: no local day is longer than 25 hours.
    return f"""
        SELECT p.user_id, p.logged_on AS pass_time, p.bytemark_pass_id,
            t.trip_id, t.started_on AS trip_start, t.travel_mode
        FROM hntb_bytemark_pass p
        LEFT JOIN hntb_trip t ON t.user_id = p.user_id
            AND t.started_on BETWEEN p.logged_on - INTERVAL 25 HOUR AND p.logged_on + INTERVAL 25 HOUR
            AND {scope.day("t.started_on")} = {scope.day("p.logged_on")}
        WHERE {scope.only("user", "p.user_id = :user")} AND {scope.within("p.logged_on")}
        ORDER BY p.logged_on DESC, p.bytemark_pass_id DESC, t.started_on DESC, t.trip_id DESC
    """


def _adoption(_scope: Scope) -> str:
    return """
        SELECT user_id, COUNT(*) AS pass_usage_count
        FROM hntb_bytemark_pass
        WHERE logged_on > UTC_TIMESTAMP(6) - INTERVAL :days DAY
        GROUP BY user_id
        ORDER BY pass_usage_count DESC, user_id
    """


ONE_USER = Parameter("user", str, "The app user's id.", is_required=True, example="7")
USER = Parameter("user", str, "Only of this app user; without it, of each.")
PARTICIPANT = "the research participant: an app user's id as text"

HISTORY = Report(
    "passes-history",
    "The latest interactions of a user with passes, the newest first",
    {
        "logged_on": "when the pass was logged (UTC)",
        "bytemark_pass_id": "names the interaction",
        "created_on": "when the interaction came to be (UTC)",
        "modified_on": "when the event that last won occurred (UTC)",
    },
    _history,
    (ONE_USER, number("limit", 100, "How many at most.")),
    has_view=False,
)

USAGE = Report(
    "passes-usage",
    "How often each user used passes, the most frequent first",
    {"user_id": PARTICIPANT, "usage_count": "interactions with passes in the days that count"},
    _usage,
    DAYS,
    note="The view passes_engagement counts the same, over all days.",
    has_view=False,
)

DAILY = Report(
    "passes-daily",
    "Interactions with passes on each day",
    {"usage_date": "the day", "daily_pass_usage": "interactions with passes on it"},
    _daily,
    DAYS,
    note="A day without any has no row.",
)

HOURLY = Report(
    "passes-hourly",
    "Interactions with passes by the hour of the day",
    {"usage_hour": "the hour, 0 to 23", "hourly_count": "interactions with passes in it, on all days that count"},
    _hourly,
    DAYS,
    note="An hour without any has no row.",
)

ENGAGEMENT = Report(
    "passes-engagement",
    "Since when a user has used passes, until when, and how often",
    {
        "user_id": PARTICIPANT,
        "total_interactions": "interactions with passes",
        "first_interaction": "the first (UTC)",
        "last_interaction": "the latest (UTC)",
        "engagement_days": "days from the first to the latest; 0 where both are on one day",
    },
    _engagement,
    (USER, TIME_ZONE),
    note="A user without any has no row.",
)

TRIPS = Report(
    "passes-trips",
    "A user's interactions with passes, each with the trips of the same day, the newest first",
    {
        "user_id": PARTICIPANT,
        "pass_time": "when the pass was logged (UTC)",
        "bytemark_pass_id": "names the interaction",
        "trip_id": "names a trip that began on the same day; empty where there is none",
        "trip_start": "when it began (UTC)",
        "travel_mode": "such as walking, transit or driving",
    },
    _trips,
    (ONE_USER, *DAYS),
    note="An interaction has a row for each of the day's trips: count bytemark_pass_id distinctly. "
    "The view is of all users: ask it for some, or for some days.",
)

ADOPTION = Report(
    "passes-adoption",
    "Who used passes in the last days, the most frequent first",
    {"user_id": PARTICIPANT, "pass_usage_count": "interactions with passes in the last days"},
    _adoption,
    (days_back(30),),
)

REPORTS = (HISTORY, USAGE, DAILY, HOURLY, ENGAGEMENT, TRIPS, ADOPTION)
