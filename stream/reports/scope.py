"""Time as a report's query sees it: days and hours of a time zone, the days that are asked for, in SQL.

The server's own CONVERT_TZ isn't used: it knows no zones unless somebody filled its tables. So a zone's offsets are
found here, and written into the query as a CASE by the moments at which they change.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stream import moments

DAY = timedelta(days=1)

UTC_ZONE = ZoneInfo("UTC")

YEARS_AHEAD = 2
"""The years after now in which a zone's changes are looked for: events lie at most a day ahead, lessons may lie
further."""


def time_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name such as America/Chicago. Raises ValueError where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; names are like America/Chicago") from None


@dataclass(frozen=True)
class Scope:
    """The scope of one run of a report's query. Without arguments: everything, in UTC, as in a view."""

    zone: ZoneInfo = UTC_ZONE
    first_day: date | None = None
    """The first day, in the zone; None for no bound. `last_day` is likewise, and is included."""
    last_day: date | None = None
    given: Collection[str] = ()
    """The names of the parameters that have a value."""

    @property
    def since(self) -> datetime | None:
        """The moment (UTC) at which the first day begins."""
        return None if self.first_day is None else self._beginning(self.first_day)

    @property
    def until(self) -> datetime | None:
        """The moment (UTC) at which the day after the last one begins."""
        return None if self.last_day is None else self._beginning(self.last_day + DAY)

    def within(self, moment: str) -> str:
        """The condition that a moment lies in the days that are asked for; an index on it can serve."""
        bounds = [f"{moment} >= :since"] if self.first_day else []
        bounds += [f"{moment} < :until"] if self.last_day else []
        return " AND ".join(bounds) or "TRUE"

    def only(self, parameter: str, condition: str) -> str:
        """The condition, where the parameter was given."""
        return condition if parameter in self.given else "TRUE"

    def local(self, moment: str) -> str:
        """A moment's date and time in the zone. The moment is written many times: name a column, not an aggregate."""
        offset = self._offset(moment)
        return f"({moment} + INTERVAL {offset} SECOND)" if offset != "0" else moment

    def day(self, moment: str) -> str:
        """A moment's day in the zone."""
        return f"DATE({self.local(moment)})"

    def hour(self, moment: str) -> str:
        """A moment's hour in the zone, 0 to 23."""
        return f"HOUR({self.local(moment)})"

    def _offset(self, moment: str) -> str:
        """The zone's offset at a moment, in seconds. Newest first, for most questions are about recent days."""
        begin = self.since or moments.from_micros(0)
        end = self.until or moments.now() + YEARS_AHEAD * 365 * DAY
        first, *changes = offsets(self.zone, begin.date(), end.date() + DAY)
        cases = [f"WHEN {moment} >= '{change:%Y-%m-%d %H:%M:%S}' THEN {seconds}" for change, seconds in changes[::-1]]
        return f"CASE {' '.join(cases)} ELSE {first[1]} END" if cases else str(first[1])

    def _beginning(self, day: date) -> datetime:
        """The moment (UTC) at which a day begins in the zone; where midnight is skipped, the moment after."""
        return datetime.combine(day, time.min, self.zone).astimezone(UTC).replace(tzinfo=None)


@cache
def offsets(zone: ZoneInfo, begin: date, end: date) -> list[tuple[datetime, int]]:
    """The zone's offsets in seconds from `begin` to `end`, each with the moment (UTC) from which it holds."""
    moment = datetime.combine(begin, time.min, UTC)
    changes = [(moment.replace(tzinfo=None), _seconds(zone, moment))]
    for start in _days(moment, end):
        if _seconds(zone, start + DAY) != changes[-1][1]:
            change = _change(zone, start, start + DAY)
            changes.append((change.replace(tzinfo=None), _seconds(zone, change)))
    return changes


def _days(first: datetime, end: date) -> Iterator[datetime]:
    while first.date() < end:
        yield first
        first += DAY


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the offset changes between two moments."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if _seconds(zone, middle) == _seconds(zone, before):
            before = middle
        else:
            after = middle
    return after


def _seconds(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())
