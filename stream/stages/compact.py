"""Events → rows: of the events of one key and person only the newest is sent to each table.

Whoever is superseded here loses nothing: the version guard would have refused them row by row. The person is
part of the identity because an erased person's newer event is suppressed in the database, and must not have
hidden another person's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from stream.declaration.events import Event
from stream.declaration.persons import Person
from stream.declaration.streams import Feed, Route
from stream.declaration.tables import other_unique_columns
from stream.records import Record

Row = tuple[Any, ...]
"""A feed's column values, then occurred_at, event_id and the Kafka offset."""


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


def compact(accepted: Sequence[tuple[Record, Event, Route]]) -> Compacted:
    """Keep the newest event per table, key and person, and make the rows."""
    newest_by_table: dict[str, dict[Any, tuple[tuple[int, str], Record, Event, Feed]]] = {}
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
    tables = [_rows(newest) for newest in newest_by_table.values()]
    row_count = len({record.offset for table in tables for record in table.records})
    written_count = row_count + len(erased) + len(returned)
    return Compacted(tables, written_count, len(accepted) - written_count, erased, returned)


def _rows(newest: dict[Any, tuple[tuple[int, str], Record, Event, Feed]]) -> TableRows:
    # The identity begins with the primary key, so this is the key's order: lanes lock rows in one direction.
    ordered = [newest[identity] for identity in sorted(newest)]
    if other_unique_columns(ordered[0][3].table):
        # As it happened: what one row gives up another may take.
        ordered.sort(key=itemgetter(0))
    if ordered[0][3].items is not None:
        return _set_rows(ordered)
    return TableRows(
        feed=ordered[0][3],
        rows=[(*feed.values(event), *version, record.offset) for version, record, event, feed in ordered],
        records=[record for _, record, _, _ in ordered],
    )


def _set_rows(ordered: Sequence[tuple[tuple[int, str], Record, Event, Feed]]) -> TableRows:
    """All items of each event, a row each."""
    table = TableRows(feed=ordered[0][3])
    for version, record, event, feed in ordered:
        for values in feed.item_values(event):
            table.rows.append((*values, *version, record.offset))
            table.records.append(record)
    return table
