"""The types of fields, and the checks that belong to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql

from stream.catalog import METADATA, STREAMS
from stream.declaration.streams import uuid_digits
from stream.declaration.types import BINARY_COLLATION, MICROS_MAX, check_text_id, field_extras
from stream.errors import Reason, Rejection
from stream.stages.validate import decimal_value
from tests.model.rules import text_id, uuid


def test_the_last_moment_is_that_of_datetime() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
    assert (last - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == MICROS_MAX


@given(st.text(min_size=1, max_size=40))
def test_text_ids_are_judged_as_the_model_judges_them(text: str) -> None:
    assert check_text_id(text) is (text_id(1000)(text) is None)


@pytest.mark.parametrize("text", ["a", "user_2aB", "日本", "👍🏽", "a b", "a\u2028b", "\u200b", "O'Neil", "50%", "\\"])
def test_a_text_id_may_be(text: str) -> None:
    assert check_text_id(text)


@pytest.mark.parametrize(
    "text", [" a", "a ", "\ta", "a\n", "a\x00b", "a\x1fb", "a\x7fb", "a\x85b", "\u00a0a", "a\u3000"]
)
def test_a_text_id_may_not_be(text: str) -> None:
    assert not check_text_id(text)


def test_a_uuid_becomes_its_digits() -> None:
    assert uuid_digits("00112233-4455-6677-8899-AABBCCDDEEFF") == "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeefff",
        "{0112233-4455-6677-8899-aabbccddeeff",
        "0011223-34455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeef ",
        "00112233-4455-6677-8899-aabbccdd  ff",
        "0011 233-4455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddee\u0661\u0661",
        "g0112233-4455-6677-8899-aabbccddeeff",
        "urn:uuid:00112233-4455-6677-8899-aabbccddeeff",
    ],
)
def test_what_is_no_uuid_is_rejected(text: str) -> None:
    with pytest.raises(Rejection) as rejected:
        uuid_digits(text)
    assert (rejected.value.reason, rejected.value.field) == (Reason.INVALID_VALUE, "event_id")


@given(st.uuids().map(str) | st.text("0123456789abcdefABCDEF- g", min_size=35, max_size=37))
def test_uuids_are_judged_as_the_model_judges_them(text: str) -> None:
    try:
        digits = uuid_digits(text)
    except Rejection:
        assert uuid(text) is not None
    else:
        assert uuid(text) is None
        assert digits == text.replace("-", "").lower()


@given(st.uuids(), st.uuids())
def test_digits_compare_as_the_uuids_bytes_do(left_uuid: object, right_uuid: object) -> None:
    left, right = uuid_digits(str(left_uuid)), uuid_digits(str(right_uuid))
    assert (left < right) is (bytes.fromhex(left) < bytes.fromhex(right))


@given(st.integers(-(10**10) + 1, 10**10 - 1))
def test_a_decimal_within_its_digits_is_exact(number: int) -> None:
    unscaled = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    value = decimal_value(unscaled, (10, 2), "fare")
    assert value * 100 == number
    assert isinstance(value, Decimal)
    assert value.as_tuple().exponent == -2


@given(st.integers(10**10), st.booleans())
def test_a_decimal_with_too_many_digits_is_rejected(number: int, is_negative: bool) -> None:
    number = -number if is_negative else number
    unscaled = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    with pytest.raises(Rejection) as rejected:
        decimal_value(unscaled, (10, 2), "fare")
    assert (rejected.value.reason, rejected.value.field) == (Reason.OUT_OF_RANGE, "fare")


def test_a_decimal_of_no_bytes_is_zero() -> None:
    assert decimal_value(b"", (10, 2), "fare") == 0


def test_text_ids_are_compared_as_bytes_in_every_table() -> None:
    checked = {
        (feed.table.name, column)
        for stream in STREAMS.values()
        for route in stream.bound_routes
        for feed in route.feeds
        for column, source in zip(feed.columns, feed.sources, strict=False)
        if source in dict(field_extras(route.event, "check"))
    }
    assert checked
    for table, column in checked:
        assert METADATA.tables[table].c[column].type.collation == BINARY_COLLATION, (table, column)  # type: ignore[attr-defined]


def test_no_table_lets_the_server_make_up_ids() -> None:
    for table in METADATA.tables.values():
        for column in table.columns:
            assert column.autoincrement is False or not isinstance(column.type, mysql.INTEGER) or not column.primary_key
