"""Every valid example of the contract goes through to the database as it states, and none is refused there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.dialects import mysql

from stream.catalog import METADATA, STREAMS
from stream.declaration.service_tables import ERASURE, PERSON_RETURN
from stream.mysql.rows import WrittenSlice
from tests.balance import assert_drained
from tests.databases import Database
from tests.examples import Example, valid_examples
from tests.model.rules import moment
from tests.sql.applying import GROUP_ID, Applier

pytestmark = pytest.mark.usefixtures("loads_each_row")

VALID = valid_examples()


@pytest.mark.parametrize("topic", STREAMS)
def test_valid_examples_are_stored_as_they_state(database: Database, applier: Applier, topic: str) -> None:
    for example in (example for example in VALID if example.topic == topic):
        database.empty([*example.rows, ERASURE.name, PERSON_RETURN.name])
        (written,) = applier.write(applier.slice(topic, [example.record]))
        assert_is_stored(database, written, example)


def assert_is_stored(database: Database, written: WrittenSlice, example: Example) -> None:
    assert written.rejected == [], example
    assert (written.records.written, written.records.dead_lettered) == (1, 0), example
    for table, rows in example.rows.items():
        key = [column.name for column in METADATA.tables[table].primary_key]
        stored = sorted(database.rows(table), key=lambda row: [row[name] for name in key])
        assert [{name: _as_stated(row[name], table, name) for name in rows[0]} for row in stored] == rows, example
        assert all(row["modified_on"] == row["event_time"] for row in stored), example
    if example.erases:
        (marker,) = database.rows(ERASURE.name)
        assert f"{marker['person_kind']}:{marker['person_id']}" == example.erases, example
        assert marker["swept_on"] is None
    if example.returns:
        (back,) = database.rows(PERSON_RETURN.name)
        assert f"{back['person_kind']}:{back['person_id']}" == example.returns, example


def _as_stated(value: Any, table: str, column: str) -> Any:
    """As JSON has it: moments in microseconds, decimals as text, flags as booleans."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if isinstance(value, Decimal):
        return str(value)
    kind = METADATA.tables[table].c[column].type
    is_flag = isinstance(kind, mysql.TINYINT) and kind.display_width == 1
    return bool(value) if is_flag else value


def test_all_examples_that_erase_nobody_at_once_give_the_rows_of_the_model(
    database: Database, applier: Applier
) -> None:
    """In one transaction: no row of one stands in the way of another's."""
    by_topic: dict[str, list[Example]] = {}
    for example in VALID:
        if example.erases is None:
            by_topic.setdefault(example.topic, []).append(example)
    written = applier.write(
        *(applier.slice(topic, [example.record for example in examples]) for topic, examples in by_topic.items())
    )
    assert [written_slice.rejected for written_slice in written] == [[]] * len(by_topic)
    assert_drained(database, applier.log, GROUP_ID)


def test_a_moment_of_an_example_is_what_the_model_makes_of_it() -> None:
    micros = 1_793_607_600_500_000
    stored = moment(micros)
    assert _as_stated(stored, "trip", "started_on") == micros
