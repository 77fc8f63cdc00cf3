"""Rows → plots, as plotly.js takes them: data and layout. Colours are the page's business."""

import html
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
Plot = dict[str, Any]
Draw = Callable[[Sequence[Row]], Plot]

RANKED_MAX = 20
"""The most bars of a ranking: more can't be read on a phone."""

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""The days of the week as MySQL counts them, from 1."""


COLOURS = "Viridis"
"""The colours of heat maps: they grow lighter evenly, and can be told apart by the colour-blind."""


def by_day(day: str, **named: str) -> Draw:
    """A line for each column, over days. A keyword is a column, its value the name for readers. Missing days are 0."""

    def draw(rows: Sequence[Row]) -> Plot:
        row_of = {row[day]: row for row in rows if row[day] is not None}  # a time zone may take one beyond the calendar
        days = _every_day(row_of)
        lines = [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [shown_day.isoformat() for shown_day in days],
                "y": [_number(row_of[shown_day][column]) if shown_day in row_of else 0 for shown_day in days],
            }
            for column, name in named.items()
        ]
        return {"data": lines, "layout": {"yaxis": {"rangemode": "tozero"}, "showlegend": len(lines) > 1}}

    return draw


def by_hour(hour: str, count: str) -> Draw:
    """A bar for each hour of the day."""

    def draw(rows: Sequence[Row]) -> Plot:
        counts = {row[hour]: row[count] for row in rows}
        bars = {
            "type": "bar",
            "x": list(range(24)),
            "y": [_number(counts.get(hour_of_day, 0)) for hour_of_day in range(24)],
        }
        return {"data": [bars], "layout": {"xaxis": {"dtick": 3}}}

    return draw


def ranking(count: str, *labels: str, prefix: str = "") -> Draw:
    """A bar for each of the first rows, the first on top. Plotly takes tags in a name for markup, links included."""

    def draw(rows: Sequence[Row]) -> Plot:
        shown = rows[:RANKED_MAX]
        names = [html.escape(prefix + " · ".join(str(row[label]) for label in labels), quote=False) for row in shown]
        bars = {"type": "bar", "orientation": "h", "y": names, "x": [_number(row[count]) for row in shown]}
        return {"data": [bars], "layout": {"yaxis": {"autorange": "reversed", "type": "category"}}}

    return draw


def frequencies(count: str) -> Draw:
    """A bar for each count, as high as the number of rows that have it."""

    def draw(rows: Sequence[Row]) -> Plot:
        return {"data": [{"type": "histogram", "x": [row[count] for row in rows]}], "layout": {"bargap": 0.05}}

    return draw


def week_by_hour(rows: Sequence[Row]) -> Plot:
    """Trips by weekday and hour, whatever the mode."""
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for row in rows:
        counts[row["day_of_week"], row["hour"]] += row["trip_count"]
    cells = [[counts[day, hour] for hour in range(24)] for day in range(1, 8)]
    heat = {"type": "heatmap", "colorscale": COLOURS, "x": list(range(24)), "y": WEEKDAYS, "z": cells}
    return {"data": [heat], "layout": {"xaxis": {"dtick": 3}, "yaxis": {"autorange": "reversed"}}}


def retention(rows: Sequence[Row]) -> Plot:
    """The share of each week's registrations that were active in the weeks after."""
    shares = {(row["registration_week"], row["weeks_after"]): row["retention"] for row in rows}
    weeks = sorted({week for week, _ in shares})
    after = sorted({number for _, number in shares})
    heat = {
        "type": "heatmap",
        "colorscale": COLOURS,
        "x": after,
        "y": [week.isoformat() for week in weeks],
        "z": [[_number(shares.get((week, number))) for number in after] for week in weeks],
    }
    return {"data": [heat], "layout": {"yaxis": {"autorange": "reversed", "type": "category"}}}


def _every_day(days: Mapping[date, Row]) -> list[date]:
    if not days:
        return []
    first, last = min(days), max(days)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _number(value: Any) -> Any:
    """The value as JSON has it; a plot needs no more digits."""
    return float(value) if isinstance(value, Decimal) else value
