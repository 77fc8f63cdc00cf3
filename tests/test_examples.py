"""Laws that hold for every stream, over the examples of all of them: nothing here names a topic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from sqlalchemy import Column
from sqlalchemy.dialects import mysql

from stream.catalog import STREAMS, Feed, Route
from stream.catalog.types import extra_of, meta_of
from stream.compact import compact
from stream.decode import decode_record
from stream.errors import Reason, Rejection
from tests.examples import STORE, Example, rejected_examples, valid_examples

VALID = valid_examples()
REJECTED = rejected_examples()
READERS = {topic: STORE.readers(topic) for topic in STREAMS}

ROUTES = [route for stream in STREAMS.values() for route in stream.bound_routes]
FEEDS = [(route, feed) for route in ROUTES for feed in route.feeds]


def _feed_name(part: Route | Feed) -> str:
    return part.record_name if isinstance(part, Route) else part.table.name


@pytest.mark.parametrize("example", VALID, ids=str)
def test_valid_example_becomes_the_rows_that_it_states(example: Example) -> None:
    compacted = compact([decode_record(example.record, READERS[example.topic])])

    rows = {
        table.feed.table.name: dict(zip(table.feed.columns, map(_as_in_json, row), strict=False))
        for table in compacted.tables
        for row in table.rows
    }
    assert rows == example.rows


def _as_in_json(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("example", VALID, ids=str)
def test_valid_example_reads_the_same_in_either_framing(example: Example) -> None:
    record, version = example.record, example.version
    assert record.value is not None
    assert version is not None
    other = record._replace(value=STORE.confluent_header(version) + record.value[len(version.header) :])

    _, event, _ = decode_record(record, READERS[example.topic])
    assert decode_record(other, READERS[example.topic])[1] == event


@pytest.mark.parametrize("example", VALID, ids=str)
def test_row_of_an_example_has_a_value_wherever_its_column_wants_one(example: Example) -> None:
    for table in compact([decode_record(example.record, READERS[example.topic])]).tables:
        for name, value in zip(table.feed.columns, table.rows[0], strict=False):
            column = table.feed.table.c[name]
            assert value is not None or column.nullable, f"{table.feed.table.name}.{name}"


@pytest.mark.parametrize("example", REJECTED, ids=str)
def test_rejected_example_is_rejected_for_its_reason_and_field(example: Example) -> None:
    with pytest.raises(Rejection) as caught:
        decode_record(example.record, READERS[example.topic])

    assert (caught.value.reason, caught.value.field) == (example.reason, example.field)


def test_no_example_is_filed_wrongly() -> None:
    assert [str(one) for one in VALID if one.rows is None or one.reason or one.field] == []
    assert [str(one) for one in REJECTED if one.rows is not None or one.reason not in set(Reason)] == []


def test_every_version_of_every_record_has_a_valid_example() -> None:
    shown = {(one.version.topic, one.version.name) for one in VALID if one.version}
    assert shown == {(version.topic, version.name) for version in STORE.versions.values()}


@pytest.mark.parametrize("route", ROUTES, ids=_feed_name)
def test_record_has_several_valid_examples_and_some_rejected_ones(route: Route) -> None:
    def of_route(examples: list[Example]) -> list[Example]:
        return [one for one in examples if one.version and one.version.record_name == route.record_name]

    assert len(of_route(VALID)) >= 3
    assert len(of_route(REJECTED)) >= 3


@pytest.mark.parametrize("route", ROUTES, ids=_feed_name)
def test_examples_show_each_nullable_field_with_and_without_a_value(route: Route) -> None:
    events = [
        event
        for example in VALID
        for _, event, found in [decode_record(example.record, READERS[example.topic])]
        if found.event is route.event
    ]
    for field in msgspec.structs.fields(route.event):
        if type(None) in get_args(field.type) and field.required:
            assert {getattr(event, field.name) is None for event in events} == {True, False}, field.name


@pytest.mark.parametrize(("route", "feed"), FEEDS, ids=_feed_name)
def test_column_has_the_type_of_the_field_that_it_takes(route: Route, feed: Feed) -> None:
    types = {field.name: field.type for field in msgspec.structs.fields(route.event)}
    for name, source in zip(feed.columns, feed.sources, strict=True):
        if source in types:  # else it takes a property, whose type only its examples show
            assert _sql(feed.table.c[name]) == _sql(Column(extra_of(types[source])["sql"])), name


@pytest.mark.parametrize(("route", "feed"), FEEDS, ids=_feed_name)
def test_column_takes_null_where_its_field_does(route: Route, feed: Feed) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(route.event)}
    for name, source in zip(feed.columns, feed.sources, strict=True):
        field = fields.get(source)
        # A field with a default is filled by its event where the default is null.
        if field is not None and field.required:
            assert feed.table.c[name].nullable == (type(None) in get_args(field.type)), name


@pytest.mark.parametrize("route", ROUTES, ids=_feed_name)
def test_number_of_a_type_lies_within_its_column(route: Route) -> None:
    for field in msgspec.structs.fields(route.event):
        if field.name == "event_id":
            continue
        meta, sql = meta_of(field.type), extra_of(field.type)["sql"]
        if isinstance(sql, mysql.VARCHAR):
            assert meta.max_length == sql.length, field.name
        elif isinstance(sql, mysql.TINYINT | mysql.SMALLINT | mysql.INTEGER | mysql.BIGINT):
            assert _integer_range(sql)[0] <= _lowest(meta) <= (meta.le or 0) <= _integer_range(sql)[1], field.name
        elif isinstance(sql, mysql.DECIMAL):
            assert extra_of(field.type)["digits"] == (sql.precision, sql.scale), field.name


def _sql(column: Column[Any]) -> str:
    return column.type.compile(dialect=mysql.dialect())


def _lowest(meta: msgspec.Meta) -> float:
    return meta.ge if meta.ge is not None else (meta.gt or 0) + 1


def _integer_range(sql: Any) -> tuple[int, int]:
    bits = {mysql.TINYINT: 8, mysql.SMALLINT: 16, mysql.INTEGER: 32, mysql.BIGINT: 64}[type(sql)]
    return (0, 2**bits - 1) if sql.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
