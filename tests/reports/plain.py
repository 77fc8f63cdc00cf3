"""The reports once more, in plain Python over plain rows: what each must answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.reports.world import NOW, Row, Rows, World, revenue

Asked = Mapping[str, Any]
DAY = timedelta(days=1)


def local(moment: datetime, asked: Asked) -> datetime:
    """A moment (UTC) by the clocks of the time zone that is asked for."""
    return moment.replace(tzinfo=UTC).astimezone(asked.get("time_zone", ZoneInfo("UTC"))).replace(tzinfo=None)


def day(moment: datetime, asked: Asked) -> date:
    return local(moment, asked).date()


def within(rows: Iterable[Row], moment: str, asked: Asked) -> list[Row]:
    """The rows of the days that are asked for."""
    first, last = asked.get("first_day", date.min), asked.get("last_day", date.max)
    return [row for row in rows if first <= day(row[moment], asked) <= last]


def only(rows: Iterable[Row], column: str, value: Any) -> list[Row]:
    """The rows with this value, where one is given."""
    return [row for row in rows if value is None or row[column] == value]


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """The rows by their key, in its order."""
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(sorted(groups.items()))


def mean(values: Iterable[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def counted(counts: Mapping[Any, int], key: str, count: str) -> Rows:
    """A row for each key, in the order of keys."""
    return [{key: value, count: number} for value, number in sorted(counts.items())]


def ranked(counts: Mapping[Any, int], key: str, count: str) -> Rows:
    """A row for each key, the most frequent first."""
    return sorted(counted(counts, key, count), key=lambda row: -row[count])


def passes_history(world: World, asked: Asked) -> Rows:
    rows = only(world["hntb_bytemark_pass"], "user_id", asked["user"])
    rows.sort(key=lambda row: (row["logged_on"], row["bytemark_pass_id"]), reverse=True)
    return [{"bytemark_pass_id": row["bytemark_pass_id"]} for row in rows[: asked.get("limit", 100)]]


def passes_usage(world: World, asked: Asked) -> Rows:
    rows = within(world["hntb_bytemark_pass"], "logged_on", asked)
    return ranked(Counter(row["user_id"] for row in rows), "user_id", "usage_count")


def passes_daily(world: World, asked: Asked) -> Rows:
    rows = within(world["hntb_bytemark_pass"], "logged_on", asked)
    return counted(Counter(day(row["logged_on"], asked) for row in rows), "usage_date", "daily_pass_usage")


def passes_hourly(world: World, asked: Asked) -> Rows:
    rows = within(world["hntb_bytemark_pass"], "logged_on", asked)
    return counted(Counter(local(row["logged_on"], asked).hour for row in rows), "usage_hour", "hourly_count")


def passes_engagement(world: World, asked: Asked) -> Rows:
    users = []
    rows = only(world["hntb_bytemark_pass"], "user_id", asked.get("user"))
    for user, passes in grouped(rows, lambda row: row["user_id"]).items():
        first, last = min(row["logged_on"] for row in passes), max(row["logged_on"] for row in passes)
        users.append(
            {
                "user_id": user,
                "total_interactions": len(passes),
                "first_interaction": first,
                "last_interaction": last,
                "engagement_days": (day(last, asked) - day(first, asked)).days,
            }
        )
    return users


def passes_trips(world: World, asked: Asked) -> Rows:
    trips = grouped(world["hntb_trip"], lambda row: (row["user_id"], day(row["started_on"], asked)))
    passes = within(only(world["hntb_bytemark_pass"], "user_id", asked.get("user")), "logged_on", asked)
    matches: list[Row] = []
    for row in sorted(passes, key=lambda row: (row["logged_on"], row["bytemark_pass_id"]), reverse=True):
        same_day = trips.get((row["user_id"], day(row["logged_on"], asked)), [])
        by_start = sorted(same_day, key=lambda trip: (trip["started_on"], trip["trip_id"]), reverse=True)
        matches += [_matched(row, trip) for trip in by_start or [{}]]
    return matches


def _matched(row: Row, trip: Row) -> Row:
    return {
        "user_id": row["user_id"],
        "pass_time": row["logged_on"],
        "bytemark_pass_id": row["bytemark_pass_id"],
        "trip_id": trip.get("trip_id"),
        "trip_start": trip.get("started_on"),
        "travel_mode": trip.get("travel_mode"),
    }


def passes_adoption(world: World, asked: Asked) -> Rows:
    since = NOW - DAY * asked.get("days", 30)
    rows = [row for row in world["hntb_bytemark_pass"] if row["logged_on"] > since]
    return ranked(Counter(row["user_id"] for row in rows), "user_id", "pass_usage_count")


def revenue_daily(world: World, asked: Asked) -> Rows:
    sums: dict[date, dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(("total_points", "total_tokens", "total_amount"), Decimal(0))
    )
    names = {"points": "total_points", "tokens": "total_tokens", "bytemark": "total_amount"}
    for column, moment, rows, amount in revenue(world):
        for row in within(rows, moment, asked):
            sums[day(row[moment], asked)][names[column]] += row[amount]
    return [{"date": date_, **totals} for date_, totals in sorted(sums.items())]


def _trips(rows: Rows) -> Row:
    return {"trip_count": len(rows), "avg_distance": mean(row["distance"] for row in rows)}


def trips_hourly(world: World, asked: Asked) -> Rows:
    since = NOW - DAY * asked.get("days", 7)
    begin = since.replace(minute=since.minute // 15 * 15, second=0, microsecond=0) + timedelta(minutes=15)
    rows = [row for row in world["trip"] if row["started_on"] >= begin]

    def key(row: Row) -> tuple[int, int, str]:
        at = local(row["started_on"], asked)
        return (at.isoweekday() % 7 + 1, at.hour, row["travel_mode"])

    return [
        {"day_of_week": weekday, "hour": hour, "travel_mode": mode, **_trips(trips)}
        for (weekday, hour, mode), trips in grouped(rows, key).items()
    ]


def trips_modes(world: World, asked: Asked) -> Rows:
    rows = within(world["trip"], "started_on", asked)
    modes = [{"travel_mode": mode, **_trips(trips)} for mode, trips in grouped(rows, _mode).items()]
    return sorted(modes, key=lambda row: -row["trip_count"])


def _mode(row: Row) -> Any:
    return row["travel_mode"]


def trips_hotspots(world: World, asked: Asked) -> Rows:
    ways = grouped(world["cm_activity_location"], lambda row: (row["o_id"], row["d_id"], row["travel_mode"]))
    hotspots = [
        {
            "o_id": o_id,
            "d_id": d_id,
            "travel_mode": mode,
            "frequency": len(rows),
            "avg_drive_prob": mean(row["probability_driving"] for row in rows),
            "avg_transit_prob": mean(row["probability_transit"] for row in rows),
        }
        for (o_id, d_id, mode), rows in ways.items()
        if len(rows) > asked.get("more_than", 10)
    ]
    return sorted(hotspots, key=lambda row: -row["frequency"])[: asked.get("limit", 100)]


def users_engagement(world: World, asked: Asked) -> Rows:
    engaged = []
    for user in world["auth_user"]:
        points = only(world["points_transaction"], "user_id", user["id"])
        tokens = only(world["token_transaction"], "user_id", user["id"])
        trips = only(world["trip"], "user_id", user["id"])
        if user["created_on"] >= NOW - DAY * asked.get("days", 30) and (points or tokens or trips):
            engaged.append(
                {
                    **{name: user[name] for name in ("id", "first_name", "last_name", "enterprise_id")},
                    "points_transactions": len(points),
                    "token_transactions": len(tokens),
                    "trips": len(trips),
                    "total_points": sum((row["points"] for row in points), Decimal(0)),
                    "total_tokens": sum((row["tokens"] or 0 for row in tokens), Decimal(0)),
                }
            )
    return sorted(engaged, key=lambda row: (-row["total_points"], row["id"]))


def users_retention(world: World, asked: Asked) -> Rows:
    def monday(moment: datetime) -> date:
        return day(moment, asked) - DAY * day(moment, asked).weekday()

    moments = {"points_transaction": "created_on", "token_transaction": "issued_on", "trip": "started_on"}
    active = {(row["user_id"], monday(row[at])) for table, at in moments.items() for row in world[table]}
    weeks = asked.get("weeks", 12)
    shares = []
    for week, users in grouped(world["auth_user"], lambda row: monday(row["created_on"])).items():
        for after in range(weeks + 1):
            if week + 7 * after * DAY <= monday(NOW) <= week + 7 * weeks * DAY:
                number = sum((user["id"], week + 7 * after * DAY) in active for user in users)
                shares.append(
                    {
                        "registration_week": week,
                        "weeks_after": after,
                        "users": len(users),
                        "active_users": number,
                        "retention": number / len(users),
                    }
                )
    return shares


def campaigns_performance(world: World, asked: Asked) -> Rows:
    return [_campaign(world, row, asked) for row in only(world["campaign"], "ap_campaign_id", asked.get("campaign"))]


def _campaign(world: World, campaign: Row, asked: Asked) -> Row:
    given = only(world["token_transaction"], "campaign_id", campaign["ap_campaign_id"])
    given = [row for row in given if (row["tokens"] or 0) > 0]
    first = {user: min(row["issued_on"] for row in rows) for user, rows in grouped(given, _user).items()}
    after = [row for row in world["trip"] if row["user_id"] in first and row["started_on"] >= first[row["user_id"]]]
    engaged = {user: min(row["started_on"] for row in rows) for user, rows in grouped(after, _user).items()}
    total = sum((row["tokens"] for row in given), Decimal(0))
    return {
        "ap_campaign_id": campaign["ap_campaign_id"],
        "name": campaign["name"],
        "allocated": campaign["tokens"],
        "unique_recipients": len(first),
        "total_distributed": total,
        "avg_per_user": float(total) / len(first) if first else None,
        "campaign_start": min((row["issued_on"] for row in given), default=None),
        "campaign_end": max((row["issued_on"] for row in given), default=None),
        "engaged_users": len(engaged),
        "post_campaign_trips": len(after),
        "avg_days_to_engagement": mean((day(at, asked) - day(first[user], asked)).days for user, at in engaged.items()),
        "engagement_rate": share(len(engaged), len(first)),
    }


def _user(row: Row) -> Any:
    return row["user_id"]


def target_users_lookup(world: World, asked: Asked) -> Rows:
    rows = only(world["hntb_target_user"], "hash_id", asked["hash_id"])
    rows.sort(key=lambda row: (row["created_on"], row["id"]))
    return [{"id": row["id"], "created_on": row["created_on"]} for row in rows]


def target_users_timeline(world: World, asked: Asked) -> Rows:
    rows = only(world["hntb_target_user"], "hash_id", asked["hash_id"])
    rows.sort(key=lambda row: (row["created_on"], row["id"]))
    return [{name: row[name] for name in ("created_on", "modified_on", "id", "study_id")} for row in rows]


def target_users_validation(world: World, asked: Asked) -> Rows:
    known = grouped(world["hntb_target_user"], lambda row: row["hash_id"])
    wanted = list(dict.fromkeys(asked["hash_ids"]))
    return [
        {
            "hash_id": hash_id,
            "verdict": "valid" if hash_id in known else "invalid",
            "created_on": min((row["created_on"] for row in known.get(hash_id, [])), default=None),
            "valid_count": sum(other in known for other in wanted),
            "invalid_count": sum(other not in known for other in wanted),
        }
        for hash_id in wanted
    ]


def target_users_totals(world: World, asked: Asked) -> Rows:
    rows = only(world["hntb_target_user"], "study_id", asked.get("study"))
    return [
        {
            "total_users": len({row["hash_id"] for row in rows}),
            "first_registration": min((row["created_on"] for row in rows), default=None),
            "latest_registration": max((row["created_on"] for row in rows), default=None),
            "registration_days": len({day(row["created_on"], asked) for row in rows}),
            "registrations": len(rows),
        }
    ]


def target_users_daily(world: World, asked: Asked) -> Rows:
    rows = within(only(world["hntb_target_user"], "study_id", asked.get("study")), "created_on", asked)
    return counted(Counter(day(row["created_on"], asked) for row in rows), "registration_date", "registrations")


def target_users_registered(world: World, asked: Asked) -> Rows:
    rows = within(only(world["hntb_target_user"], "study_id", asked.get("study")), "created_on", asked)
    rows.sort(key=lambda row: (row["created_on"], row["id"]), reverse=True)
    return [{name: row[name] for name in ("id", "hash_id", "study_id", "created_on")} for row in rows]
