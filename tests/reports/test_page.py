"""The page of plots: each is one that plotly draws, nothing comes from elsewhere, and no text ends its element."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects
import pytest
from typer.testing import CliRunner

from stream.cli.main import app
from stream.cli.report import html_command
from stream.errors import ConfigurationError
from stream.page import SECTIONS, document
from stream.page.plots import by_day
from stream.reports import REPORTS
from tests.databases import Database
from tests.reports.conftest import engine_at_now
from tests.reports.world import NOW

pytestmark = pytest.mark.xdist_group("reports")

ASKED = {"time_zone": ZoneInfo("America/New_York"), "first_day": date(2026, 3, 1)}
PLOTS = re.compile(r"^const plots = (.*);$", re.MULTILINE)


class Elements(HTMLParser):
    """The elements of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts = 0
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self.texts.append(data)


def plots_of(page: str) -> dict[str, Any]:
    script = PLOTS.search(page)
    assert script
    plots: dict[str, Any] = json.loads(script[1])
    return plots


def test_each_section_is_shown_and_plotly_draws_each_plot(filled_mysql: Database) -> None:
    page = document(engine_at_now(filled_mysql), ASKED, NOW)
    plots = plots_of(page)
    assert len(plots) == sum(section.draw is not None for section in SECTIONS)
    for plot in plots.values():
        plotly.graph_objects.Figure(plot)  # raises ValueError for what it does not know
        assert all(len(trace.get("y", trace.get("x"))) for trace in plot["data"])
    texts = Elements(page).texts
    assert all(section.title in texts for section in SECTIONS)


def test_the_page_needs_nothing_but_itself(filled_mysql: Database) -> None:
    elements = Elements(document(engine_at_now(filled_mysql), ASKED, NOW))
    assert not {name for name, _ in elements.attributes} & {"src", "href", "srcset", "data"}
    assert elements.scripts == 2
    (policy,) = [text for name, text in elements.attributes if name == "content" and "default-src" in (text or "")]
    assert "http" not in (policy or ""), "the browser itself asks nobody"


def test_no_name_ends_the_element_that_it_is_in(mysql: Database) -> None:
    mysql.execute(
        "INSERT INTO campaign (id, ap_campaign_id, token_id, name, tokens, created_on, modified_on, event_time, "
        "event_id, kafka_partition, kafka_offset, loaded_on) VALUES (1, 1, 0, '</script><script>alert(1)', 1, "
        "'2026-01-01', '2026-01-01', '2026-01-01', '1', 0, 0, '2026-01-01')"
    )
    page = document(mysql.engine(), {}, NOW)
    assert Elements(page).scripts == 2
    assert [name for plot in plots_of(page).values() for name in plot["data"][0]["y"]] == [
        "1 · &lt;/script&gt;&lt;script&gt;alert(1)"
    ], "plotly takes tags for markup, such as links"


def test_a_page_of_nothing_says_so(mysql: Database) -> None:
    page = document(mysql.engine(), {}, datetime(2026, 1, 1))
    assert plots_of(page) == {}
    assert Elements(page).texts.count("nothing yet") == len(SECTIONS)


def test_a_day_without_a_row_is_drawn_as_0() -> None:
    rows = [{"day": date(2026, 2, 28), "sum": Decimal("1.50")}, {"day": date(2026, 3, 2), "sum": Decimal(3)}]
    (line,) = by_day("day", sum="a sum")(rows)["data"]
    assert (line["x"], line["y"]) == (["2026-02-28", "2026-03-01", "2026-03-02"], [1.5, 0, 3.0])


def test_what_is_shown_is_declared() -> None:
    assert {section.report for section in SECTIONS if section.draw} <= set(REPORTS)


def test_the_command_writes_the_page_or_says_why_not(
    mysql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_DATABASE_URL", mysql.url)
    command = ["report", "html", str(tmp_path / "page.html"), "--time-zone", "Asia/Kathmandu"]
    yesterday = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
    for day in (yesterday, "9999-12-30", "9999-12-31 23:45", "1000-01-01"):
        mysql.execute("INSERT INTO rollup_passes (period_start, passes) VALUES (:day, 1)", day=day)
    mysql.execute(
        "INSERT INTO rollup_touched (rollup, period_start, touched_on) VALUES "
        "('rollup_passes', '2026-01-01', '2026-01-02 03:04:05')"
    )
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.html").read_text()
    assert "those of Asia/Kathmandu" in page
    assert page.count("rows written since 2026-01-02 03:04:05 (UTC) may be missing") == 2, "by day, and by hour"
    assert len(plots_of(page)["plot0"]["data"][0]["x"]) == 1, "no day from the end of the calendar"

    answered = CliRunner().invoke(app, ["report", "passes-daily", "--time-zone", "Asia/Kathmandu", "--format", "json"])
    assert answered.exit_code == 0, answered.output
    assert "incomplete: rows written since 2026-01-02 03:04:05 (UTC)" in answered.stderr
    assert sum(row["daily_pass_usage"] for row in json.loads(answered.stdout)) == 4
    other = CliRunner().invoke(app, ["report", "trips-modes"])
    assert (other.exit_code, other.stderr) == (0, ""), "another rollup lacks nothing"
    with pytest.raises(ConfigurationError, match="can't be written"):
        html_command(tmp_path / "none" / "page.html")
