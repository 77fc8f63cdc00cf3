"""The language of catalog files refuses what nothing could serve, when a file is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, func

from stream.catalog import METADATA, STREAMS
from stream.catalog.trip import TRIPS
from stream.declaration import app, column, named, rolled_up, upserted_table
from stream.declaration.tables import business_time_of, other_unique_columns
from stream.declaration.types import EntityId, Micros, TextId32


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
    with pytest.raises(TypeError, match=r"its key must be one column, not \['id', 'part'\]"):
        upserted_table("t", *with_two_keys(paid_on), persons=[app("user_id")], comment="", business_time="paid_on")
    assert "t" not in METADATA.tables
    upserted_table("t", *with_two_keys(paid_on), persons=[app("user_id")], comment="")


def test_a_key_of_several_columns_has_no_unique_column_beside_it() -> None:
    with pytest.raises(TypeError, match="its key must be one column"):
        upserted_table("t", *with_two_keys(column("code", TextId32, unique=True)), persons=[app("user_id")], comment="")


@pytest.mark.parametrize("other", [{"business_time": "paid_on"}, {"set_of": METADATA.tables["trip"]}])
def test_a_column_that_goes_by_its_own_version_is_neither_of_a_set_nor_beside_a_business_time(other: Any) -> None:
    columns = [column("id", EntityId, primary_key=True), *named("role", TextId32, otherwise="user", comment="")]
    with pytest.raises(TypeError, match="each column must be that of the row's version"):
        upserted_table("t", *columns, column("paid_on", Micros), persons=[app("id")], comment="", **other)
    upserted_table("t", *columns, persons=[app("id")], comment="")


def test_what_the_catalog_declares_can_be_served() -> None:
    for table in (table for stream in STREAMS.values() for table in stream.tables):
        assert len(table.primary_key) == 1 or (business_time_of(table) is None and not other_unique_columns(table))


def test_only_rows_with_a_business_time_are_rolled_up() -> None:
    table = upserted_table("t", *with_two_keys(), persons=[app("user_id")], comment="")
    with pytest.raises(TypeError, match="t has no business time by which rollup_trips could sum it"):
        rolled_up(table, TRIPS, trips=func.count())
