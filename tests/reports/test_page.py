"""The page of plots: each is one that plotly draws, nothing comes from elsewhere, and no text ends its element."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
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
        "1 · </script><script>alert(1)"
    ]


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
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "those of Asia/Kathmandu" in (tmp_path / "page.html").read_text()
    with pytest.raises(ConfigurationError, match="can't be written"):
        html_command(tmp_path / "none" / "page.html")
