"""The upsert as text, and the arithmetic by which its reply is read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql

from stream.catalog import STREAMS
from stream.counts import RecordCounts, RowCounts
from stream.declaration.tables import LINEAGE_COLUMNS, named_columns, owner_of, written_columns
from stream.mysql import session
from stream.mysql.erased import PERSONS_MAX, markers_statement
from stream.mysql.look import look_statement
from stream.mysql.rows import ROWS_MAX
from stream.operate.check import PACKET_BYTES_MIN
from stream.stages import upsert, values
from stream.stages.upsert import row_counts
from stream.stages.values import encoded

counts = st.integers(0, 10_000)


def reply(records: int, duplicates: int) -> bytes:
    return f"Records: {records}  Duplicates: {duplicates}  Warnings: 0".encode()


@given(counts, counts, counts)
def test_the_reply_is_taken_apart_exactly(inserted: int, updated: int, unchanged: int) -> None:
    records = inserted + updated + unchanged
    # What servers say: an insert affects 1 row, an update 2, and only updates are called duplicates.
    counted = row_counts(records, reply(records, updated), inserted + 2 * updated)
    assert counted == RowCounts(records, inserted, updated, unchanged)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Rows matched: 1  Changed: 1  Warnings: 0",
        b"Records: x  Duplicates: 1",
        b"Records: 2  Duplicates: 1  Warnings: 0",
    ],
)
def test_a_reply_of_another_form_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="another form"):
        row_counts(1, text, 1)


@given(st.lists(st.builds(RowCounts, counts, counts, counts, counts, counts), min_size=1, max_size=5))
def test_counts_are_added_part_by_part(parts: list[RowCounts]) -> None:
    total = sum(parts, RowCounts())
    for name in RowCounts.__dataclass_fields__:
        assert getattr(total, name) == sum(getattr(part, name) for part in parts)


@given(counts, counts, counts, st.integers(-3, 3).filter(bool))
def test_a_ledger_that_does_not_balance_is_refused(
    written: int, superseded: int, dead_lettered: int, wrong: int
) -> None:
    consumed = written + superseded + dead_lettered
    RecordCounts(consumed, written, superseded, dead_lettered)
    with pytest.raises(AssertionError, match="does not balance"):
        RecordCounts(consumed + wrong, written, superseded, dead_lettered)


@given(st.lists(st.tuples(st.integers(), st.text(max_size=50)), max_size=30), st.integers(10, 300))
def test_rows_are_split_into_bounded_texts_without_losing_any(rows: list[tuple[int, str]], limit: int) -> None:
    whole = values.JSON_BYTES_MAX
    values.JSON_BYTES_MAX = limit
    try:
        pieces = list(encoded(rows))
    finally:
        values.JSON_BYTES_MAX = whole
    assert [tuple(row) for text, _ in pieces for row in json.loads(text)] == rows
    for text, count in pieces:
        assert len(json.loads(text)) == count
        assert len(text) <= limit or count == 1


TABLES = [table for stream in STREAMS.values() for table in stream.tables]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_the_version_is_assigned_last(table: Any) -> None:
    """Assignments run from left to right, and all others look at the old version."""
    update = upsert.upsert_statement(table, b"[]").decode().partition("ON DUPLICATE KEY UPDATE")[2]
    assigned = re.findall(r"(?<!\.)`(\w+)` = ", update)  # behind a dot it is compared
    keys = {column.name for column in table.primary_key}
    # A history's key is the event's id, so there only the time is left of the version.
    last = [name for name in ("event_id", *named_columns(table).values(), "event_time") if name not in keys]
    assert assigned[-len(last) :] == last
    assert len(assigned) == len(set(assigned))
    versions = set(named_columns(table).values())
    assert set(assigned) == {column.name for column in written_columns(table)} - keys | versions
    assert set(LINEAGE_COLUMNS) < set(assigned)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_a_row_that_is_met_and_has_another_key_has_the_statement_refused(table: Any) -> None:
    """By its key a row meets its own; a unique index of any other column may lead it to another's."""
    update = upsert.upsert_statement(table, b"[]").decode().partition("ON DUPLICATE KEY UPDATE")[2]
    new, old = (", ".join(f"{side}.`{key.name}`" for key in table.primary_key) for side in ("new", f"`{table.name}`"))
    assert update.lstrip().startswith(f"`kafka_partition` = IF(({new}) = ({old})")
    assert update.count(upsert.REFUSE) == 1


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_no_value_becomes_null_unseen(table: Any) -> None:
    """JSON_TABLE's default for what is missing or does not fit is NULL."""
    statement = upsert.upsert_statement(table, b"[]").decode()
    paths = statement.count(" PATH ")
    # All but modified_on and loaded_on, which the statement makes; and an owner.
    assert paths == len(written_columns(table)) - 2 + (owner_of(table) is not None)
    assert statement.count("ERROR ON EMPTY ERROR ON ERROR") == paths


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_a_statement_that_names_keys_stays_below_the_smallest_packet(table: Any) -> None:
    """A backslash takes four bytes: JSON doubles it, and so does SQL."""
    longest = [
        "\\" * (key.type.length or 0) if isinstance(key.type, mysql.VARCHAR) else 2**63 for key in table.primary_key
    ]
    statement = look_statement(table, [longest[0] if len(longest) == 1 else longest] * ROWS_MAX)
    assert len(statement) < PACKET_BYTES_MIN - 10_000


def test_a_statement_that_names_persons_stays_below_the_smallest_packet() -> None:
    assert len(markers_statement("clerk", ["\\" * 256] * PERSONS_MAX)) < PACKET_BYTES_MIN - 10_000


def test_the_answer_to_a_look_is_one_text_that_the_server_does_not_cut() -> None:
    longest = f"{ROWS_MAX} {2**63} {'f' * 32} {2**32} {2**63},"
    assert len(longest) * ROWS_MAX <= int(session.EVERYWHERE["group_concat_max_len"])
