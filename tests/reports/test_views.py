"""Views say what the reports do, and QuickSight reads them."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from stream.reports import REPORTS, Report, answer
from stream.reports.declaration import statement
from tests.databases import Database
from tests.reports.conftest import engine_at_now
from tests.reports.test_answers import CASES

pytestmark = pytest.mark.xdist_group("reports")

VIEWED = [report for report in REPORTS.values() if report.view]

UNREAD_TYPES = {"json", "binary", "varbinary", "time", "bit", "blob", "longblob"}
"""Types that QuickSight does not read."""

LEDGERS = {
    "points_transaction",
    "token_transaction",
    "trip",
    "hntb_bytemark_pass",
    "hntb_trip",
    "bytemark_order_payments",
    "events",
    "cm_activity_location",
}
"""Tables that grow with every event."""


@pytest.mark.parametrize("report", VIEWED, ids=lambda report: report.name)
def test_a_view_says_what_the_report_does(filled: Database, report: Report) -> None:
    engine = engine_at_now(filled)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(text(f"SELECT * FROM {report.view}")).mappings()]
    expected = answer(report, engine, {})
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


def test_quicksight_reads_every_column_of_the_views(filled: Database) -> None:
    sql = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE()"
    types = {(view, column): kind.lower() for view, column, kind in map(tuple, filled.query(sql))}
    for report in VIEWED:
        assert not {types[report.view or "", column] for column in report.columns} & UNREAD_TYPES


@pytest.mark.parametrize("name", CASES)
def test_no_report_scans_a_ledger(filled_mysql: Database, name: str) -> None:
    """By MySQL's plan: an index, or a rollup, serves each."""
    with engine_at_now(filled_mysql).connect() as connection:
        for asked in CASES[name]:
            sql, bound = statement(REPORTS[name], asked)
            plan = connection.execute(text(f"EXPLAIN FORMAT=TRADITIONAL {sql}"), bound).mappings().all()
            scanned = {line["table"] for line in plan if line["type"] == "ALL"}
            assert not {table for table, alias in named(sql) if {table, alias} & scanned} & LEDGERS, (asked, plan)


def named(sql: str) -> list[tuple[str, str]]:
    """Each table that a query names, with what it is called there."""
    return [(table, alias) for table, alias in re.findall(r"(?:FROM|JOIN) (\w+)(?:[ ](?!ON|WHERE)(\w+))?", sql)]
