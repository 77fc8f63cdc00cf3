"""The sections of the page, from top to bottom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stream.page import plots


@dataclass(frozen=True)
class Section:
    """A plot of a report, or one of the service's own tables, printed in full."""

    title: str
    axes: str
    """The meaning of the plot's axes, in words."""
    report: str = ""
    draw: plots.Draw | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Values of the report's parameters, besides those that the whole page has."""
    table: str = ""
    columns: tuple[str, ...] = ()
    """The columns of the table that are shown."""


SECTIONS = (
    Section(
        "Passes by day", "interactions with passes", "passes-daily", plots.by_day("usage_date", daily_pass_usage="")
    ),
    Section(
        "Passes by hour",
        "interactions with passes, by the hour of the day",
        "passes-hourly",
        plots.by_hour("usage_hour", "hourly_count"),
    ),
    Section("Modes of travel", "trips", "trips-modes", plots.ranking("trip_count", "travel_mode")),
    Section("Trips of the last 7 days", "weekday and hour in which trips began", "trips-hourly", plots.week_by_hour),
    Section(
        "Revenue by day",
        "points and tokens that were given, and what was paid for tickets",
        "revenue-daily",
        plots.by_day("date", total_points="points", total_tokens="tokens", total_amount="Bytemark"),
    ),
    Section(
        "Engagement",
        "points of users who registered in the last 30 days, by user id",
        "users-engagement",
        plots.ranking("total_points", "id", prefix="user "),
    ),
    Section(
        "Retention",
        "share of a week's registrations that did anything so many weeks later",
        "users-retention",
        plots.retention,
    ),
    Section(
        "Campaigns",
        "share of recipients who travelled afterwards",
        "campaigns-performance",
        plots.ranking("engagement_rate", "ap_campaign_id", "name"),
    ),
    Section(
        "Hotspots",
        "ways between two clusters of places, by mode",
        "trips-hotspots",
        plots.ranking("frequency", "o_id", "d_id", "travel_mode"),
    ),
    Section(
        "Adoption",
        "users by how often they used passes in the last 30 days",
        "passes-adoption",
        plots.frequencies("pass_usage_count"),
    ),
    Section(
        "Registrations",
        "research participants who were registered, by day",
        "target-users-daily",
        plots.by_day("registration_date", registrations="registrations"),
    ),
    Section(
        "Data quality",
        "rows at fault, as each check found last",
        table="data_quality",
        columns=("check_name", "faults", "meaning", "checked_on"),
    ),
    Section(
        "Freshness",
        "the moment (UTC) through which each table holds all that its topic does; empty where that isn't known yet",
        table="freshness",
        columns=("table_name", "topic", "complete_through", "dead_letters_waiting", "rollup_behind_since"),
    ),
)
