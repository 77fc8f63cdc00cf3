"""The language of catalog files refuses what nothing could serve, when a file is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Index, func

from stream.catalog import METADATA, STREAMS
from stream.catalog.message import MESSAGE_HISTORY, MESSAGE_RECIPIENTS
from stream.catalog.trip import TRIPS
from stream.catalog.user_label import AUTH_USER_LABEL
from stream.declaration import Event, PersonKind, Stream, app, column, erases, into, named, rolled_up, upserted_table
from stream.declaration.tables import business_time_of, other_unique_columns
from stream.declaration.types import EntityId, Micros, TextId32
from stream.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_table_left() -> Iterator[None]:
    before = {*METADATA.tables}
    yield
    for name in {*METADATA.tables} - before:
        METADATA.remove(METADATA.tables[name])


def with_two_keys(*columns: Column[object]) -> list[Column[object]]:
    keys = [column(name, EntityId, primary_key=True) for name in ("id", "part")]
    return [*keys, column("user_id", EntityId), *columns]


def test_a_key_of_several_columns_has_no_business_time() -> None:
    paid_on = column("paid_on", Micros)
    with pytest.raises(ConfigurationError, match=r"must be one column, a number or a text, not \['id', 'part'\]"):
        upserted_table("t", *with_two_keys(paid_on), persons=[app("user_id")], comment="", business_time="paid_on")
    assert "t" not in METADATA.tables
    upserted_table("t", *with_two_keys(paid_on), persons=[app("user_id")], comment="")


def test_a_key_of_several_columns_has_no_unique_column_beside_it() -> None:
    with pytest.raises(ConfigurationError, match="its key must be one column"):
        upserted_table("t", *with_two_keys(column("code", TextId32, unique=True)), persons=[app("user_id")], comment="")


Part = tuple[str, Any, dict[str, Any]]

KEY: Part = ("id", EntityId, {"primary_key": True})
ON: Part = ("paid_on", Micros, {})


def parts(*columns: Part) -> list[Column[Any]]:
    return [column(name, annotation, **options) for name, annotation, options in columns]


@pytest.mark.parametrize(
    ("columns", "options", "sentence"),
    [
        ([KEY], {"business_time": "paid_on"}, "must be a column of moments, never null"),
        (
            [KEY, ("paid_on", Micros | None, {})],
            {"business_time": "paid_on"},
            "must be a column of moments, never null",
        ),
        ([KEY, ("paid_on", TextId32, {})], {"business_time": "paid_on"}, "must be a column of moments, never null"),
        (
            [("at", Micros, {"primary_key": True}), ON],
            {"business_time": "paid_on"},
            r"a number or a text, not \['at'\]",
        ),
        ([("code", TextId32, {"unique": True})], {}, r"a unique column: its key must be one column, .* not \[\]"),
        ([KEY], {"persons": [app("user_id")]}, r"columns that it lacks: \['user_id'\]"),
        ([KEY], {"persons": [app("id").but_keep_row("note")]}, r"columns that it lacks: \['note'\]"),
        ([KEY, ON], {"persons": [app("id").but_keep_row("paid_on")]}, r"can't empty columns that are never null"),
        ([KEY], {"set_of": MESSAGE_HISTORY}, r"its key must begin with its one foreign key, message_history\.id"),
        (
            [("number", EntityId, {"primary_key": True}), ("user_id", EntityId, {"primary_key": True})],
            {"set_of": MESSAGE_HISTORY},
            r"its key must begin with its one foreign key, message_history\.id",
        ),
        (
            [KEY, ("part", EntityId, {"primary_key": True})],
            {"set_of": AUTH_USER_LABEL},
            "the set t: its key must be one",
        ),
    ],
)
def test_a_table_that_writes_can_not_serve_is_refused(
    columns: list[Part], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        upserted_table("t", *parts(*columns), comment="", **{"persons": [], **options})
    assert "t" not in METADATA.tables


def test_a_unique_index_is_refused() -> None:
    """It would be no unique column to those who look for another row's key, and so overwrite that row."""
    with pytest.raises(ConfigurationError, match="say unique=True of its one column"):
        upserted_table("t", *parts(KEY, ON), Index("u", "paid_on", unique=True), persons=[], comment="")


def test_a_history_may_have_a_business_time() -> None:
    table = upserted_table("t", *parts(("user_id", EntityId, {}), ON), persons=[], comment="", business_time="paid_on")
    assert business_time_of(table) is table.c.paid_on


class Logged(Event):
    number: EntityId


@pytest.mark.parametrize(
    ("key", "target", "sentence"),
    [
        ("nonsense", lambda table: into(table, id="number"), "Logged has no attribute 'nonsense'"),
        ("number", lambda table: into(table), "Logged has no attribute 'id' for t.id"),
        ("number", lambda table: into(table, id="number").where("is_told"), "Logged has no attribute 'is_told'"),
        ("number", lambda table: into(table, id="number").each("items"), "Logged has no list of structs 'items' for t"),
        ("number", lambda _: into(MESSAGE_RECIPIENTS), "a set, and only a set, is fed by"),
        ("number", lambda _: erases(PersonKind.APP, "user_id"), "Logged has no attribute 'user_id'"),
    ],
)
def test_a_stream_that_names_what_is_not_there_is_refused(key: str, target: Any, sentence: str) -> None:
    table = upserted_table("t", *parts(KEY), persons=[], comment="")
    with pytest.raises(ConfigurationError, match=sentence):
        _ = Stream("t", key, {Logged: [target(table)]}).bound_routes


@pytest.mark.parametrize("sums", [{"trips": func.count(), "groups": {}}, {"tirps": func.count()}])
def test_sums_that_the_rollup_does_not_hold_are_refused(sums: dict[str, Any]) -> None:
    table = upserted_table("t", *parts(KEY, ON), persons=[], comment="", business_time="paid_on")
    with pytest.raises(ConfigurationError, match="rollup_trips lacks the sums"):
        rolled_up(table, TRIPS, **sums)


@pytest.mark.parametrize("other", [{"business_time": "paid_on"}, {"set_of": METADATA.tables["trip"]}])
def test_a_column_that_goes_by_its_own_version_is_neither_of_a_set_nor_beside_a_business_time(other: Any) -> None:
    columns = [column("id", EntityId, primary_key=True), *named("role", TextId32, otherwise="user", comment="")]
    with pytest.raises(ConfigurationError, match="each column must be of the row's version"):
        upserted_table("t", *columns, column("paid_on", Micros), persons=[app("id")], comment="", **other)
    upserted_table("t", *columns, persons=[app("id")], comment="")


def test_what_the_catalog_declares_can_be_served() -> None:
    for table in (table for stream in STREAMS.values() for table in stream.tables):
        assert len(table.primary_key) == 1 or (business_time_of(table) is None and not other_unique_columns(table))


def test_only_rows_with_a_business_time_are_rolled_up() -> None:
    table = upserted_table("t", *with_two_keys(), persons=[app("user_id")], comment="")
    with pytest.raises(ConfigurationError, match="t has no business time by which rollup_trips could sum it"):
        rolled_up(table, TRIPS, trips=func.count())
