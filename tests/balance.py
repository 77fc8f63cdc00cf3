"""The balance of a drained log: tables as the model has them, dead letters, and both ledgers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.databases import Database, Snapshot
from tests.model import TABLES, Coordinates, Expected, LogRecord, expect, is_same
from tests.model.declaration import Row

ORIGIN = ("kafka_partition", "kafka_offset", "loaded_on")

COMPUTED = ("username_start", "first_name_start")
"""Columns that the server computes from others of the row."""

SHOWN_MAX = 10

REDRIVE_GROUP_ID = "(redrive)"


def assert_drained(
    database: Database, records: Sequence[LogRecord], group_id: str, erased: Iterable[str] = ()
) -> Expected:
    """Everything at once, for the records of the log; `erased` are the app users who were erased before them.

    Where the records erase persons, they have been swept.
    """
    expected, stored = expect(records, {"app": erased}), database.snapshot()
    assert_tables(stored, expected)
    assert_origins(stored, expected)
    assert_erasures(stored, expected)
    assert_dead_letters(stored, records, expected)
    assert_record_ledger(stored, records, expected, group_id)
    assert_row_ledger(database, group_id)
    return expected


def assert_tables(stored: Snapshot, expected: Expected) -> None:
    """Each table holds the model's rows, no more, no less, in every column but those of origin."""
    complaints: list[str] = []
    for name, wanted in expected.tables.items():
        rows = {tuple(row[column] for column in TABLES[name].key): row for row in stored[name]}
        for key, candidates in expected.undecided[name].items():
            row = rows.pop(key, None)
            if row is not None and all(_differences(candidate, row) for candidate in candidates):
                complaints.append(f"{name} {key}: none of those that it may be")
        complaints += [f"{name} {key}: missing" for key in sorted(wanted.keys() - rows.keys())]
        complaints += [f"{name} {key}: not expected" for key in sorted(rows.keys() - wanted.keys())]
        for key in sorted(wanted.keys() & rows.keys()):
            complaints += [f"{name} {key}: {line}" for line in _differences(wanted[key], rows[key])]
    assert not complaints, _listed(complaints)


def _differences(wanted: Row, stored: Mapping[str, Any]) -> list[str]:
    compared = {name: value for name, value in stored.items() if name not in ORIGIN + COMPUTED}
    assert compared.keys() == wanted.keys(), f"columns differ: {sorted(compared.keys() ^ wanted.keys())}"
    return [
        f"{name} is {compared[name]!r}, expected {value!r}"
        for name, value in wanted.items()
        if not is_same(value, compared[name])
    ]


def assert_origins(stored: Snapshot, expected: Expected) -> None:
    """Each row says that it came from a record of its own event (of an event's duplicates any will do)."""
    origins = {(where.partition, where.offset, event_id) for where, event_id in expected.event_ids.items()}
    strays = [
        f"{name}: {row}"
        for name in TABLES
        for row in stored[name]
        if (row["kafka_partition"], row["kafka_offset"], row["event_id"]) not in origins
    ]
    assert not strays, _listed(strays)


def assert_erasures(stored: Snapshot, expected: Expected) -> None:
    """The erased persons are marked, each as of the latest moment, perhaps under other names too; nobody else is."""
    marked = {(row["person_kind"], row["person_id"]): row for row in stored["erasure"]}
    assert marked.keys() - expected.maybe_erased == set(expected.erased)
    for person, erased_on in expected.erased.items():
        assert erased_on is None or marked[person]["erased_on"] == erased_on, person
        assert marked[person]["returned_on"] == expected.returned.get(person), person


def assert_dead_letters(stored: Snapshot, records: Sequence[LogRecord], expected: Expected) -> None:
    """Exactly the broken records are dead letters, each for a reason that the model sees, and the one announced."""
    letters = {_coordinates(row): row for row in stored["dead_letter"]}
    wanted = expected.dead_letters.keys()
    complaints = [f"{coordinates}: no dead letter" for coordinates in sorted(wanted - letters.keys())]
    complaints += [f"{coordinates}: dead-lettered" for coordinates in sorted(letters.keys() - wanted)]
    for record in records:
        letter = letters.get(record.coordinates)
        if letter is None or record.coordinates not in expected.dead_letters:
            continue
        judged = (letter["reason"], letter["field"])
        if judged not in {tuple(fault) for fault in expected.dead_letters[record.coordinates]}:
            complaints.append(
                f"{record.coordinates}: {judged}, expected {set(expected.dead_letters[record.coordinates])}"
            )
        announced = {name: value.decode() for name, value in record.headers if name.startswith("synthetic-")}
        if announced and judged != (announced["synthetic-reason"], announced.get("synthetic-field")):
            complaints.append(f"{record.coordinates}: {judged}, announced {announced}")
        is_emptied = record.coordinates in expected.emptied_letters
        if (letter["status"] == "erased") is not is_emptied:
            complaints.append(f"{record.coordinates}: {letter['status']}")
        kept = (letter["record_key"], letter["record_value"], letter["record_headers"] is None)
        if kept != (
            (None, None, True)
            if is_emptied or record.coordinates in expected.hidden_letters
            else (record.key, record.value, False)
        ):
            complaints.append(f"{record.coordinates}: key or value is not kept as it came")
    assert not complaints, _listed(complaints)


def assert_record_ledger(stored: Snapshot, records: Sequence[LogRecord], expected: Expected, group_id: str) -> None:
    """Per partition: consumed = what lies in the log = written + superseded + dead-lettered, each counted once."""
    in_log = Counter((record.topic, record.partition) for record in records)
    broken = Counter((coordinates.topic, coordinates.partition) for coordinates in expected.dead_letters)
    progress = [row for row in stored["progress"] if row["group_id"] == group_id]
    assert {(row["topic"], row["kafka_partition"]) for row in progress} >= set(in_log)
    for row in progress:
        where = (row["topic"], row["kafka_partition"])
        parts = row["records_written"] + row["records_superseded"] + row["records_dead_lettered"]
        assert row["records_consumed"] == parts, row
        assert row["records_consumed"] == in_log[where], (row, in_log[where])
        assert row["records_dead_lettered"] == broken[where], (row, broken[where])


def assert_row_ledger(database: Database, group_id: str) -> None:
    """Per partition and table: sent = inserted + updated + unchanged + suppressed; what was inserted is there, or was
    removed by an erasure."""
    inserted: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for row in database.rows("erasure_removal"):
        removed[row["table_name"]] += row["rows_removed"]
    for row in database.rows("ledger"):
        if row["group_id"] in (group_id, REDRIVE_GROUP_ID):  # restored rows are counted there
            parts = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_suppressed")
            assert row["rows_sent"] == sum(row[part] for part in parts), row
            inserted[row["table_name"]] += row["rows_inserted"]
    for name, there in database.counts(TABLES).items():
        gone = removed[name]
        # Of rows that stay with emptied columns the removals tell as well; members of a set go with their version.
        least = there if TABLES[name].emptied or TABLES[name].is_set else there + gone
        assert least <= inserted[name], name
        assert inserted[name] <= there + gone or TABLES[name].is_set, name


def _coordinates(row: Mapping[str, Any]) -> Coordinates:
    return Coordinates(row["topic"], row["kafka_partition"], row["kafka_offset"])


def _listed(complaints: Sequence[str]) -> str:
    more = f"\n… and {len(complaints) - SHOWN_MAX} more" if len(complaints) > SHOWN_MAX else ""
    return f"{len(complaints)} differences:\n" + "\n".join(complaints[:SHOWN_MAX]) + more
