"""Laws that hold for every stream, over the examples of all of them: nothing here names a topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import pytest
from msgspec.inspect import is_struct_type
from msgspec.structs import FieldInfo
from sqlalchemy import Column
from sqlalchemy.dialects import mysql

from stream.catalog import STREAMS
from stream.declaration.persons import PersonKind
from stream.declaration.routes import Feed, Route
from stream.declaration.tables import named_columns, persons_of
from stream.declaration.types import check_app_id_text, check_hash_id, extra_of, meta_of
from stream.errors import Rejection
from stream.paths import SCHEMAS_FOLDER
from stream.stages.compact import Row, compact
from stream.stages.decode import decode_record
from tests.examples import Example, datum_of, in_confluent_framing, rejected_examples, valid_examples
from tests.stores import STORE

VALID = valid_examples()
REJECTED = rejected_examples()
READERS = {topic: STORE.readers(topic) for topic in STREAMS}

ROUTES = [route for stream in STREAMS.values() for route in stream.bound_routes]
FEEDS = [(route, feed) for route in ROUTES for feed in route.feeds]


def _feed_name(part: Route | Feed) -> str:
    return part.record_name if isinstance(part, Route) else part.table.name


def of_topic(examples: Sequence[Example], topic: str) -> Iterator[Example]:
    return (example for example in examples if example.topic == topic)


def of_route(examples: Sequence[Example], route: Route) -> list[Example]:
    return [example for example in examples if example.version and example.version.record_name == route.record_name]


@pytest.mark.parametrize("topic", STREAMS)
def test_valid_examples_become_the_rows_that_they_state(topic: str, subtests: pytest.Subtests) -> None:
    for example in of_topic(VALID, topic):
        with subtests.test(str(example)):
            compacted = compact([decode_record(example.record, READERS[topic])], 0)

            rows = {
                table.feed.table.name: [_as_stated(table.feed, row) for row in table.rows] for table in compacted.tables
            }
            assert rows == example.rows
            assert [str(person) for person, _ in compacted.erased] == ([example.erases] if example.erases else [])
            assert [str(person) for person, _ in compacted.returned] == ([example.returns] if example.returns else [])
            for table in compacted.tables:
                for row in table.rows:
                    assert _columns_without_their_value(table.feed, row) == []


def _columns_without_their_value(feed: Feed, row: Row) -> list[str]:
    values = zip(feed.columns, row, strict=False)
    may_be_null = {*named_columns(feed.table), *(column.name for column in feed.table.columns if column.nullable)}
    return [name for name, value in values if value is None and name not in may_be_null]


def _as_stated(feed: Feed, row: Row) -> dict[str, Any]:
    """A row as an example states it; `modified_on` is the version's time."""
    unstored = feed.sources[len(feed.columns) :]  # persons whom no column names stand behind the columns
    values = dict(zip((*feed.columns, *unstored, "modified_on"), map(_as_in_json, row), strict=False))
    unnamed = {name: feed.table.c[name].info["otherwise"] for name in named_columns(feed.table) if values[name] is None}
    return {name: value for name, value in {**values, **unnamed}.items() if name not in unstored}


def _as_in_json(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("topic", STREAMS)
def test_valid_examples_read_the_same_in_either_framing(topic: str, subtests: pytest.Subtests) -> None:
    for example in of_topic(VALID, topic):
        if example.version is None:
            continue
        with subtests.test(str(example)):
            _, event, _ = decode_record(example.record, READERS[topic])
            assert decode_record(in_confluent_framing(example), READERS[topic])[1] == event


@pytest.mark.parametrize("topic", STREAMS)
def test_rejected_examples_are_rejected_for_their_reason_and_field(topic: str, subtests: pytest.Subtests) -> None:
    for example in of_topic(REJECTED, topic):
        with subtests.test(str(example)):
            with pytest.raises(Rejection) as caught:
                decode_record(example.record, READERS[topic])

            assert (caught.value.reason, caught.value.field) == (example.reason, example.field)


def test_no_example_is_filed_wrongly() -> None:
    """Each says what becomes of it, under a name of its own, in the folder of its record."""
    assert [str(example) for example in VALID if not (example.rows or example.erases or example.returns)] == []
    assert [name for name, count in Counter(map(str, (*VALID, *REJECTED))).items() if count > 1] == []
    kinds = {
        str(example): example.version.record_name if example.version else "tombstone" for example in (*VALID, *REJECTED)
    }
    assert {str(example): example.folder for example in (*VALID, *REJECTED)} == kinds


def test_every_version_of_every_record_has_a_valid_example() -> None:
    shown = {(example.version.topic, example.version.name) for example in VALID if example.version}
    assert shown == {(version.topic, version.name) for version in STORE.versions.values()}


@pytest.mark.parametrize("topic", STREAMS)
def test_page_for_producers_explains_the_topic_its_events_and_tables(topic: str) -> None:
    page = (SCHEMAS_FOLDER / topic / "README.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {topic}: "), "docs/events.md takes what stands behind the name"
    names = [*(route.record_name for route in STREAMS[topic].bound_routes), *(t.name for t in STREAMS[topic].tables)]
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize("topic", STREAMS)
def test_every_kind_of_person_whom_a_tombstone_erases_has_an_example(topic: str) -> None:
    tombstones = [example for example in of_topic(VALID, topic) if example.record.value is None]
    shown = {(example.erases or "").partition(":")[0] for example in tombstones}
    assert shown == set(READERS[topic].tombstones)


@pytest.mark.parametrize("route", ROUTES, ids=_feed_name)
def test_record_has_several_valid_examples_and_some_rejected_ones(route: Route) -> None:
    assert len(of_route(VALID, route)) >= 3
    assert len(of_route(REJECTED, route)) >= 3


@pytest.mark.parametrize("route", ROUTES, ids=_feed_name)
def test_examples_show_each_nullable_field_with_and_without_a_value(route: Route) -> None:
    data = [datum_of(example) for example in of_route(VALID, route)]
    for field in msgspec.structs.fields(route.event):
        if type(None) in get_args(field.type) and field.required:
            assert {datum.get(field.name) is None for datum in data} == {True, False}, field.name
        for inner in _fields_of_items(field.type):
            if type(None) in get_args(inner.type):
                items = [item for datum in data for item in datum[field.name]]
                assert {item[inner.name] is None for item in items} == {True, False}, inner.name


@pytest.mark.parametrize(("route", "feed"), FEEDS, ids=_feed_name)
def test_column_has_the_type_of_the_field_that_it_takes(route: Route, feed: Feed) -> None:
    types = {name: field.type for name, field in _fields(route, feed).items()}
    for name, source in zip(feed.columns, feed.sources, strict=False):  # persons without a column come after them
        column = feed.table.c[name]
        if source not in types:  # it takes a property, whose type only its examples show
            continue
        if get_origin(types[source]) is Literal:
            assert isinstance(column.type, mysql.VARCHAR), name
            assert max(map(len, get_args(types[source]))) <= (column.type.length or 0), name
        else:
            assert _sql(column) == _sql(Column(extra_of(types[source])["sql"])), name


def _fields(route: Route, feed: Feed) -> dict[str, FieldInfo]:
    """Sources of a feed's columns by name: the event's fields, and before them those of the items that it lists."""
    fields = {field.name: field for field in msgspec.structs.fields(route.event)}
    items = {} if feed.items is None else {field.name: field for field in _fields_of_items(fields[feed.items].type)}
    return {**fields, **items}


def _fields_of_items(annotation: Any) -> Sequence[FieldInfo]:
    """The fields of the structs that a list has; none where it has no structs, or is no list."""
    listed = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    items = get_args(listed) if get_origin(listed) is list else ()
    return [field for item in items if is_struct_type(item) for field in msgspec.structs.fields(item)]


@pytest.mark.parametrize(("route", "feed"), FEEDS, ids=_feed_name)
def test_text_that_names_an_app_user_has_one_form_only(route: Route, feed: Feed) -> None:
    checks = dict(route.checks)
    sources = dict(zip(feed.columns, feed.sources, strict=False))
    for person in persons_of(feed.table):
        source = sources.get(person.column, person.column)
        is_text = not person.is_stored or isinstance(feed.table.c[person.column].type, mysql.VARCHAR)
        if person.kind is PersonKind.APP and is_text and source in route.event.__struct_fields__:
            assert checks[source] is check_app_id_text, "an erasure would miss another form of the same number"


@pytest.mark.parametrize(
    ("text", "is_fit"),
    [
        ("7", True),
        ("4294967296", True),
        ("rider-007", True),
        ("0x7", True),
        ("+7", True),
        ("²", True),
        ("007", False),
        ("0", False),
        ("00", False),
        ("\u0667", False),
        ("\uff17", False),
        ("7\u0667", False),
        ("7 ", False),
    ],
)
def test_app_id_of_digits_has_no_other_spelling(text: str, is_fit: bool) -> None:
    assert check_app_id_text(text) is is_fit


@pytest.mark.parametrize(("route", "feed"), FEEDS, ids=_feed_name)
def test_column_takes_null_where_its_field_does(route: Route, feed: Feed) -> None:
    fields = _fields(route, feed)
    emptied = {name for person in persons_of(feed.table) for name in person.emptied}
    for name, source in zip(feed.columns, feed.sources, strict=False):
        field = fields.get(source)
        # A field with a default is filled by its event where the default is null, and so is a hash that we make.
        if field is not None and field.required and not _is_sealed(route, source):
            assert feed.table.c[name].nullable == (type(None) in get_args(field.type) or name in emptied), name


@pytest.mark.parametrize(("route", "feed"), FEEDS, ids=_feed_name)
def test_column_that_an_erasure_empties_takes_null_and_is_no_key(route: Route, feed: Feed) -> None:
    for person in persons_of(feed.table):
        for name in person.emptied:
            assert feed.table.c[name].nullable, name
            assert not feed.table.c[name].primary_key, name


@pytest.mark.parametrize("route", ROUTES, ids=_feed_name)
def test_number_of_a_type_lies_within_its_column(route: Route) -> None:
    fields = msgspec.structs.fields(route.event)
    nested = [inner for field in fields for inner in _fields_of_items(field.type)]
    for field in (*fields, *nested):
        if field.name == "event_id" or not _has_type_of_ours(field.type):
            continue
        meta, sql = meta_of(field.type), extra_of(field.type)["sql"]
        if isinstance(sql, mysql.TINYINT) and sql.display_width == 1:
            continue  # a flag, which is no number
        if isinstance(sql, mysql.VARCHAR):
            # A hash is shorter than the column that the migration gave it, and never of another length.
            length = 64 if dict(route.checks).get(field.name) is check_hash_id else sql.length
            assert meta.max_length == length, field.name
        elif isinstance(sql, mysql.TINYINT | mysql.SMALLINT | mysql.INTEGER | mysql.BIGINT):
            assert _integer_range(sql)[0] <= _lowest(meta) <= (meta.le or 0) <= _integer_range(sql)[1], field.name
        elif isinstance(sql, mysql.DECIMAL):
            assert extra_of(field.type)["digits"] == (sql.precision, sql.scale), field.name


def _is_sealed(route: Route, field: str) -> bool:
    """Whether the event makes the hash itself where none is given."""
    return route.is_hashed and dict(route.checks).get(field) is check_hash_id


def _has_type_of_ours(annotation: Any) -> bool:
    """Not so for a list, or one of a few words: no column has their type."""
    try:
        return "sql" in extra_of(annotation)
    except TypeError:
        return False


def _sql(column: Column[Any]) -> str:
    return column.type.compile(dialect=mysql.dialect())


def _lowest(meta: msgspec.Meta) -> float:
    return meta.ge if meta.ge is not None else (meta.gt or 0) + 1


def _integer_range(sql: Any) -> tuple[int, int]:
    bits = {mysql.TINYINT: 8, mysql.SMALLINT: 16, mysql.INTEGER: 32, mysql.BIGINT: 64}[type(sql)]
    return (0, 2**bits - 1) if sql.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
