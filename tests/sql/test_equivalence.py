"""Any permutation, duplication and batching of a set of events gives the rows of the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.records import Record
from tests import events
from tests.balance import assert_drained
from tests.databases import Database
from tests.events import (
    NOON,
    SECOND,
    Datum,
    pass_logged,
    rating,
    trip,
    user_created,
    user_data,
    user_updated,
    uuid_text,
)
from tests.sql.applying import GROUP_ID, Applier, law

pytestmark = pytest.mark.usefixtures("loads_each_row")

PERSONS = st.integers(1, 4)
ERASED = ("3", "4")
KEYS = st.integers(1, 3)
PARTITIONS = 2
TABLES = ("trip", "hntb_trip", "user_rating", "users", "user_data")


@st.composite
def sets_of_events(draw: st.DrawFn) -> list[tuple[str, Datum]]:
    """Events with few keys, persons and moments: most of them collide. Ids are unique, in no order."""
    count = draw(st.integers(1, 25))
    ids = draw(st.permutations(range(1, count + 1)))
    data: list[tuple[str, Datum]] = []
    for event_id in ids:
        version = {"event_id": uuid_text(event_id), "occurred_at": NOON + draw(st.integers(0, 3)) * SECOND}
        key, person = draw(KEYS), draw(PERSONS)
        kind = draw(st.sampled_from(["trip", "rating", "pass", "account"]))
        if kind == "trip":
            ended_on = draw(st.none() | st.just(NOON))
            data.append(("TripRecorded", trip(trip_id=key, user_id=person, ended_on=ended_on, **version)))
        elif kind == "rating":
            feedback = draw(st.none() | st.sampled_from(["", "a", "🚌", "'\\\x00%"]))
            data.append(("TripRated", rating(rating_id=key, trip_id=key, user_id=person, feedback=feedback, **version)))
        elif kind == "account":
            data.append(draw(of_account({"clerk_id": f"user_{key}", **version})))
        else:
            data.append(("BytemarkPassLogged", pass_logged(bytemark_pass_id=key, user_id=str(person), **version)))
    return data


@st.composite
def of_account(draw: st.DrawFn, beginning: Datum) -> tuple[str, Datum]:
    """An event about a Clerk account that names its role, its status and its source, or doesn't."""
    named = {name: draw(st.none() | st.sampled_from(["a", "b"])) for name in ("role", "status")}
    source = draw(st.sampled_from(["invite", "admin"]))
    about = draw(st.sampled_from(["UserCreated", "UserUpdated", "UserDataSet"]))
    if about == "UserCreated":
        return about, user_created(**beginning, **named, signup_source=draw(st.none() | st.just(source)))
    if about == "UserUpdated":
        return about, user_updated(**beginning, **named)
    return about, user_data(**beginning, key="signup_source", value=f'"{source}"')


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, Record]]:
    """Such a set as records in any order, some of them repeated, some broken ones between."""
    data = draw(sets_of_events())
    repeated = draw(st.lists(st.sampled_from(data), max_size=len(data)))
    records = [(events.TOPICS[name], events.record(name, datum)) for name, datum in (*data, *repeated)]
    broken = draw(st.lists(st.sampled_from(records), max_size=3))
    records += [(topic, record._replace(value=(record.value or b"")[:-1])) for topic, record in broken]
    return draw(st.permutations(records))


@law
@given(log=logs(), chance=st.randoms(use_true_random=False), erased=st.lists(st.sampled_from(ERASED), unique=True))
def test_any_order_repetition_and_batching_gives_the_rows_of_the_model(
    database: Database, log: list[tuple[str, Record]], chance: Any, erased: list[str]
) -> None:
    database.empty()
    if erased:
        database.erase(erased)
    applier = Applier(database)
    while log:
        size = chance.randint(1, 10)
        batch, log = log[:size], log[size:]
        # Keys keep to no partition here: the guard does not depend on it.
        pieces: dict[tuple[str, int], list[Record]] = {}
        for topic, record in batch:
            pieces.setdefault((topic, chance.randrange(PARTITIONS)), []).append(record)
        applier.write(*(applier.slice(topic, records, partition) for (topic, partition), records in pieces.items()))
    applier.close()
    assert_drained(database, applier.log, GROUP_ID, erased)


@law
@given(data=sets_of_events(), chance=st.randoms(use_true_random=False))
def test_one_by_one_and_all_at_once_give_the_same_tables(
    database: Database, data: list[tuple[str, Datum]], chance: Any
) -> None:
    tables = []
    for batch_size in (len(data), 1):
        database.empty()
        applier = Applier(database)
        records = [(events.TOPICS[name], events.record(name, datum)) for name, datum in data]
        chance.shuffle(records)
        for start in range(0, len(records), batch_size):
            pieces: dict[str, list[Record]] = {}
            for topic, record in records[start : start + batch_size]:
                pieces.setdefault(topic, []).append(record)
            applier.write(*(applier.slice(topic, piece) for topic, piece in pieces.items()))
        applier.close()
        assert_drained(database, applier.log, GROUP_ID)
        tables.append({name: _without_origin(database.rows(name)) for name in TABLES})
    assert tables[0] == tables[1]


def _without_origin(rows: list[Any]) -> list[dict[str, Any]]:
    hidden = ("kafka_partition", "kafka_offset", "loaded_on")
    return [{name: value for name, value in row.items() if name not in hidden} for row in rows]
