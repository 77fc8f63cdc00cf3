"""Changes beside the rows of a write: periods that rollups have to sum again, and late business dates.

A lane doesn't touch a rollup: two that did would lose counts, or wait for each other. It appends the periods whose
rows it wrote to `rollup_touched`, in its own transaction: those in which rows lie now, and those in which they lay
before. `stream/mysql/rollups.py` sums them again.

A date is late once it lies before the look-back window of dashboards; what is written or removed there, they would not
see. Only a batch that has such dates looks closer; what changed nothing (a duplicate, an older version) is no change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Self

import msgspec
from sqlalchemy import Column, Connection, Table, func, select

from stream import moments
from stream.counts import RowCounts
from stream.declaration.persons import OnErasure
from stream.declaration.rollups import PERIOD_MICROS, PERIOD_MINUTES, share_of
from stream.declaration.service_tables import ERASURE, LATE_CHANGE, ROLLUP_TOUCHED
from stream.declaration.tables import business_time_of, persons_of
from stream.declaration.types import BINARY_COLLATION
from stream.errors import TransactionConflict, Trouble
from stream.mysql.connection import answers
from stream.stages.compact import TableRows
from stream.stages.upsert import EPOCH, json_keys, json_type, sent_names, with_json

DAY_MICROS = 24 * 3600 * 1_000_000
PERIODS_MAX = 100_000
"""Periods noted by one statement: each takes less than 100 bytes, and a packet has at least 16 MiB."""

NEVER_LATE = 0
"""As the moment before which dates are late."""


@dataclass(slots=True)
class Changes:
    """The changes that a transaction has to note beside its rows."""

    periods: set[tuple[str, int]] = field(default_factory=set)
    """Rollups with the periods to be summed again, counted from 1970."""
    late: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Rows that changed on late dates, by table and day, counted from 1970."""

    def __ior__(self, other: Self) -> Self:
        self.periods |= other.periods
        self.late += other.late
        return self


def late_before(look_back_days: int) -> int:
    """The moment (microseconds) before which dates are late now."""
    return (moments.now_micros() // DAY_MICROS - look_back_days) * DAY_MICROS


def note(connection: Connection, parts: Iterable[Changes]) -> None:
    """Note the changes in the caller's transaction. At its end: the rows of `late_change` are locked from here on, in
    an order that all share."""
    changes = Changes()
    for part in parts:
        changes |= part
    if changes.periods:
        periods = [(str(rollup), period) for rollup, period in sorted(changes.periods)]
        for start in range(0, len(periods), PERIODS_MAX):
            answers(connection, with_json(TOUCH, msgspec.json.encode(periods[start : start + PERIODS_MAX])))
    if changes.late:
        late = [(str(table), day, changes.late[table, day]) for table, day in sorted(changes.late)]
        answers(connection, with_json(ADD_LATE, msgspec.json.encode(late)))


TOUCH = (
    f"INSERT INTO {ROLLUP_TOUCHED.name} (rollup, period_start, touched_on) "  # noqa: S608
    f"SELECT j.rollup, {EPOCH} + INTERVAL j.period * {PERIOD_MINUTES} MINUTE, UTC_TIMESTAMP(6) "
    "FROM JSON_TABLE(%s, '$[*]' COLUMNS (rollup VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', "
    "period BIGINT PATH '$[1]')) j"
)


ADD_LATE = (
    f"INSERT INTO {LATE_CHANGE.name} (table_name, business_date, changes, first_changed_on, last_changed_on) "  # noqa: S608
    "SELECT j.table_name, DATE'1970-01-01' + INTERVAL j.day DAY, j.changes, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) "
    "FROM JSON_TABLE(%s, '$[*]' COLUMNS (table_name VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', "
    "day BIGINT PATH '$[1]', changes BIGINT PATH '$[2]')) j "
    f"ON DUPLICATE KEY UPDATE changes = {LATE_CHANGE.name}.changes + j.changes, last_changed_on = UTC_TIMESTAMP(6)"
)
"""A statement for all of them: of a list of values with a function among them the driver sends one for each date."""


def of_rows(table: Table, moments: Iterable[int], late_before: int) -> Changes:
    """The changes where rows of a table, whose business times (microseconds) these are, were removed or emptied."""
    changes = Changes()
    share = share_of(table)
    for micros in moments:
        if share is not None:
            changes.periods.add((share.rollup.name, micros // PERIOD_MICROS))
        if micros < late_before:
            changes.late[table.name, micros // DAY_MICROS] += 1
    return changes


@dataclass(slots=True)
class _LateRows:
    """Rows about to be sent, by late day, counted from 1970."""

    present: Counter[int] = field(default_factory=Counter)
    """Duplicates: the event that is sent wrote the stored row."""
    moved: Counter[int] = field(default_factory=Counter)
    """Rows that the event that is sent takes to another date."""


@dataclass(slots=True)
class Before:
    """The stored rows that an upsert is about to overwrite, locked so that nothing moves them before it."""

    table: TableRows
    moment: Column[Any]
    sent: list[int]
    """The business times of the sent rows (microseconds); one that is missing is the server's to refuse."""
    late_before: int
    rows_by_period: Mapping[int, int]
    """Stored rows by the period in which they lie."""
    late: _LateRows | None
    """None where no date is late."""
    rewritten_since: datetime | None
    """The server's moment of this look, where an event may change the row that it wrote before; else None."""

    def inserts(self, connection: Connection, counts: RowCounts) -> int:
        """The rows that sending inserted if none came between: one for each key that had no stored row, but for keys
        of erased persons alone."""
        sent = Counter(_keys(self.table))
        absent = len(sent) - sum(self.rows_by_period.values())
        if not counts.suppressed:
            return absent
        erased = [key for key, is_absent in _erased_rows(connection, self.table) if is_absent]
        return absent - sum(number == sent[key] for key, number in Counter(erased).items())


def before(connection: Connection, table: TableRows, late_before: int, *, rewrites: bool = False) -> Before | None:
    """Look at the stored rows that are about to be overwritten; None for a table without a business time."""
    moment = business_time_of(table.feed.table)
    if moment is None:
        return None
    since = connection.execute(select(func.utc_timestamp(6))).scalar_one() if rewrites else None
    are_overwritten = _are_overwritten(table.feed.table, since)
    rows_by_period = _rows_by_period(connection, table, moment) if are_overwritten else {}
    place = sent_names(table.feed.table).index(moment.name)
    sent = [row[place] for row in table.rows if row[place] is not None]
    oldest = min((*sent, *(period * PERIOD_MICROS for period in rows_by_period)), default=late_before)
    late = None
    if oldest < late_before:
        are_all_new = not rows_by_period and are_overwritten
        late = _LateRows() if are_all_new else _late_rows(connection, table, moment, late_before, since)
    return Before(table, moment, sent, late_before, rows_by_period, late, since)


def after(connection: Connection, before: Before | None, counts: RowCounts) -> Changes:
    """The changes that sending the rows made. Raises TransactionConflict where a row came between the look and the
    sending: nobody knows where it lay."""
    if before is None or not counts.inserted + counts.updated:
        return Changes()
    table = before.table.feed.table
    if _are_overwritten(table, before.rewritten_since) and counts.inserted < before.inserts(connection, counts):
        raise TransactionConflict(Trouble.ROW_CAME_BETWEEN, 0)
    changes = Changes()
    share = share_of(table)
    if share is not None:
        periods = {micros // PERIOD_MICROS for micros in before.sent}
        if counts.updated:
            periods.update(before.rows_by_period)
        changes.periods = {(share.rollup.name, period) for period in periods}
    if before.late is not None:
        # Rows on each late day whose stored version is the one just sent: where all are new, there is no need to look.
        if counts.inserted == len(before.table.rows):
            written = Counter(micros // DAY_MICROS for micros in before.sent if micros < before.late_before)
        else:
            look = before.table, before.moment, before.late_before, before.rewritten_since
            written = _late_rows(connection, *look).present
        changed = written - before.late.present + before.late.moved
        changes.late = Counter({(table.name, day): count for day, count in changed.items()})
    return changes


PRESENT = "t.event_id = UNHEX(j.event_id)"
MOVED = (
    f"({EPOCH} + INTERVAL j.event_time MICROSECOND, UNHEX(j.event_id)) {{beats}} (t.event_time, t.event_id) "
    f"AND j.moment DIV {DAY_MICROS} <> {{day}}"
)


def _rows_by_period(connection: Connection, table: TableRows, moment: Column[Any]) -> dict[int, int]:
    """Lock the stored rows, and count them by period, whether they will change or not."""
    (key,) = table.feed.table.primary_key
    key_value = json_type(key)[1].format("sent.k")
    statement = (
        f"SELECT TIMESTAMPDIFF(MINUTE, '1970-01-01', t.`{moment.name}`) DIV {PERIOD_MINUTES} AS period, COUNT(*) "  # noqa: S608
        # The keys are a query of their own, for MySQL refuses to lock what JSON_TABLE makes.
        f"FROM (SELECT j.k FROM {json_keys(key)}) sent "
        f"STRAIGHT_JOIN `{table.feed.table.name}` t ON t.`{key.name}` = {key_value} "
        "GROUP BY period FOR UPDATE"
    )
    keys = msgspec.json.encode(list(dict.fromkeys(_keys(table))))
    return dict(answers(connection, with_json(statement, keys)))


def _keys(table: TableRows) -> list[Any]:
    """The keys of the sent rows."""
    (key,) = table.feed.table.primary_key
    return list(map(itemgetter(sent_names(table.feed.table).index(key.name)), table.rows))


def _erased_rows(connection: Connection, table: TableRows) -> Sequence[tuple[Any, int]]:
    """The keys of the sent rows that are left out for an erased person, each with whether no row is stored under it."""
    (key,) = table.feed.table.primary_key
    key_type, key_expression = json_type(key)
    persons = [person for person in persons_of(table.feed.table) if person.on_erasure is OnErasure.DELETE_ROW]
    numbers = range(len(persons))
    unpacked = "".join(f", p{number} VARCHAR(256) CHARACTER SET utf8mb4 PATH '$[{number + 1}]'" for number in numbers)
    is_erased = " OR ".join(
        f"EXISTS (SELECT 1 FROM `{ERASURE.name}` e WHERE e.person_kind = '{persons[number].kind}' "  # noqa: S608
        f"AND e.person_id = j.p{number} COLLATE {BINARY_COLLATION})"
        for number in numbers
    )
    statement = (
        f"SELECT j.k, t.`{key.name}` IS NULL "  # noqa: S608
        f"FROM JSON_TABLE(%s, '$[*]' COLUMNS (k {key_type} PATH '$[0]'{unpacked})) j "
        f"LEFT JOIN `{table.feed.table.name}` t ON t.`{key.name}` = {key_expression.format('j.k')} WHERE {is_erased}"
    )
    names = [key.name, *(person.column for person in persons)]
    places = [sent_names(table.feed.table).index(name) for name in names]
    told = [[row[place] for place in places] for row in table.rows]
    return answers(connection, with_json(statement, msgspec.json.encode(told)))


def _late_rows(
    connection: Connection, table: TableRows, moment: Column[Any], late_before: int, since: datetime | None
) -> _LateRows:
    """Count the sent rows whose stored row lies on a late day. Where an event may change the row that it wrote before,
    `since` tells apart what it wrote now."""
    (key,) = table.feed.table.primary_key
    key_type, key_expression = json_type(key)
    day = f"TIMESTAMPDIFF(DAY, '1970-01-01', t.`{moment.name}`)"
    moved = MOVED.format(day=day, beats=">" if since is None else ">=")
    present = PRESENT if since is None else f"({PRESENT} AND t.loaded_on >= TIMESTAMP'{since}')"
    statement = (
        f"SELECT {day} AS day, SUM({present}), SUM({moved}) "  # noqa: S608
        f"FROM JSON_TABLE(%s, '$[*]' COLUMNS (k {key_type} PATH '$[0]', "
        "event_time BIGINT PATH '$[1]', event_id CHAR(32) CHARACTER SET ascii PATH '$[2]', "
        "moment BIGINT PATH '$[3]')) j "
        f"STRAIGHT_JOIN `{table.feed.table.name}` t ON t.`{key.name}` = {key_expression.format('j.k')} "
        f"WHERE t.`{moment.name}` < {EPOCH} + INTERVAL {late_before} MICROSECOND AND ({present} OR {moved}) "
        "GROUP BY day"
    )
    names = sent_names(table.feed.table)
    places = [names.index(name) for name in (key.name, "event_time", "event_id", moment.name)]
    sent = msgspec.json.encode(list(map(itemgetter(*places), table.rows)))
    days = answers(connection, with_json(statement, sent))
    return _LateRows(
        present=Counter({day: int(present) for day, present, _ in days}),
        moved=Counter({day: int(moved) for day, _, moved in days}),
    )


def _are_overwritten(table: Table, rewritten_since: datetime | None) -> bool:
    """Whether rows are ever overwritten. Where each event is a row, only by the event itself."""
    return rewritten_since is not None or "event_id" not in table.primary_key.columns
