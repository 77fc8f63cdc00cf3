"""The pages of docs/ that are written from the code say what the code does now."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import pytest
from sqlalchemy import Table
from sqlalchemy.dialects import mysql

from docs.reference import FOLDER, PAGES
from stream.catalog import METADATA, STREAMS
from stream.declaration.tables import named_columns

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_as_the_code_is(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_the_asyncapi_document_is_one() -> None:
    """By AsyncAPI's own JSON schema, and each schema that it refers to is there."""
    with gzip.open(ROOT / "tests" / "data" / "asyncapi-3.0.0.schema.json.gz") as file:
        schema = json.load(file)
    document = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(document)
    references = [message["payload"]["schema"]["$ref"] for message in document["components"]["messages"].values()]
    assert len(references) == sum(len(stream.bound_routes) for stream in STREAMS.values())
    assert all((FOLDER / reference).is_file() for reference in references)


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: str(table.name))
def test_a_table_and_its_columns_say_what_they_mean(table: Table) -> None:
    assert table.comment
    assert [column.name for column in table.columns if not column.comment] == []


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: str(table.name))
def test_quicksight_reads_all_that_an_analyst_needs(table: Table) -> None:
    """It reads no JSON, BINARY, TIME or BIT, and no integer beyond 2**53 exactly."""
    unread = (mysql.JSON, mysql.BINARY, mysql.TIME, mysql.BIT)
    unreadable = [column.name for column in table.columns if isinstance(column.type, unread)]
    assert set(unreadable) <= {"event_id", *named_columns(table).values()}, "versions are for us"


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *FOLDER.glob("*.md"), *ROOT.glob("schemas/*/*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in _links(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken


def _links(text: str) -> list[str]:
    targets = [part.split(")")[0] for part in text.split("](")[1:]]
    return [target.split("#")[0] for target in targets if target and not target.startswith(("http", "#"))]
