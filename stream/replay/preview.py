"""`stream replay --dry-run`: what a replay would do to the tables, found out by reading alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, select, tuple_

from stream.catalog import STREAMS
from stream.counts import Reached, Tell
from stream.declaration.persons import OnErasure
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import persons_of
from stream.kafka.ranges import read
from stream.mysql.connection import read_connection
from stream.mysql.replay_runs import Effect
from stream.records import Range
from stream.replay.shadow_tables import Shadow, key_of, version_of
from stream.schemas.decoder import Decoder

Version = tuple[Any, Any]


def preview(
    properties: Mapping[str, str],
    database: Engine,
    ranges: Sequence[Range],
    decoder: Decoder,
    tell: Tell,
) -> list[Effect]:
    """What replaying the ranges would do; `tell` is told how many records are read, of the offsets there are.

    Rows count by what becomes of them in the end, each key once, in however many batches its versions come. Not
    foreseen: a row that would claim another one's unique key (`conflict`).
    Raises KafkaUnavailable, DatabaseUnavailable, RegistryUnavailable and TerminalError.
    """
    tables = {table.name: table for one in ranges for table in STREAMS[one.topic].tables}
    records: Counter[tuple[str, str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    total, done = sum(one.records_max for one in ranges), 0
    with Shadow(database, list(tables.values())) as shadow:
        for written in shadow.apply(read(properties, "replay:dry-run", ranges), decoder):
            topic = written.slice.topic_partition.topic
            done += written.records.consumed
            tell(Reached(done, total))
            records["records", topic, "consumed"] += written.records.consumed
            records["records", topic, "dead_lettered"] += written.records.dead_lettered
            for _, rejection in written.rejected:
                records["dead letters", topic, rejection.reason.value] += 1
            for name, counts in written.rows.items():
                rows[name, "suppressed"] += counts.suppressed
        with read_connection(database) as live:
            for table in tables.values():
                rows.update(_outcomes(live, shadow, table))
            erased = _not_yet_erased(live, shadow)
    found = [Effect(what, name, None, outcome, count) for (what, name, outcome), count in sorted(records.items())]
    for name in tables:
        found += [
            Effect("rows", name, None, outcome, rows[name, outcome])
            for outcome in ("inserted", "updated", "unchanged", "suppressed")
        ]
    return found + ([Effect("persons", ERASURE.name, None, "erased", erased)] if erased else [])


def _outcomes(live: Connection, shadow: Shadow, table: Table) -> Counter[tuple[str, str]]:
    """What becomes of a shadow's rows once they meet the live ones."""
    outcomes: Counter[tuple[str, str]] = Counter()
    for some in shadow.rows(table):
        stored = _versions(live, table, [key_of(table, row) for row in some])
        parent: Table | None = table.info.get("set_of")
        parents = {} if parent is None else _versions(live, parent, [_parent_key(table, row) for row in some])
        for row in some:
            version = version_of(row)
            known = stored.get(key_of(table, row))
            if _is_about_any(table, row, shadow):
                outcome = "suppressed"
            elif (known is not None and known >= version) or (
                parent is not None and parents.get(_parent_key(table, row), version) > version
            ):
                outcome = "unchanged"  # a member of an older set goes at once
            else:
                outcome = "inserted" if known is None else "updated"
            outcomes[table.name, outcome] += 1
    return outcomes


def _versions(live: Connection, table: Table, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], Version]:
    columns = list(table.primary_key)
    query = select(*columns, table.c.event_time.label("_time"), table.c.event_id.label("_id"))
    rows = live.execute(query.where(tuple_(*columns).in_(set(keys)))).all()
    return {tuple(row[: len(columns)]): (row._time, row._id) for row in rows}


def _parent_key(table: Table, row: RowMapping) -> tuple[Any, ...]:
    (reference,) = table.foreign_keys
    return (row[reference.parent.name],)


def _is_about_any(table: Table, row: RowMapping, shadow: Shadow) -> bool:
    """Whether the row is about a person whom the same records erase."""
    return any(
        (one.kind, str(row[one.column])) in shadow.erased
        for one in persons_of(table)
        if one.is_stored and one.on_erasure is OnErasure.DELETE_ROW
    )


def _not_yet_erased(live: Connection, shadow: Shadow) -> int:
    columns = (ERASURE.c.person_kind, ERASURE.c.person_id)
    known = live.execute(select(*columns).where(tuple_(*columns).in_(shadow.erased))).all() if shadow.erased else []
    return len(shadow.erased) - len(known)
