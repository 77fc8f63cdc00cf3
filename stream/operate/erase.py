"""`stream erase`: asks for a person's erasure by publishing the deletion event, and tells what came of it.

The event, not a statement of ours, erases: so a replay, or a restored backup, applies it again.
"""

import io
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastavro import schemaless_writer
from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, func, select, text

from stream import moments
from stream.catalog import STREAMS
from stream.declaration.persons import Person, PersonKind
from stream.declaration.routes import Route
from stream.declaration.service_tables import DEAD_LETTER, ERASURE, ERASURE_REMOVAL, SUPPRESSED_RECORD
from stream.declaration.streams import Stream
from stream.declaration.tables import persons_of
from stream.errors import TerminalError
from stream.kafka.publisher import Outgoing, Publisher
from stream.mysql.connection import read_connection
from stream.mysql.erasure import is_about, tables_about
from stream.mysql.markers import is_marker
from stream.operate.dead_letter_topic import SUFFIX
from stream.schemas.store import SchemaStore
from stream.stages.validate import is_named_rightly

LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Stored:
    """The rows about a person in a table now, and what erasing does to them."""

    table: str
    rows: int
    on_erasure: str


@dataclass(frozen=True)
class Receipt:
    """A line of the receipt: something that erasing a person removed, or that remains, and until when."""

    what: str
    rows: int | None
    until: str


def parse_person(text: str) -> Person:
    """The person of a text like `app:7`, `clerk:user_2aB` or `telegram:99`. Raises ValueError for another form."""
    person = Person.parse(text)
    if not is_named_rightly(person):
        raise ValueError("that is not a person like app:7, clerk:user_2aB or telegram:99")
    return person


def stored(connection: Connection, person: Person) -> list[Stored]:
    """The rows about a person now, table by table."""
    tables = []
    for table, about in tables_about(person.kind):
        rows = _count(connection, table, is_about(table, about, [person]))
        tables.append(Stored(table.name, rows, f"{about.on_erasure} ({about.column})"))
    return tables


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())


def publish_deletion(properties: Mapping[str, str], person: Person, occurred_at: int) -> str:
    """Publish the event that erases a person as of a moment (microseconds), and return its id once Kafka has it. Raises
    KafkaUnavailable where that isn't heard in time; publishing again does no harm."""
    stream, route, attribute = _deletion(person.kind)
    newest = SchemaStore().newest(stream.topic, route.record_name)
    event_id = str(uuid.uuid4())
    person_id: Any = person.person_id if person.kind == PersonKind.CLERK else int(person.person_id)
    datum = {"event_id": event_id, "occurred_at": occurred_at, attribute: person_id}
    body = io.BytesIO()
    schemaless_writer(body, newest.plain, datum)
    Publisher(properties).publish(stream.topic, [Outgoing(str(person).encode(), newest.header + body.getvalue())])
    return event_id


def wait_until_swept(database: Engine, person: Person, occurred_at: int, seconds_max: float) -> bool:
    """Whether a running service has by then applied the erasure that occurred at a moment (microseconds)."""
    erased_on = moments.from_micros(occurred_at)
    deadline = time.monotonic() + seconds_max
    while True:
        with read_connection(database) as connection:
            row = connection.execute(select(ERASURE).where(is_marker(person))).first()
        if row is not None and row.swept_on is not None and row.erased_on >= erased_on:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)


def receipt(connection: Connection, person: Person, copies_kept_days: int) -> list[Receipt]:
    """The lines of a receipt; a topic of dead letters keeps copies for so many days. Raises TerminalError where nobody
    has asked for this person's erasure, or it is still under way."""
    marker = connection.execute(select(ERASURE).where(is_marker(person))).first()
    if marker is None:
        raise TerminalError("no erasure of this person is known: `stream erase PERSON --execute` asks for one")
    if marker.swept_on is None:
        raise TerminalError("the erasure is still under way: a running `stream run` finishes it")
    removed = connection.execute(select(ERASURE_REMOVAL).filter_by(person_kind=person.kind, person_id=person.person_id))
    unattributed = _count(connection, DEAD_LETTER, DEAD_LETTER.c.record_value.is_not(None))
    days = max(stream.retention_ms for stream in STREAMS.values()) // 86_400_000
    until_settled = "they are redriven or discarded, or expire"
    return [
        *(Receipt(f"removed from {row.table_name}", row.rows_removed, f"{marker.swept_on} UTC") for row in removed),
        *_bare_ids(connection, person),
        Receipt("remains: dead letters that nobody can be named for", unattributed, until_settled),
        *_after_return(connection, person, marker.returned_on),
        *_copies(connection, copies_kept_days),
        Receipt("remains: the log in Kafka", None, f"its retention, {days} days"),
        *_beyond_the_tables(connection),
    ]


def _after_return(connection: Connection, person: Person, returned_on: datetime | None) -> list[Receipt]:
    """The lines of what a return lets in, or may let in."""
    is_about = and_(SUPPRESSED_RECORD.c.person_kind == person.kind, SUPPRESSED_RECORD.c.person_id == person.person_id)
    left_out = _count(connection, SUPPRESSED_RECORD, is_about)
    lines = []
    if returned_on is not None:
        lines.append(Receipt(f"stays: what occurred after their return on {returned_on} UTC", None, "erased again"))
    if left_out:
        lines.append(Receipt("remains: where records lie that were left out", left_out, "the log's retention"))
    return lines


def _beyond_the_tables(connection: Connection) -> list[Receipt]:
    """Stores of rows that are not reached from here. Statements carry rows, so logs of statements hold them."""
    has_binary_log, seconds = connection.execute(text("SELECT @@log_bin, @@binlog_expire_logs_seconds")).one()
    kept = f"the server removes them, after {seconds / 86_400:.3g} days" if seconds else "somebody purges them"
    return [
        *([Receipt("not looked at: MySQL's binary logs", None, kept)] if has_binary_log else []),
        Receipt("not looked at: MySQL's slow and general query logs", None, "somebody deletes them"),
        Receipt("not looked at: replicas of MySQL", None, "they have applied what this server did"),
        Receipt("not looked at: backups", None, "somebody deletes them"),
    ]


def _copies(connection: Connection, kept_days: int) -> list[Receipt]:
    """The copies of dead letters, topic by topic: whose they were isn't known once they are settled."""
    oldest, until = moments.now() - timedelta(days=kept_days), f"its retention, {kept_days} days"
    query = select(DEAD_LETTER.c.topic, func.count()).where(DEAD_LETTER.c.published_on >= oldest)
    return [
        Receipt(f"remains: copies in {topic}{SUFFIX}, whoever they are about", count, until)
        for topic, count in connection.execute(query.group_by(DEAD_LETTER.c.topic).order_by(DEAD_LETTER.c.topic))
        if topic not in STREAMS or not STREAMS[topic].has_hidden_values  # else they are coordinates and no more
    ]


def _bare_ids(connection: Connection, person: Person) -> list[Receipt]:
    """The numbers of rows that keep the person's id, by table; tables without any are left out."""
    return [
        Receipt(f"remains: the bare id in {table.name}", rows, "for good: a ledger has to add up")
        for stream in STREAMS.values()
        for table in stream.tables
        for about in persons_of(table)
        if about.kind == person.kind and about.keeps_bare_id
        if (rows := _count(connection, table, is_about(table, about, [person])))
    ]


def _deletion(kind: str) -> tuple[Stream, Route, str]:
    """The stream and the event that erases persons of a kind, and the event's attribute that is their id."""
    for stream in STREAMS.values():
        for route in stream.bound_routes:
            if route.erases is not None and route.erases.kind == kind:
                return stream, route, route.erases.attribute
    raise TerminalError(f"no event of the catalog erases a person of kind {kind}")
