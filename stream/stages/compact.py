"""Events → rows: of the events of one key and person only the newest is sent to each table.

Whoever is superseded here loses nothing: the version guard would have refused them row by row. The person is
part of the identity because an erased person's newer event is suppressed in the database, and must not have
hidden another's. Where only some events name a column, the newest of those is sent as well: the database brings the two
together, so that each row stays its own record's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from stream.declaration.events import Event
from stream.declaration.persons import Person
from stream.declaration.routes import Feed, Route
from stream.declaration.tables import other_unique_columns, owner_of
from stream.records import Record

Row = tuple[Any, ...]
"""A feed's column values, then occurred_at, event_id, and the Kafka offset and partition."""

Accepted = tuple[Record, Event, Route]

Kept = tuple[tuple[int, str], Record, Event, Feed]
"""An event that is to become a row, behind its version."""


@dataclass(slots=True)
class TableRows:
    """Rows to be sent to a table, each row beside the record that it comes from: in the order of the primary key, or of
    time where another column is unique as well."""

    feed: Feed
    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Compacted:
    tables: list[TableRows]
    written_count: int
    """Records of which at least one row is sent."""
    superseded_count: int
    """Records of which no row is sent."""
    erased: list[tuple[Person, int]]
    """Persons whom records erase, each with when (microseconds). Such a record counts as written."""
    returned: list[tuple[Person, int]]
    """Persons who came back, likewise."""


def compact(accepted: Sequence[Accepted], partition: int) -> Compacted:
    """Keep the newest event per table, key and person, and make the rows; the events are of one partition."""
    newest_by_table: dict[str, dict[Any, Kept]] = {}
    naming_by_table: dict[str, dict[Any, Kept]] = {}
    erased: list[tuple[Person, int]] = []
    returned: list[tuple[Person, int]] = []
    for record, event, route in accepted:
        if route.erases is not None:
            person = Person(route.erases.kind, str(getattr(event, route.erases.attribute)))
            erased.append((person, event.occurred_at))
        elif route.admits is not None:
            person = Person(route.admits.kind, str(getattr(event, route.admits.attribute)))
            returned.append((person, event.occurred_at))
        version = (event.occurred_at, event.event_id)
        for feed in route.feeds:
            if feed.condition is not None and not getattr(event, feed.condition):
                continue
            newest = newest_by_table.setdefault(feed.table.name, {})
            identity = feed.identity(event)
            kept = newest.get(identity)
            if kept is None or kept[0] < version:
                newest[identity] = (version, record, event, feed)
            if feed.named:
                _keep_naming(naming_by_table.setdefault(feed.table.name, {}), identity, (version, record, event, feed))
    tables = [_rows(newest, naming_by_table.get(name, {}), partition) for name, newest in newest_by_table.items()]
    row_count = len({record.offset for table in tables for record in table.records})
    written_count = row_count + len(erased) + len(returned)
    return Compacted(tables, written_count, len(accepted) - written_count, erased, returned)


def _keep_naming(naming: dict[Any, Kept], identity: Any, told: Kept) -> None:
    """Keep the event where it is the newest that names a column."""
    version, _, event, feed = told
    for column, attribute in feed.named:
        if getattr(event, attribute) is not None:
            kept = naming.get((identity, column))
            if kept is None or kept[0] < version:
                naming[identity, column] = told


def superseded(accepted: Sequence[Accepted], partition: int, table: TableRows) -> dict[int, list[tuple[Row, Record]]]:
    """The rows, each with its record, that would take a row's place one after the other if it were refused: by the
    offset of the kept record. Sets have none here: they are replaced as a whole."""
    versions: dict[Any, list[Kept]] = {}
    for record, event, route in accepted:
        for feed in route.feeds:
            if feed.table is not table.feed.table or feed.items is not None:
                continue
            if feed.condition is None or getattr(event, feed.condition):
                version = (event.occurred_at, event.event_id)
                versions.setdefault(feed.identity(event), []).append((version, record, event, feed))
    waiting = {}
    for kept in versions.values():
        (_, newest, *_), *older = sorted(kept, key=itemgetter(0), reverse=True)
        waiting[newest.offset] = [
            ((*feed.values(event), *version, record.offset, partition), record)
            for version, record, event, feed in older
        ]
    return waiting


def _rows(newest: dict[Any, Kept], naming: dict[Any, Kept], partition: int) -> TableRows:
    # The identity begins with the primary key, so this is the key's order: lanes lock rows in one direction.
    ordered = [newest[identity] for identity in sorted(newest)]
    if naming:
        kept = {(identity, each[0]): each for identity, each in newest.items()}
        kept |= {(identity, each[0]): each for (identity, _), each in naming.items()}
        ordered = [kept[place] for place in sorted(kept)]
    if owner_of(ordered[0][3].table) is not None:
        # Of one key's rows the first to come keeps it: the identities stand in the order in which they came.
        ordered = [newest[identity] for identity in sorted(newest, key=itemgetter(0))]
    if other_unique_columns(ordered[0][3].table):
        # As it happened: what one row gives up another may take.
        ordered.sort(key=itemgetter(0))
    if ordered[0][3].items is not None:
        return _set_rows(ordered, partition)
    return TableRows(
        feed=ordered[0][3],
        rows=[(*feed.values(event), *version, record.offset, partition) for version, record, event, feed in ordered],
        records=[record for _, record, _, _ in ordered],
    )


def _set_rows(ordered: Sequence[Kept], partition: int) -> TableRows:
    """All items of each event, a row each."""
    table = TableRows(feed=ordered[0][3])
    for version, record, event, feed in ordered:
        for values in feed.item_values(event):
            table.rows.append((*values, *version, record.offset, partition))
            table.records.append(record)
    return table
