"""The language of a catalog file: events, persons, tables, rollups, and the stream that joins them.

A topic's file takes these words from here, and the types of its fields from `stream.declaration.types`.
"""

from stream.declaration.events import Event, HashedEvent
from stream.declaration.persons import Person, PersonKind, app, clerk, research, telegram
from stream.declaration.rollups import rolled_up, rollup_table
from stream.declaration.routes import admits, erases, into
from stream.declaration.streams import Stream
from stream.declaration.tables import column, named, upserted_table

__all__ = [
    "Event",
    "HashedEvent",
    "Person",
    "PersonKind",
    "Stream",
    "admits",
    "app",
    "clerk",
    "column",
    "erases",
    "into",
    "named",
    "research",
    "rolled_up",
    "rollup_table",
    "telegram",
    "upserted_table",
]
