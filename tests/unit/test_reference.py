"""The pages of docs/ that are written from the code say what the code does now."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.reference import FOLDER, PAGES
from stream.catalog import STREAMS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_as_the_code_is(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("topic", STREAMS)
def test_a_topic_its_events_and_tables_are_explained(topic: str) -> None:
    explained = (FOLDER / "events.md").read_text(encoding="utf-8")
    names = [topic, *(route.record_name for route in STREAMS[topic].bound_routes)]
    names += [table.name for table in STREAMS[topic].tables]
    missing = [name for name in names if f"`{name}`" not in explained]
    assert not missing


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *FOLDER.glob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in _links(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken


def _links(text: str) -> list[str]:
    targets = [part.split(")")[0] for part in text.split("](")[1:]]
    return [target.split("#")[0] for target in targets if target and not target.startswith(("http", "#"))]
