"""Time zones in queries: offsets are found as they change, and days begin where clocks say so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from stream.reports.scope import Scope, offsets, time_zone


@pytest.mark.parametrize(
    "name", ["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]
)
def test_offsets_are_those_of_every_hour(name: str) -> None:
    zone = ZoneInfo(name)
    changes = offsets(zone, date(2010, 1, 1), date(2013, 1, 1))
    for hours in range(3 * 365 * 24):
        moment = datetime(2010, 1, 1) + timedelta(hours=hours)
        expected = moment.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        assert [seconds for change, seconds in changes if change <= moment][-1:] == [int(expected.total_seconds())]  # type: ignore[union-attr]


def test_an_offset_changes_at_its_very_second() -> None:
    changes = offsets(ZoneInfo("America/New_York"), date(2026, 3, 1), date(2026, 12, 1))
    assert changes == [
        (datetime(2026, 3, 1), -5 * 3600),
        (datetime(2026, 3, 8, 7), -4 * 3600),
        (datetime(2026, 11, 1, 6), -5 * 3600),
    ]


@pytest.mark.parametrize(
    ("name", "day", "begins"),
    [
        ("UTC", date(2026, 3, 1), datetime(2026, 3, 1)),
        ("Asia/Kathmandu", date(2026, 3, 1), datetime(2026, 2, 28, 18, 15)),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5)),
        ("America/New_York", date(2026, 3, 9), datetime(2026, 3, 9, 4)),
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4)),  # midnight is skipped
    ],
)
def test_a_day_begins_where_the_clocks_say(name: str, day: date, begins: datetime) -> None:
    scope = Scope(ZoneInfo(name), first_day=day, last_day=day - timedelta(days=1))
    assert (scope.since, scope.until) == (begins, begins)


def test_a_query_of_everything_in_utc_is_bare() -> None:
    scope = Scope()
    assert (scope.day("t"), scope.hour("t"), scope.within("t")) == ("DATE(t)", "HOUR(t)", "TRUE")


@pytest.mark.parametrize("name", ["Nonsense", "", "../passwd", "/etc/passwd", "America"])
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        time_zone(name)
