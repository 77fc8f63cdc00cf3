"""Each report answers what a plain computation over the same rows does, on both servers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stream.catalog.bytemark_pass import PASSES
from stream.reports import REPORTS, answer
from tests.databases import Database
from tests.reports import plain
from tests.reports.conftest import engine_at_now
from tests.reports.world import Rows, World
from tests.rows import insert

pytestmark = pytest.mark.xdist_group("reports")

ZONES = [ZoneInfo(name) for name in ("Asia/Kathmandu", "America/New_York", "Europe/Berlin", "Pacific/Chatham")]
SPANS: list[dict[str, Any]] = [
    {"first_day": date(2026, 2, 28), "last_day": date(2026, 3, 1)},
    {"first_day": date(2026, 3, 8)},
    {"last_day": date(2026, 3, 29)},
    {"first_day": date(2027, 1, 1)},
]
SPANS += [{**span, "time_zone": zone} for span, zone in zip([*SPANS[:3], {}], ZONES, strict=True)]
FEW = [{}, SPANS[3], *SPANS[5:7]]
IN_ZONES: list[dict[str, Any]] = [{"time_zone": zone} for zone in ZONES]
HASHES = [f"{number:064x}" for number in (3, 999, 4, 3)]

CASES: Mapping[str, list[dict[str, Any]]] = {
    "passes-history": [{"user": "7"}, {"user": "7", "limit": 3}, {"user": "60"}, {"user": "nobody"}],
    "passes-usage": FEW,
    "passes-daily": [{}, *SPANS],
    "passes-hourly": FEW,
    "passes-engagement": [{}, {"user": "7"}, {"user": "60"}, *IN_ZONES],
    "passes-trips": [{"user": "7", **SPANS[1]}, *FEW],
    "passes-adoption": [{}, {"days": 1}, {"days": 1000}],
    "revenue-daily": [{}, *SPANS],
    "trips-hourly": [{}, {"days": 60}, *IN_ZONES],
    "trips-modes": FEW,
    "trips-hotspots": [
        {},
        {"more_than": 9},
        {"more_than": 0, "limit": 5},
        {"more_than": 5, "limit": 3},
        {"more_than": 100},
    ],
    "users-engagement": [{}, {"days": 5}, {"days": 1000}],
    "users-retention": [{}, {"weeks": 3}, *IN_ZONES],
    "campaigns-performance": [{}, {"campaign": 0}, {"campaign": 11}, {"campaign": 14}, {"campaign": 99}, *IN_ZONES],
    "target-users-lookup": [{"hash_id": hash_id} for hash_id in HASHES[:3]],
    "target-users-timeline": [{"hash_id": hash_id} for hash_id in HASHES[:3]],
    "target-users-validation": [{"hash_ids": HASHES}, {"hash_ids": ["x" * 300, "ABC", "abc", "ß", "ss"]}],
    "target-users-totals": [{}, {"study": "bus"}, {"study": "none"}, *IN_ZONES],
    "target-users-daily": [{"study": "bike", **SPANS[5]}, *FEW],
    "target-users-registered": [{"study": "bike", **SPANS[5]}, *FEW],
}
OTHERS = {"learners"}
"""Subjects whose reports are tested elsewhere."""


def test_every_report_is_compared_with_a_plain_computation() -> None:
    assert set(CASES) == {name for name in REPORTS if name.partition("-")[0] not in OTHERS}


@pytest.mark.parametrize("name", CASES)
def test_a_report_answers_what_a_plain_computation_does(filled: Database, world: World, name: str) -> None:
    engine = engine_at_now(filled)
    for asked in CASES[name]:
        rows = answer(REPORTS[name], engine, asked)
        expected = getattr(plain, name.replace("-", "_"))(world, asked)
        assert_same(rows, expected, list(REPORTS[name].columns), asked)


def test_a_report_on_nothing_answers_nothing(database: Database) -> None:
    engine = database.engine()
    answers = {name: answer(REPORTS[name], engine, cases[0]) for name, cases in CASES.items()}
    assert [row["total_users"] for row in answers.pop("target-users-totals")] == [0]
    assert {row["verdict"] for row in answers.pop("target-users-validation")} == {"invalid"}
    assert not any(answers.values())


def test_no_report_fails_at_the_ends_of_the_calendar(database: Database) -> None:
    """No event brings such dates; somebody may have written them by hand."""
    with database.engine().begin() as connection:
        for number, end in enumerate((datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)), 1):
            moved = {"travel_mode": "transit", "distance": 1.0, "started_on": end}
            amount = {"id": number, "user_id": 7, "activity_type": 1, "balance": 1, "created_on": end}
            for table, row in {
                "auth_user": {"id": number, "created_on": end},
                "hntb_bytemark_pass": {"bytemark_pass_id": number, "user_id": "7", "logged_on": end},
                "hntb_trip": {"trip_id": number, "user_id": "7", **moved},
                "trip": {"id": number, "user_id": 7, **moved},
                "points_transaction": {**amount, "points": 1, "payer": 0, "payee": 0, "ref_transaction_id": 0},
                "token_transaction": {**amount, "tokens": 1, "f_agency_id": 0, "f_token_id": 0, "issued_on": end},
                "hntb_target_user": {"id": number, "hash_id": HASHES[0], "study_id": "bus", "created_on": end},
            }.items():
                insert(connection, table, [row])
            start = end.replace(minute=end.minute // 15 * 15, second=0, microsecond=0)
            connection.execute(PASSES.insert(), {"period_start": start, "passes": 1})
    engine = database.engine()
    for name, cases in CASES.items():
        for asked in (cases[0], *({"time_zone": zone} for zone in ZONES[:2])):
            answer(REPORTS[name], engine, {**cases[0], **asked})


def assert_same(rows: list[dict[str, Any]], expected: Rows, columns: list[str], asked: Any) -> None:
    """The same rows in the same order; what the database divided has four digits behind the point."""
    assert len(rows) == len(expected), asked
    for left, right in zip(rows, expected, strict=True):
        assert list(left) == columns
        for column, value in right.items():
            assert _is_same(left[column], value), (asked, left, right)


def _is_same(left: Any, right: Any) -> bool:
    if isinstance(left, Decimal | float) and right is not None:
        return abs(float(left) - float(right)) < 1e-4
    return bool(left == right)
