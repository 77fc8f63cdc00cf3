"""Compaction: laws that hold for any events in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.declaration.events import Event
from stream.declaration.routes import Route
from stream.records import Record
from stream.stages.compact import Compacted
from stream.stages.compact import compact as compact_of
from stream.stages.decode import decode_record
from tests import events
from tests.events import NOON, SECOND, TOPICS, Datum, pass_logged, rating, trip, user_updated, uuid_text
from tests.stores import STORE

READERS = {topic: STORE.readers(topic) for topic in set(TOPICS.values())}
Accepted = tuple[Record, Event, Route]


def accepted(data: list[tuple[str, Datum]]) -> list[Accepted]:
    return [
        decode_record(events.record(name, datum, offset=offset), READERS[TOPICS[name]])
        for offset, (name, datum) in enumerate(data)
    ]


def compact(some: Sequence[Accepted]) -> Compacted:
    return compact_of(some, partition=3)


@st.composite
def few_entities(draw: st.DrawFn) -> list[tuple[str, Datum]]:
    """Events that collide: few keys, few persons, few moments and few ids."""
    event_id = iter(range(1, 1000))
    data: list[tuple[str, Datum]] = []
    for _ in range(draw(st.integers(1, 12))):
        version = {"event_id": uuid_text(next(event_id)), "occurred_at": NOON + draw(st.integers(0, 2)) * SECOND}
        person, key = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        data.append(
            draw(
                st.sampled_from(
                    [
                        ("TripRecorded", trip(trip_id=key, user_id=person, **version)),
                        ("TripRated", rating(rating_id=key, trip_id=key, user_id=person, **version)),
                    ]
                )
            )
        )
    repeated = draw(st.lists(st.sampled_from(data), max_size=4))
    return draw(st.permutations(data + repeated))


def rows_by_table(compacted: Compacted) -> dict[str, list[tuple[Any, ...]]]:
    return {table.feed.table.name: [row[:-2] for row in table.rows] for table in compacted.tables}


@given(few_entities(), st.randoms(use_true_random=False))
def test_the_rows_do_not_depend_on_the_order(data: list[tuple[str, Datum]], chance: Any) -> None:
    in_order = rows_by_table(compact(accepted(data)))
    chance.shuffle(data)
    assert rows_by_table(compact(accepted(data))) == in_order


@given(few_entities())
def test_of_one_key_and_person_only_the_newest_is_kept(data: list[tuple[str, Datum]]) -> None:
    newest: dict[tuple[str, int, int], tuple[int, str]] = {}
    for name, datum in data:
        for table in ("trip", "hntb_trip") if name == "TripRecorded" else ("user_rating",):
            identity = (table, datum["trip_id" if name == "TripRecorded" else "rating_id"], datum["user_id"])
            version = (datum["occurred_at"], datum["event_id"].replace("-", ""))
            newest[identity] = max(version, newest.get(identity, version))
    kept = Counter((table, *row[-2:]) for table, rows in rows_by_table(compact(accepted(data))).items() for row in rows)
    assert kept == Counter((table, *version) for (table, _, _), version in newest.items())


@given(few_entities())
def test_every_record_is_written_or_superseded(data: list[tuple[str, Datum]]) -> None:
    compacted = compact(accepted(data))
    written = {record.offset for table in compacted.tables for record in table.records}
    assert compacted.written_count == len(written)
    assert compacted.written_count + compacted.superseded_count == len(data)


@given(few_entities())
def test_compacting_what_was_kept_changes_nothing(data: list[tuple[str, Datum]]) -> None:
    once = compact(accepted(data))
    kept = {record.offset for table in once.tables for record in table.records}
    again = compact([entry for entry in accepted(data) if entry[0].offset in kept])
    assert rows_by_table(again) == rows_by_table(once)
    assert again.superseded_count == 0


@given(few_entities())
def test_rows_go_in_the_order_of_the_primary_key(data: list[tuple[str, Datum]]) -> None:
    for table in compact(accepted(data)).tables:
        position = table.feed.columns.index(next(iter(table.feed.table.primary_key)).name)
        keys = [row[position] for row in table.rows]
        assert keys == sorted(keys)


@given(few_entities())
def test_each_row_stands_beside_its_record(data: list[tuple[str, Datum]]) -> None:
    for table in compact(accepted(data)).tables:
        for row, record in zip(table.rows, table.records, strict=True):
            assert row[-2:] == (record.offset, 3)
            assert row[-3] == data[record.offset][1]["event_id"].replace("-", "")


def test_another_persons_event_of_the_same_key_is_kept() -> None:
    newer = trip(user_id=8, occurred_at=NOON + SECOND, event_id=uuid_text(2))
    compacted = compact(accepted([("TripRecorded", trip(user_id=7)), ("TripRecorded", newer)]))
    assert [len(table.rows) for table in compacted.tables] == [2, 2]
    assert compacted.superseded_count == 0


def test_of_duplicates_the_first_is_kept() -> None:
    compacted = compact(accepted([("BytemarkPassLogged", pass_logged())] * 3))
    assert [[record.offset for record in table.records] for table in compacted.tables] == [[0], [0]]
    assert (compacted.written_count, compacted.superseded_count) == (1, 2)


def test_an_erasing_event_counts_as_written_and_erases_whom_it_names() -> None:
    compacted = compact(
        accepted(
            [
                ("AppUserDeleted", events.app_user_deleted(user_id=7)),
                ("UserDeleted", events.user_deleted(occurred_at=NOON + SECOND)),
                ("TelegramUserDeleted", events.telegram_user_deleted()),
                ("AppUserSaved", events.app_user(user_id=7)),
            ]
        )
    )
    assert [(str(person), micros) for person, micros in compacted.erased] == [
        ("app:7", NOON),
        (f"clerk:{events.CLERK_ID}", NOON + SECOND),
        (f"telegram:{2**40}", NOON),
    ]
    # Whether the row is left out is the database's to say, which knows the markers of all partitions.
    assert {name: len(rows) for name, rows in rows_by_table(compacted).items()} == {"auth_user": 1}
    assert (compacted.written_count, compacted.superseded_count) == (4, 0)


def test_one_event_may_give_several_rows_of_one_table() -> None:
    compacted = compact(accepted([("UserCreated", events.user_created())]))
    rows = {table.feed.table.name: [row[:2] for row in table.rows] for table in compacted.tables}
    assert rows["user_data"] == [(events.CLERK_ID, "signup_date"), (events.CLERK_ID, "signup_source")]
    assert (compacted.written_count, compacted.superseded_count) == (1, 0)


def test_of_one_table_two_events_may_each_keep_a_part() -> None:
    """Neither is superseded: the newer took one of the older's two rows."""
    newer = events.user_data(key="signup_source", value='"admin"', occurred_at=NOON + SECOND, event_id=uuid_text(2))
    compacted = compact(accepted([("UserDataSet", newer), ("UserCreated", events.user_created())]))
    rows = {table.feed.table.name: table for table in compacted.tables}["user_data"]
    assert [record.offset for record in rows.records] == [1, 0]
    assert (compacted.written_count, compacted.superseded_count) == (2, 0)


def test_beside_the_newest_event_the_newest_that_names_a_column_is_kept() -> None:
    named = [(None, "a"), ("x", "b"), ("y", None), (None, None), (None, None)]
    told = [
        ("UserUpdated", user_updated(role=role, status=status, occurred_at=NOON + at, event_id=uuid_text(9 - at)))
        for at, (role, status) in enumerate(named)
    ]
    for data in permutations(told):
        compacted = compact(accepted([*data, data[0]]))
        (rows,) = [table.rows for table in compacted.tables if table.feed.table.name == "users"]
        assert [row[-4] - NOON for row in rows] == [1, 2, 4], "its status, its role, and all the rest"
        # Each told of a name as well, which is a row of its own.
        assert (compacted.written_count, compacted.superseded_count) == (5, 1)


def test_a_row_is_made_only_where_its_condition_holds() -> None:
    names = [("Zoë", None), (None, "O'Brien"), ("", ""), (None, None)]
    made = [
        "user_name_history"
        in rows_by_table(compact(accepted([("UserUpdated", events.user_updated(first_name=first, last_name=last))])))
        for first, last in names
    ]
    assert made == [True, True, False, False]


def test_nothing_gives_no_tables() -> None:
    assert compact([]) == Compacted([], 0, 0, [], [])
