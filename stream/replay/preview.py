"""`stream replay --dry-run`: what a replay would do to the tables, found out by reading alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, select, tuple_

from stream.catalog import STREAMS
from stream.counts import Tell
from stream.declaration.persons import OnErasure, Person
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import guards_of, persons_of
from stream.mysql.connection import read_connection
from stream.mysql.markers import markers
from stream.mysql.replay_runs import Effect
from stream.records import Range
from stream.replay.shadow_tables import Shadow, key_of, shadow_of, version_of
from stream.schemas.decoder import Decoder

OUTCOMES = ("inserted", "updated", "unchanged", "suppressed")


def preview(
    properties: Mapping[str, str],
    database: Engine,
    ranges: Sequence[Range],
    decoder: Decoder,
    tell: Tell,
    *,
    rewrites: bool = False,
) -> list[Effect]:
    """The effects of replaying the ranges; `tell` is told how many records are read, of the offsets there are. Rows
    count by what becomes of them in the end, each key once, in however many batches its versions come. Not foreseen: a
    row that would claim another one's unique key (`conflict`), and a return that only these records tell of, of who is
    erased already. Raises KafkaUnavailable, DatabaseUnavailable,
    RegistryUnavailable and TerminalError."""
    tables = {table.name: table for part in ranges for table in STREAMS[part.topic].tables}
    records: Counter[tuple[str, str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    with shadow_of(database, tables.values()) as shadow:
        for written in shadow.apply_ranges(properties, "replay:dry-run", ranges, decoder, tell):
            topic = written.slice.topic_partition.topic
            records["records", topic, "consumed"] += written.records.consumed
            records["records", topic, "dead_lettered"] += written.records.dead_lettered
            records.update(("dead letters", topic, rejection.reason.value) for _, rejection in written.rejected)
            rows.update({(name, "suppressed"): counts.suppressed for name, counts in written.rows.items()})
        with read_connection(database) as live:
            for table in tables.values():
                rows.update(outcomes_of(live, shadow, table, rewrites=rewrites))
            erased = _not_yet_erased(live, shadow)
    return [
        *(Effect(what, name, None, outcome, count) for (what, name, outcome), count in sorted(records.items())),
        *(Effect("rows", name, None, outcome, rows[name, outcome]) for name in tables for outcome in OUTCOMES),
        *([Effect("persons", ERASURE.name, None, "erased", erased)] if erased else []),
    ]


def outcomes_of(live: Connection, shadow: Shadow, table: Table, *, rewrites: bool = False) -> Counter[tuple[str, str]]:
    """The fate of a shadow's rows once they meet the live ones; those of an equal version win if it `rewrites`."""
    outcomes: Counter[tuple[str, str]] = Counter()
    for some in shadow.rows(table):
        stored = _stored(live, table, [key_of(table, row) for row in some])
        parent: Table | None = table.info.get("set_of")
        parents = {} if parent is None else _stored(live, parent, [_parent_key(table, row) for row in some])
        for row in some:
            known, set_as_stored = stored.get(key_of(table, row)), parents.get(_parent_key(table, row))
            if _is_about_any(table, row, shadow):
                outcome = "suppressed"
            elif set_as_stored is not None and version_of(set_as_stored) > version_of(row):
                outcome = "unchanged"  # a member of an older set goes at once
            elif known is None:
                outcome = "inserted"
            else:
                outcome = "updated" if _changes(table, known, row, rewrites) else "unchanged"
            outcomes[table.name, outcome] += 1
    return outcomes


def _stored(live: Connection, table: Table, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], RowMapping]:
    """The live rows of some keys."""
    query = select(table).where(tuple_(*table.primary_key).in_(set(keys)))
    return {key_of(table, row): row for row in live.execute(query).mappings()}


def _changes(table: Table, stored: RowMapping, sent: RowMapping, rewrites: bool) -> bool:
    """Whether the guard lets a row change the stored one."""
    for version, columns in guards_of(table):
        newer, older = _values(sent, version), _values(stored, version)
        if newer > older or (rewrites and newer == older and _values(sent, columns) != _values(stored, columns)):
            return True
    return False


def _values(row: RowMapping, names: Sequence[str]) -> list[Any]:
    return [row[name] for name in names]


def _parent_key(table: Table, row: RowMapping) -> tuple[Any, ...]:
    """The key of the row to whose set this one belongs; none where it belongs to no set."""
    return tuple(row[reference.parent.name] for reference in table.foreign_keys)


def _is_about_any(table: Table, row: RowMapping, shadow: Shadow) -> bool:
    """Whether the row is about a person whom the same records erase."""
    persons = (
        Person(about.kind, str(row[about.column]))
        for about in persons_of(table)
        if about.is_stored and about.on_erasure is OnErasure.DELETE_ROW
    )
    return any(person in shadow.markers and shadow.markers[person].covers(row["event_time"]) for person in persons)


def _not_yet_erased(live: Connection, shadow: Shadow) -> int:
    return len(shadow.markers) - len(markers(live, shadow.markers))
