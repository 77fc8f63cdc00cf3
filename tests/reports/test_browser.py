"""The page in a real browser, where there is one: Debian's Chromium, which nothing here installs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stream.page import SECTIONS, document
from tests.databases import Database
from tests.reports.conftest import engine_at_now
from tests.reports.world import NOW

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.xdist_group("reports"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian's package chromium)"),
]

PHONE_PIXELS = 390

FRAMED = """<!doctype html><iframe id="phone" width="{width}" height="4000" srcdoc="{page}"></iframe>
<script>
document.getElementById("phone").addEventListener("load", ({{ target }}) => setTimeout(() => {{
  const root = target.contentDocument.documentElement;
  document.body.dataset.plots = root.querySelectorAll(".plot svg.main-svg:first-of-type").length;
  document.body.dataset.width = root.scrollWidth;
}}, 1000));
</script>"""
"""Chromium makes no window as narrow as a phone, but a frame may be."""


def test_every_plot_is_drawn_and_none_is_wider_than_a_phone(filled_mysql: Database, tmp_path: Path) -> None:
    page = document(engine_at_now(filled_mysql), {}, NOW).replace("&", "&amp;").replace('"', "&quot;")
    (tmp_path / "framed.html").write_text(FRAMED.format(width=PHONE_PIXELS, page=page), encoding="utf-8")
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [CHROMIUM or "", *options, profile, (tmp_path / "framed.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = dict(re.findall(r'data-(plots|width)="(\d+)"', done.stdout))
    assert int(told["plots"]) == sum(section.draw is not None for section in SECTIONS)
    assert int(told["width"]) <= PHONE_PIXELS
