"""Reports on revenue, from the rollup of points, tokens and payments."""

from stream.reports.declaration import DAYS, Report
from stream.reports.scope import Scope


def _daily(scope: Scope) -> str:
    return f"""
        SELECT {scope.day("period_start")} AS `date`,
            SUM(points) AS total_points, SUM(tokens) AS total_tokens, SUM(bytemark) AS total_amount
        FROM rollup_revenue
        WHERE {scope.within("period_start")}
        GROUP BY `date`
        ORDER BY `date`
    """


DAILY = Report(
    "revenue-daily",
    "Points and tokens that users got, and what they paid for tickets, on each day",
    {
        "date": "the day",
        "total_points": "points that were given, without those that were spent",
        "total_tokens": "tokens that were given, without those that were spent",
        "total_amount": "what was paid for Bytemark's tickets, less what was returned",
    },
    _daily,
    DAYS,
    note="A day without any has no row. Tokens count on the day of `issued_on`: they have no day of creation.",
)

REPORTS = (DAILY,)
