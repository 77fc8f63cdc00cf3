"""Values on their way into the tables: they arrive unchanged, to the last bit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.declaration.types import AHEAD_MICROS_MAX, YEAR_2000
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import NOON, pass_logged, rating, trip
from tests.model import is_same
from tests.model.rules import moment
from tests.sql.applying import GROUP_ID, Applier, law

TEXTS = [
    "",
    " ",
    "  spaces around  ",
    "\x00",
    "a\x00b\x00",
    "'",
    "''; DROP TABLE trip; --",
    '"',
    '\\"',
    "\\",
    "\\\\",
    "\\'",
    "\\u0000",
    "%",
    "%s %(x)s %%",
    ":name",
    "{}",
    "[1, 2]",
    "null",
    "\n\r\t\x08\x0c\x1a\x1b",
    "\x7f\x80\x9f",
    "é",
    "日本語",
    "🚌👍🏽",
    "𝔘𝔫𝔦",
    "\ufeffbom",
    "\uffff\ufffe",
    "e\u0301",
    "\u202e",
    "a" * 512,
    "🚌" * 512,
]


def feedback_that_arrives(database: Database, applier: Applier, texts: list[str]) -> list[str]:
    applier.apply(*(("TripRated", rating(rating_id=number, feedback=text)) for number, text in enumerate(texts, 1)))
    return [row[0] for row in database.query("SELECT feedback FROM user_rating ORDER BY id")]


def test_any_text_arrives_unchanged(database: Database, applier: Applier) -> None:
    assert feedback_that_arrives(database, applier, TEXTS) == TEXTS
    assert_drained(database, applier.log, GROUP_ID)


@law
@given(texts=st.lists(st.text(max_size=512), min_size=1, max_size=60))
def test_random_texts_arrive_unchanged(database: Database, texts: list[str]) -> None:
    database.empty()
    applier = Applier(database)
    assert feedback_that_arrives(database, applier, texts) == texts
    applier.close()


IDS = [
    "user_2aB",
    "user_2Ab",
    "user_2ab",
    "é",
    "e\u0301",
    "E",
    "e",
    "ß",
    "ss",
    "x007",
    "7",
    "7a",
    "70",
    "O'Neil",
    "50%",
    "a\\b",
    "🚌",
]


def test_text_ids_are_compared_as_bytes(database: Database, applier: Applier) -> None:
    """The seeds' collation would take several of these for one another."""
    applier.apply(
        *(
            ("BytemarkPassLogged", pass_logged(bytemark_pass_id=number, user_id=text_id))
            for number, text_id in enumerate(IDS, 1)
        )
    )
    for table in ("bytemark_pass", "hntb_bytemark_pass"):
        for number, text_id in enumerate(IDS, 1):
            ids = database.query(f"SELECT bytemark_pass_id FROM {table} WHERE user_id = :text_id", text_id=text_id)
            assert [row[0] for row in ids] == [number], text_id


def test_one_erased_id_does_not_take_its_lookalikes_along(database: Database, applier: Applier) -> None:
    database.erase(["user_2aB", "7", "e"])
    applier.apply(
        *(
            ("BytemarkPassLogged", pass_logged(bytemark_pass_id=number, user_id=text_id))
            for number, text_id in enumerate(IDS, 1)
        )
    )
    kept = {row["user_id"] for row in database.rows("bytemark_pass")}
    assert kept == set(IDS) - {"user_2aB", "7", "e"}


@pytest.mark.parametrize(
    "micros",
    [YEAR_2000, YEAR_2000 + 1, YEAR_2000 + 999_999, YEAR_2000 + 1_000_000, NOON + 123_456, NOON + AHEAD_MICROS_MAX],
)
def test_moments_are_exact_to_the_microsecond(database: Database, applier: Applier, micros: int) -> None:
    moments = dict.fromkeys(("started_on", "ended_on", "created_on"), micros)
    applier.apply(("TripRecorded", trip(occurred_at=min(micros, NOON), **moments)))
    for table in ("trip", "hntb_trip"):
        (row,) = database.rows(table)
        assert all(row[name] == moment(micros) for name in moments)
        assert row["event_time"] == moment(min(micros, NOON))


FLOATS = [0.0, 0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1e-7, 123456789.12345679, 999999999.9999999, 1e9, 0.1 + 0.2]


def test_doubles_are_exact(database: Database, applier: Applier) -> None:
    applier.apply(*(("TripRecorded", trip(trip_id=id_, distance=distance)) for id_, distance in enumerate(FLOATS, 1)))
    for table, key in (("trip", "id"), ("hntb_trip", "trip_id")):
        stored = {row[key]: row["distance"] for row in database.rows(table)}
        assert all(is_same(stored[id_], distance) for id_, distance in enumerate(FLOATS, 1)), (table, stored)


@law
@given(numbers=st.lists(st.floats(-90, 90), min_size=1, max_size=200))
def test_random_doubles_are_exact(database: Database, numbers: list[float]) -> None:
    database.empty()
    applier = Applier(database)
    applier.apply(*(("TripRecorded", trip(trip_id=trip_id, origin_latitude=n)) for trip_id, n in enumerate(numbers, 1)))
    latitudes = {row["id"]: row["origin_latitude"] for row in database.rows("trip")}
    applier.close()
    assert [latitudes[number] for number in range(1, len(numbers) + 1)] == numbers


@pytest.mark.parametrize("amount", [0, 1, -1, 99, 125, 10**10 - 1, -(10**10) + 1, 4_999_999_995])
def test_money_is_exact(database: Database, applier: Applier, amount: int) -> None:
    applier.apply(("TripRecorded", trip(fare=events.cents(amount))))
    (row,) = database.rows("trip")
    assert row["fare"] == Decimal(amount) / 100
    assert row["fare"].as_tuple().exponent == -2


@pytest.mark.parametrize("id_", [1, 2**31, 2**32 - 1])
def test_ids_are_exact(database: Database, applier: Applier, id_: int) -> None:
    applier.apply(("TripRecorded", trip(trip_id=id_, user_id=id_)))
    assert [(row["id"], row["user_id"]) for row in database.rows("trip")] == [(id_, id_)]
    assert [(row["trip_id"], row["user_id"]) for row in database.rows("hntb_trip")] == [(id_, str(id_))]


def test_what_is_null_arrives_as_null(database: Database, applier: Applier) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("ended_on", "origin_latitude", "origin_longitude", "destination_latitude", "destination_longitude", "fare")
    )
    applier.apply(("TripRecorded", trip(**nothing)))
    (row,) = database.rows("trip")
    assert [row[name] for name in nothing] == [None] * len(nothing)
    assert_drained(database, applier.log, GROUP_ID)


def test_a_batch_beyond_one_statement_arrives_whole(database: Database, applier: Applier) -> None:
    """5000 ratings of 512 four-byte characters are 11 MB of JSON."""
    applier.apply(*(("TripRated", rating(rating_id=number, feedback="🚌" * 512)) for number in range(1, 5001)))
    assert database.count("user_rating") == 5000
    assert database.value("SELECT COUNT(DISTINCT feedback) FROM user_rating") == 1


def test_dead_letters_keep_bytes_as_they_came(database: Database, applier: Applier) -> None:
    values = [bytes(range(256)), b"", b"'\\%s\x00\xff", b"\x00" * 1000, b"x" * 2_100_000]
    records = [
        events.record("TripRated", rating())._replace(
            key=value[:200], value=value, headers=[("h", value[:50]), ("n", None)]
        )
        for value in values
    ]
    applier.write(applier.slice("trip", records))
    rows = sorted(database.rows("dead_letter"), key=lambda row: int(row["kafka_offset"]))
    assert [row["record_value"] for row in rows] == values
    assert [row["record_key"] for row in rows] == [value[:200] for value in values]
    assert json.loads(rows[0]["record_headers"])[1] == ["n", None]
