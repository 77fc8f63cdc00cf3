"""The rows of a batch's slices are written together, table by table, and counted apart. On both servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.mysql import send
from stream.mysql.rows import WrittenSlice
from stream.stages.decode import DecodedSlice
from stream.stages.load import lines_of
from tests import events
from tests.balance import assert_drained, assert_row_ledger
from tests.databases import Database
from tests.events import NOON, SECOND, Datum, label_defined, pass_logged, rating, trip, uuid_text
from tests.sql.applying import GROUP_ID, Applier, come_between, law, outcomes, upserts_sent
from tests.sql.test_refusals import with_values

MANY = send.LOADED_ROWS_MIN
PARTITIONS = 3


def ratings(numbers: Sequence[int], *, at: int = 0, ids_from: int = 0) -> list[tuple[str, Datum]]:
    return [
        ("TripRated", rating(rating_id=number, event_id=uuid_text(ids_from + number), occurred_at=NOON + at * SECOND))
        for number in numbers
    ]


def labels(*numbers: int) -> list[tuple[str, Datum]]:
    return [("LabelDefined", label_defined(label_id=number, event_id=uuid_text(number))) for number in numbers]


def slices_of(applier: Applier, topic: str, *pieces: list[tuple[str, Datum]]) -> list[DecodedSlice]:
    """A slice for each partition."""
    return [
        applier.slice(topic, [events.record(*each) for each in piece], partition)
        for partition, piece in enumerate(pieces)
    ]


def loads_sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of rows that are loaded from here on, statement by statement."""
    sent: list[int] = []

    def noted(rows: Sequence[Any]) -> bytes | None:
        sent.append(len(rows))
        return lines_of(rows)

    monkeypatch.setattr(send, "lines_of", noted)
    return sent


def test_few_rows_of_each_partition_are_loaded_together(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    upserted, loaded = upserts_sent(monkeypatch), loads_sent(monkeypatch)
    third = MANY // 3 + 1
    pieces = [ratings(range(start, start + third)) for start in (1, 1001, 2001)]
    written = applier.write(*slices_of(applier, "trip", *pieces))
    assert [outcomes(each, "user_rating") for each in written] == [(third, 0, 0, 0)] * 3
    assert (loaded, upserted) == ([3 * third], [])
    assert_drained(database, applier.log, GROUP_ID)


def test_each_partition_has_its_own_counts(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier.apply(*ratings(range(1, 7)))
    upserted = upserts_sent(monkeypatch)
    written = applier.write(
        *slices_of(
            applier,
            "trip",
            [*ratings([1, 2]), *ratings([11, 12, 13])],  # two are stored
            [
                *ratings([12]),  # the very event again
                *ratings([3], at=1, ids_from=100),
                *ratings([4], at=-1, ids_from=200),
                *ratings([13], at=1, ids_from=300),
            ],
            [*ratings([13], at=2, ids_from=400), *ratings([11], at=-1, ids_from=500)],
        )
    )
    assert [outcomes(each, "user_rating") for each in written] == [(3, 0, 2, 0), (0, 2, 2, 0), (0, 1, 1, 0)]
    assert upserted == [8], "all but what is stored, and older than what is stored"
    assert_drained(database, applier.log, GROUP_ID)


@st.composite
def batches(draw: st.DrawFn) -> list[list[tuple[int, tuple[str, Datum]]]]:
    """Batches of events of few keys and moments, each event with its partition."""
    count = draw(st.integers(2, 24))
    ids = iter(draw(st.permutations(range(1, count + 1))))
    data: list[tuple[int, tuple[str, Datum]]] = []
    for event_id in ids:
        version = {"event_id": uuid_text(event_id), "occurred_at": NOON + draw(st.integers(0, 2)) * SECOND}
        key, partition = draw(st.integers(1, 4)), draw(st.integers(0, PARTITIONS - 1))
        event = draw(
            st.sampled_from(
                [
                    ("TripRecorded", trip(trip_id=key, **version)),
                    ("TripRated", rating(rating_id=key, **version)),
                    ("BytemarkPassLogged", pass_logged(bytemark_pass_id=key, **version)),
                    ("LabelDefined", label_defined(label_id=key, **version)),
                ]
            )
        )
        data.append((partition, event))
    repeated = draw(st.lists(st.sampled_from(data), max_size=8))
    data = draw(st.permutations(data + repeated))
    cut = draw(st.integers(1, len(data)))
    return [data[:cut], data[cut:]]


@law
@given(log=batches())
@pytest.mark.usefixtures("loads_each_row")
def test_together_and_one_slice_after_the_other_count_the_same(
    database: Database, log: list[list[tuple[int, tuple[str, Datum]]]]
) -> None:
    """For any events and batches, whichever partitions have the same keys."""
    told: list[list[Any]] = []
    for are_together in (True, False):
        database.empty()
        applier = Applier(database)
        counts: list[Any] = []
        for batch in log:
            pieces: dict[tuple[str, int], list[Any]] = {}
            for partition, (name, datum) in batch:
                pieces.setdefault((events.TOPICS[name], partition), []).append(events.record(name, datum))
            slices = [applier.slice(topic, records, partition) for (topic, partition), records in pieces.items()]
            for some in [slices] if are_together else [[each] for each in slices]:
                counts += [(each.slice.topic_partition, each.records, each.rows) for each in applier.write(*some)]
        applier.close()
        assert_drained(database, applier.log, GROUP_ID)
        told.append(counts)
    assert told[0] == told[1]


def test_a_refused_record_of_one_partition_leaves_the_others_whole(database: Database, applier: Applier) -> None:
    first, second, third = slices_of(
        applier, "trip", *([("TripRecorded", trip(trip_id=n, event_id=uuid_text(n)))] * 2 for n in (1, 2, 3))
    )
    with_values(second, 0, travel_mode="x" * 33)
    written = applier.write(first, second, third)
    assert [each.records.dead_lettered for each in written] == [0, 1, 0]
    assert [each.records.written for each in written] == [1, 1, 1]
    assert {row["id"] for row in database.rows("trip")} == {1, 2, 3}
    assert_row_ledger(database, GROUP_ID)


def test_what_cant_be_counted_apart_is_written_slice_by_slice(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row comes between the look and the writing: then it can't be told whose rows met it."""
    come_between(monkeypatch, database, *labels(2))
    written = applier.write(*slices_of(applier, "user.label", labels(1), labels(2, 3)))
    assert [outcomes(each, "user_label") for each in written] == [(1, 0, 0, 0), (1, 0, 1, 0)]
    assert {row["id"] for row in database.rows("user_label")} == {1, 2, 3}


def test_more_rows_than_a_look_can_take_are_written_in_parts(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.mysql.rows.ROWS_MAX", 4)
    upserted = upserts_sent(monkeypatch)
    pieces = [ratings(range(1, 4)), ratings(range(11, 17)), ratings([21])]
    written: list[WrittenSlice] = applier.write(*slices_of(applier, "trip", *pieces))
    assert [outcomes(each, "user_rating") for each in written] == [(3, 0, 0, 0), (6, 0, 0, 0), (1, 0, 0, 0)]
    assert upserted == [3, 4, 3]
    assert_drained(database, applier.log, GROUP_ID)
