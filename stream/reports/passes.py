"""Reports on riders' interactions with Bytemark passes, from `hntb_bytemark_pass` and its rollup."""

from stream.reports.declaration import DAYS, Report, app_user, number
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
    (app_user(), number("limit", 100, "How many at most.")),
    has_view=False,
)

USAGE = Report(
    "passes-usage",
    "How often each user used passes, the most frequent first",
    {
        "user_id": "the research participant: an app user's id as text",
        "usage_count": "interactions with passes in the days that count",
    },
    _usage,
    DAYS,
)

REPORTS = (HISTORY, USAGE)
