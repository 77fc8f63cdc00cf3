"""The report on campaigns: whom they reach, and who travels then."""

from stream.reports.declaration import TIME_ZONE, Report, number
from stream.reports.scope import Scope


def _performance(scope: Scope) -> str:
    # First what each user got, then what each did: joining trips to single transactions would count trips repeatedly.
    return f"""
        WITH received AS (
            SELECT campaign_id, user_id, SUM(tokens) AS tokens, MIN(issued_on) AS since, MAX(issued_on) AS until
            FROM token_transaction
            WHERE tokens > 0 AND {scope.only("campaign", "campaign_id = :campaign")}
            GROUP BY campaign_id, user_id
        ), engaged AS (
            SELECT r.campaign_id, r.user_id, COUNT(*) AS trips, MIN(t.started_on) AS travelled_on
            FROM received r JOIN trip t ON t.user_id = r.user_id AND t.started_on >= r.since
            GROUP BY r.campaign_id, r.user_id
        )
        SELECT c.ap_campaign_id, c.name, c.tokens AS allocated,
            COUNT(r.user_id) AS unique_recipients, COALESCE(SUM(r.tokens), 0) AS total_distributed,
            SUM(r.tokens) / COUNT(r.user_id) AS avg_per_user,
            MIN(r.since) AS campaign_start, MAX(r.until) AS campaign_end,
            COUNT(e.user_id) AS engaged_users, CAST(COALESCE(SUM(e.trips), 0) AS SIGNED) AS post_campaign_trips,
            AVG(DATEDIFF({scope.local("e.travelled_on")}, {scope.local("r.since")})) AS avg_days_to_engagement,
            COUNT(e.user_id) / COUNT(r.user_id) AS engagement_rate
        FROM campaign c
        LEFT JOIN received r ON r.campaign_id = c.ap_campaign_id
        LEFT JOIN engaged e ON e.campaign_id = r.campaign_id AND e.user_id = r.user_id
        WHERE {scope.only("campaign", "c.ap_campaign_id = :campaign")}
        GROUP BY c.ap_campaign_id, c.name, c.tokens
        ORDER BY c.ap_campaign_id
    """


PERFORMANCE = Report(
    "campaigns-performance",
    "How many users each campaign reached, what they got, and who travelled afterwards",
    {
        "ap_campaign_id": "what tokens refer to",
        "name": "what people call the campaign",
        "allocated": "how many tokens it may hand out",
        "unique_recipients": "users who got tokens of it",
        "total_distributed": "tokens that they got",
        "avg_per_user": "tokens that a recipient got, in the mean; empty where there are none",
        "campaign_start": "when the first were handed out (UTC)",
        "campaign_end": "when the latest were handed out (UTC)",
        "engaged_users": "recipients who began a trip at or after the moment of their first tokens",
        "post_campaign_trips": "those trips, each once",
        "avg_days_to_engagement": "days from a recipient's first tokens to the first such trip, in the mean",
        "engagement_rate": "the share of recipients who are engaged, 0 to 1; empty where there are none",
    },
    _performance,
    (number("campaign", None, "Only the campaign of this ap_campaign_id.", least=0, most=2**32 - 1), TIME_ZONE),
    note="Tokens that were spent (below 0) are not distributed ones. The mean is over users, not over transactions. "
    "With 100,000 recipients all campaigns take some seconds; one answers at once.",
)

REPORTS = (PERFORMANCE,)
