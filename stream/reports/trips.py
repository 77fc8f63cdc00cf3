"""Reports on trips and on the ways between places."""

from stream.reports.declaration import DAYS, TIME_ZONE, Report, days_back, number
from stream.reports.scope import Scope

COUNTED = """CAST(SUM(trips) AS SIGNED) AS trip_count,
            SUM(distance_sum) / NULLIF(SUM(distances), 0) AS avg_distance"""


def _hourly(scope: Scope) -> str:
    return f"""
        SELECT DAYOFWEEK({scope.local("period_start")}) AS day_of_week, {scope.hour("period_start")} AS `hour`,
            travel_mode, {COUNTED}
        FROM rollup_trips
        WHERE period_start >= UTC_TIMESTAMP(6) - INTERVAL :days DAY
        GROUP BY day_of_week, `hour`, travel_mode
        ORDER BY day_of_week, `hour`, travel_mode
    """


def _modes(scope: Scope) -> str:
    return f"""
        SELECT travel_mode, {COUNTED}
        FROM rollup_trips
        WHERE {scope.within("period_start")}
        GROUP BY travel_mode
        ORDER BY trip_count DESC, travel_mode
    """


def _hotspots(_scope: Scope) -> str:
    return """
        SELECT o_id, d_id, travel_mode, COUNT(*) AS frequency,
            AVG(probability_driving) AS avg_drive_prob, AVG(probability_transit) AS avg_transit_prob
        FROM cm_activity_location
        GROUP BY o_id, d_id, travel_mode
        HAVING COUNT(*) > :more_than
        ORDER BY frequency DESC, o_id, d_id, travel_mode
        LIMIT :limit
    """


TRIPS = {"trip_count": "trips that began", "avg_distance": "their distance in metres, in the mean"}

HOURLY = Report(
    "trips-hourly",
    "Trips of the last days by weekday, hour and mode of travel",
    {
        "day_of_week": "1 is Sunday, 7 is Saturday",
        "hour": "the hour in which they began, 0 to 23",
        "travel_mode": "such as walking, transit or driving",
        **TRIPS,
    },
    _hourly,
    (days_back(7), TIME_ZONE),
    note="They count from the next full quarter of an hour on. What has no trips has no row.",
)

MODES = Report(
    "trips-modes",
    "Trips by mode of travel, the most frequent first",
    {"travel_mode": "such as walking, transit or driving", **TRIPS},
    _modes,
    DAYS,
    has_view=False,
)

HOTSPOTS = Report(
    "trips-hotspots",
    "Between which clusters of places people travel most, and how",
    {
        "o_id": "the cluster of places where the way begins",
        "d_id": "the cluster of places where it ends",
        "travel_mode": "such as walking, transit or driving",
        "frequency": "how many such ways there are",
        "avg_drive_prob": "how likely they are driven, 0 to 1, in the mean of those that say so",
        "avg_transit_prob": "how likely they are made by transit, 0 to 1, in the mean of those that say so",
    },
    _hotspots,
    (
        number("more_than", 10, "Only what is there more often than this.", least=0),
        number("limit", 100, "How many at most."),
    ),
)

REPORTS = (HOURLY, MODES, HOTSPOTS)
