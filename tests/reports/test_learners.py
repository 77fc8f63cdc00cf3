"""The reports on learners answer what a plain computation does; a search takes its input literally."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from stream.cli.main import app
from stream.reports import REPORTS, answer
from stream.reports.declaration import statement
from stream.reports.learners import FOUND_MAX, SEARCH
from tests.databases import Database
from tests.events import learner_acted
from tests.reports.conftest import engine_at_now
from tests.reports.plain import day
from tests.reports.world import NOW, Row, Rows
from tests.rows import insert
from tests.sql.applying import Applier

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

NAMES = (
    "Ann",
    "anna",
    "ANNE",
    "Ánn",
    "José",
    "Zoë 🚌",
    "🚌",
    "🚀",
    "🚌🚀",
    "李",
    "%",
    "_",
    "a%b",
    "a_b",
    "axb",
    "\\",
    "'",
    "!",
    "ß",
)

Tables = Mapping[str, Rows]


def made() -> Tables:
    """A few hundred learners: names that differ by case and accents alone, and none; bookings, and what they did."""
    chance = Random(11)
    learners: list[Row] = [
        {
            "user_id": 5_000_000_000 + number,
            "username": chance.choice([None, "", *NAMES, f"rider{number % 7}"]),
            "first_name": chance.choice([None, *NAMES]),
        }
        for number in range(1, 400)
    ]
    ids = [learner["user_id"] for learner in learners]
    streams = ("3rd_stream", "4th_stream", "5th_stream")
    return {
        "telegram_user": learners,
        "bookings": [
            {
                "id": id_,
                "user_id": chance.choice(ids[:100]),
                "course_stream": chance.choice(streams),
                "confirmed": chance.choice([0, 1, 2]),
                "created_on": NOW - HOUR * chance.randrange(20),
            }
            for id_ in range(1, 300)
        ],
        "free_lesson_registrations": [{"id": id_, "user_id": chance.choice(ids[50:150])} for id_ in range(1, 200)],
        "events": [*activity(chance, ids[60:160])],
    }


ACTIVITIES = [(20, 5), (19, 5), (20, 4), (10, 3), (9, 3), (10, 2), (5, 1), (4, 4), (30, 7), (0, 1)]
"""The number of a learner's acts, and of the days on which they lie: each score just reached, and just missed."""


def activity(chance: Random, ids: Sequence[int]) -> Iterator[Row]:
    """Acts of learners in the last days; and acts before these days, to the microsecond."""
    id_ = 0
    for number, user_id in enumerate(ids):
        count, days = ACTIVITIES[number % len(ACTIVITIES)]
        since = [NOW - DAY * (act % days) - timedelta(minutes=chance.randrange(600)) for act in range(count)]
        before = [NOW - 7 * DAY, NOW - 7 * DAY - timedelta(microseconds=1)][: number % 3]
        for moment in (*since, *before):
            id_ += 1
            yield {"id": id_, "user_id": user_id, "event_type": "start", "created_on": moment}


@pytest.fixture
def learners(database: Database) -> Tables:
    """The rows, and the database with them."""
    tables = made()
    with database.engine().begin() as connection:
        for name, rows in tables.items():
            insert(connection, name, rows)
        connection.execute(text("ANALYZE TABLE telegram_user, bookings, events, free_lesson_registrations"))
    return tables


@pytest.fixture
def applier(database: Database) -> Iterator[Applier]:
    made = Applier(database)
    yield made
    made.close()


def ask(database: Database, name: str, **values: Any) -> list[dict[str, Any]]:
    """As the command line asks: each value is read by its parameter."""
    parse = {parameter.name: parameter.parse for parameter in REPORTS[name].parameters}
    parsed = {
        parameter: [parse[parameter](each) for each in value] if isinstance(value, list) else parse[parameter](value)
        for parameter, value in values.items()
    }
    return answer(REPORTS[name], engine_at_now(database), parsed)


# --- The plain computation


def folded(name: str) -> str:
    """Without case and accents."""
    characters = unicodedata.normalize("NFD", name.casefold())
    return "".join(character for character in characters if not unicodedata.combining(character))


def begins(name: str | None, prefix: str) -> bool:
    """Character by character: ß, of which case folding makes ss, is itself here."""
    return name is not None and [*map(folded, name)][: len(prefix)] == [*map(folded, prefix)]


def by_stream(tables: Tables, wanted: str | None) -> list[tuple[str, int]]:
    confirmed = {(row["course_stream"], row["user_id"]) for row in tables["bookings"] if row["confirmed"] == 2}
    return sorted(booking for booking in confirmed if wanted in (None, booking[0]))


def lead_scores(tables: Tables, days: int, zone: ZoneInfo) -> list[tuple[Any, ...]]:
    leads = []
    for user in {row["user_id"] for row in tables["free_lesson_registrations"]}:
        own = [row["created_on"] for row in tables["events"] if row["user_id"] == user]
        own = [moment for moment in own if moment >= NOW - days * DAY]
        active = len({day(moment, {"time_zone": zone}) for moment in own})
        leads.append((user, len(own), active, max(own, default=None), score(len(own), active)))
    return sorted(leads, key=lambda lead: (-lead[1], -lead[2], lead[0]))


def score(events: int, days: int) -> str:
    for name, events_min, days_min in (("hot", 20, 5), ("warm", 10, 3), ("cool", 5, 0)):
        if events >= events_min and days >= days_min:
            return name
    return "cold"


# --- The tests


@pytest.mark.parametrize("prefix", [*NAMES, "A", "an", "AXB", "🚌🚀x", "rider", "RIDER3", "ann ", "ñ", "x' OR 1 -- "])
def test_a_search_finds_who_begins_so_and_takes_each_character_literally(
    database: Database, learners: Tables, prefix: str
) -> None:
    by_user_name = {row["user_id"] for row in learners["telegram_user"] if begins(row["username"], prefix)}
    by_first_name = {row["user_id"] for row in learners["telegram_user"] if begins(row["first_name"], prefix)}
    ids = [row["user_id"] for row in ask(database, "learners-search", prefix=prefix)]
    assert len(ids) == len(set(ids)) == min(FOUND_MAX, len(by_user_name | by_first_name))
    first = min(FOUND_MAX, len(by_user_name))
    assert set(ids[:first]) <= by_user_name
    assert set(ids[first:]) <= by_first_name - by_user_name
    assert ids == [row["user_id"] for row in ask(database, "learners-search", prefix=prefix)]


def test_those_who_are_found_come_in_the_order_of_names_and_then_of_ids(database: Database, learners: Tables) -> None:
    rows = ask(database, "learners-search", prefix="rider")
    assert rows
    order = [(row["username"], row["user_id"]) for row in rows]
    assert order == sorted(order)


def test_a_search_tells_the_course_stream_as_the_view_does(database: Database, learners: Tables) -> None:
    told = {row["user_id"]: row["course_stream"] for row in database.rows("telegram_user_with_stream")}
    rows = ask(database, "learners-search", prefix="a")
    assert {row["user_id"]: row["course_stream"] for row in rows} == {
        row["user_id"]: told[row["user_id"]] for row in rows
    }
    assert any(row["course_stream"] for row in rows)


def test_a_search_is_never_stale_and_reads_long_names_by_their_start(database: Database, applier: Applier) -> None:
    long = "🚌" * 64
    applier.apply(("LearnerActed", learner_acted(username="before", first_name=None)))
    assert ask(database, "learners-search", prefix="BEF")
    later = {"occurred_at": learner_acted()["occurred_at"] + 1, "event_id": "ffffffff-ffff-ffff-ffff-ffffffffffff"}
    applier.apply(("LearnerActed", learner_acted(username=f"{long}tail", first_name=None, **later)))
    assert not ask(database, "learners-search", prefix="bef")
    assert [row["username"] for row in ask(database, "learners-search", prefix=long)] == [f"{long}tail"]


@pytest.mark.parametrize("prefix", ["a", "🚌", "%"])
def test_a_search_reads_as_much_of_two_indexes_as_it_shows(database: Database, learners: Tables, prefix: str) -> None:
    sql, bound = statement(SEARCH, {"prefix": SEARCH.parameters[0].parse(prefix)})
    with database.engine().connect() as connection:
        plan = connection.execute(text(f"EXPLAIN FORMAT=TRADITIONAL {sql}"), bound).mappings().all()
    searched = [line for line in plan if line["table"] == "telegram_user"]
    assert {line["key"] for line in searched} == {
        "ix_telegram_user_username_start",
        "ix_telegram_user_first_name_start",
    }
    assert not [line for line in searched if "filesort" in str(line["Extra"])]
    assert not [line for line in plan if line["type"] == "ALL" and not re.match("<", str(line["table"]))]


@pytest.mark.parametrize("stream", [None, "3rd_stream", "5th_stream"])
def test_learners_by_stream_are_those_with_a_confirmed_booking(
    database: Database, learners: Tables, stream: str | None
) -> None:
    rows = ask(database, "learners-by-stream", **({"course_stream": stream} if stream else {}))
    assert [(row["course_stream"], row["user_id"]) for row in rows] == by_stream(learners, stream)


@pytest.mark.parametrize(
    ("days", "zone"), [(7, "UTC"), (7, "Asia/Kathmandu"), (3, "America/New_York"), (30, "Europe/Berlin")]
)
def test_leads_are_scored_by_events_and_active_days(database: Database, learners: Tables, days: int, zone: str) -> None:
    rows = ask(database, "learners-lead-scores", days=str(days), time_zone=zone)
    columns = ("user_id", "total_events", "active_days", "last_activity", "lead_score")
    expected = lead_scores(learners, days, ZoneInfo(zone))
    assert [tuple(row[name] for name in columns) for row in rows] == expected
    if zone == "UTC":
        assert {row["lead_score"] for row in rows} == {"hot", "warm", "cool", "cold"}


def test_ids_are_validated_in_the_order_in_which_they_are_asked(database: Database, learners: Tables) -> None:
    known = learners["telegram_user"][7]["user_id"]
    rows = ask(database, "learners-validation", user_ids=["9", str(known), "9", str(2**63 - 1)])
    assert [(row["user_id"], row["verdict"]) for row in rows] == [
        (9, "invalid"),
        (known, "valid"),
        (2**63 - 1, "invalid"),
    ]
    assert {(row["valid_count"], row["invalid_count"]) for row in rows} == {(1, 2)}


@pytest.mark.parametrize("name", [name for name in REPORTS if name.startswith("learners-")])
def test_a_report_on_no_learners_finds_none(database: Database, name: str) -> None:
    asked: dict[str, dict[str, Any]] = {"learners-search": {"prefix": "a"}, "learners-validation": {"user_ids": ["1"]}}
    assert [row for row in ask(database, name, **asked.get(name, {})) if row.get("verdict") != "invalid"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["learners-search", "--prefix", ""],
        ["learners-search", "--prefix", "x" * 65],
        ["learners-search"],
        ["learners-by-stream", "--course-stream", "6th_stream"],
        ["learners-validation", "--user-ids", "0"],
        ["learners-validation", "--user-ids", "７"],
        ["learners-validation", "--user-ids", str(2**63)],
    ],
)
def test_what_no_learner_can_have_is_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["report", *arguments]).exit_code == 2
