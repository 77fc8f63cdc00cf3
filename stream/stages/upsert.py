"""Rows → one guarded upsert per table: the statement, its parameters, and the reading of its reply.

All rows travel as one JSON parameter, unpacked by JSON_TABLE in the server: that costs the client less than a
tenth of what a driver's `executemany` does. The statement is generated from the same `Table` that migrations use.

    INSERT INTO t (…) SELECT new.… FROM (
        SELECT … FROM JSON_TABLE(:rows, '$[*]' COLUMNS (…)) j
        LEFT JOIN erasure e ON e.person_kind = … AND e.person_id = j.person
        WHERE e.person_id IS NULL OR <the event occurred after> e.returned_on
    ) new
    ON DUPLICATE KEY UPDATE c = IF(<new is newer>, new.c, t.c), …, event_id = …, event_time = …

Assignments run from left to right, so the version columns, which decide whether a row is newer, come last. A column
that only events that name it change has a version of its own, and goes by that.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Column, Table
from sqlalchemy.dialects import mysql

from stream.counts import RowCounts
from stream.declaration.persons import RETURNING_KINDS, OnErasure, PersonColumn
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import (
    LINEAGE_COLUMNS,
    VERSION_COLUMNS,
    guards_of,
    named_columns,
    other_unique_columns,
    owner_of,
    persons_of,
    unstored_of,
    written_columns,
)
from stream.declaration.types import BINARY_COLLATION, TEXT_LENGTH_MAX
from stream.stages.compact import Row

JSON_BYTES_MAX = 4 * 1024 * 1024
"""The most that one statement carries, unless a single row is larger: a quarter of the smallest default
`max_allowed_packet` (MariaDB's 16 MiB), for escaping may double it."""

EPOCH = "TIMESTAMP'1970-01-01 00:00:00.000000'"

OR_ERROR = "ERROR ON EMPTY ERROR ON ERROR"
"""For each column of JSON_TABLE: by default a value that doesn't fit, or is missing, silently becomes NULL."""

REFUSE = "(SELECT 1 UNION ALL SELECT 2)"
"""A number that there isn't: the server refuses the statement (errno 1242) once it is to be assigned, for the row that
was met is another's: it is met by a second unique column, or its owner is another."""

REPLY = re.compile(rb"Records: (\d+)  Duplicates: (\d+)")


def row_counts(sent: int, reply: bytes, affected: int) -> RowCounts:
    """Read the server's reply to the upsert, on a connection without CLIENT_FOUND_ROWS. An insert counts 1 in
    `affected`, an update 2, an unchanged row 0; `Records` leaves out suppressed rows and `Duplicates` counts the
    updates. Raises ValueError where the reply is not of that form."""
    match = REPLY.search(reply)
    if match is None:
        raise ValueError("the server's reply to an upsert has another form than expected")
    records, updated = int(match[1]), int(match[2])
    inserted = affected - 2 * updated
    return RowCounts(sent, inserted, updated, records - inserted - updated, sent - records)


def encoded(rows: Sequence[Row]) -> Iterator[tuple[bytes, int]]:
    """The rows as JSON of bounded size, each with how many rows it holds."""
    rows_json = msgspec.json.encode(rows)
    if len(rows_json) <= JSON_BYTES_MAX or len(rows) == 1:
        yield rows_json, len(rows)
    else:
        middle = len(rows) // 2
        yield from encoded(rows[:middle])
        yield from encoded(rows[middle:])


def upsert_statement(table: Table, partition: int, rows_json: bytes, *, rewrites: bool = False) -> bytes:
    """The guarded upsert of a table, ready to be sent. Where it `rewrites`, an equal version wins as well."""
    return with_json(_template(table, rewrites).replace("\0", str(int(partition))), rows_json)


def with_json(statement: str, json: bytes) -> bytes:
    """The statement with JSON in the place of its `%s`: a literal, in which the quote and the backslash are escaped.
    Done here and not by the driver, whose escaping of every quotation mark costs as much as decoding does. JSON has no
    control characters. It relies on `connection.SQL_MODE`, which is without NO_BACKSLASH_ESCAPES."""
    before, behind = statement.encode().split(b"%s")
    return b"".join((before, b"'", json.replace(b"\\", b"\\\\").replace(b"'", b"\\'"), b"'", behind))


def claimants_statement(table: Table, rows: Sequence[Row]) -> bytes:
    """Reads the places of those of these rows that claim the value of another unique column that another row has, each
    with that row's version."""
    (key,) = table.primary_key
    names = [key.name, *other_unique_columns(table)]
    places = [sent_names(table).index(name) for name in names]
    unpacked = ", ".join(
        f"c{place} {json_type(table.c[name])[0]} PATH '$[{place + 1}]'" for place, name in enumerate(names)
    )
    claims = " OR ".join(
        f"t.`{name}` = {json_type(table.c[name])[1].format(f'j.c{place}')}" for place, name in enumerate(names) if place
    )
    statement = (
        f"SELECT j.place, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', t.event_time), LOWER(HEX(t.event_id)) "  # noqa: S608
        f"FROM JSON_TABLE(%s, '$[*]' COLUMNS (place INT PATH '$[0]', {unpacked})) j "
        f"JOIN `{table.name}` t ON {claims} WHERE t.`{key.name}` <> j.c0"
    )
    claimed = [(number, *(row[place] for place in places)) for number, row in enumerate(rows)]
    return with_json(statement, msgspec.json.encode(claimed))


def version_in(table: Table, row: Row) -> tuple[int, str]:
    """The version that a row carries."""
    names = sent_names(table)
    return row[names.index("event_time")], row[names.index("event_id")]


def outdated_members_statement(members: Table, parents: Sequence[Row]) -> bytes:
    """Deletes the members of a set that belong to another version of these rows of their parents' table."""
    (reference,) = members.foreign_keys
    key, link = reference.column, reference.parent
    statement = (
        f"DELETE m FROM {json_keys(key)} JOIN `{key.table.name}` p ON p.`{key.name}` = j.k "
        f"JOIN `{members.name}` m ON m.`{link.name}` = p.`{key.name}` "
        "WHERE (m.event_time, m.event_id) <> (p.event_time, p.event_id)"
    )
    return with_json(statement, keys_of(key.table, parents))


def members_statement(members: Table, parents: Sequence[Row]) -> bytes:
    """Reads the keys of the members that belong to the very versions of these rows of their parents' table."""
    (reference,) = members.foreign_keys
    key, link = reference.column, reference.parent
    names = sent_names(key.table)
    key_columns = ", ".join(f"m.`{column.name}`" for column in members.primary_key)
    statement = (
        f"SELECT {key_columns} FROM JSON_TABLE(%s, '$[*]' COLUMNS (k {json_type(key)[0]} PATH '$[0]', "  # noqa: S608
        "event_id CHAR(32) CHARACTER SET ascii PATH '$[1]')) j "
        f"JOIN `{members.name}` m ON m.`{link.name}` = j.k AND m.event_id = UNHEX(j.event_id)"
    )
    places = names.index(key.name), names.index("event_id")
    return with_json(statement, msgspec.json.encode(list(map(itemgetter(*places), parents))))


def removed_members_statement(members: Table, keys: Iterable[Sequence[Any]]) -> bytes:
    """Deletes members by their keys."""
    columns = list(enumerate(members.primary_key))
    unpacked = ", ".join(f"k{place} {json_type(column)[0]} PATH '$[{place}]'" for place, column in columns)
    is_its = " AND ".join(f"m.`{column.name}` = j.k{place}" for place, column in columns)
    statement = f"DELETE m FROM JSON_TABLE(%s, '$[*]' COLUMNS ({unpacked})) j JOIN `{members.name}` m ON {is_its}"
    return with_json(statement, msgspec.json.encode(list(keys)))


def keys_of(table: Table, rows: Sequence[Row]) -> bytes:
    """The keys of rows of a table whose key is one column, as JSON."""
    (key,) = table.primary_key
    position = sent_names(table).index(key.name)
    return msgspec.json.encode([row[position] for row in rows])


def json_keys(key: Column[Any]) -> str:
    """A table `j` with a column `k`, of keys in a JSON list that takes the place of `%s`."""
    return f"JSON_TABLE(%s, '$[*]' COLUMNS (k {json_type(key)[0]} PATH '$' {OR_ERROR})) j"


@cache
def _template(table: Table, rewrites: bool) -> str:
    """The statement, with a NUL for the partition's number and `%s` for the rows. In JSON_TABLE columns are `c0`, `c1`
    and so on, and ids of persons as text `p0`, `p1`, whom the joins find among the erased as `e0`, `e1`."""
    position_of = {name: position for position, name in enumerate(sent_names(table))}
    persons = list(enumerate(person for person in persons_of(table) if person.is_joined))
    unpacked, joins, values = [], [], {}
    for name, position in position_of.items():
        if name in table.c:
            kind, expression = json_type(table.c[name])
            unpacked.append(f"c{position} {kind} PATH '$[{position}]' {OR_ERROR}")
            values[name] = expression.format(f"j.c{position}")
    occurred = values["event_time"]
    unstored = {}
    if (owner := owner_of(table)) is not None:
        place = f"PATH '$[{position_of[owner[1]]}]'"
        unpacked.append(f"o VARCHAR({TEXT_LENGTH_MAX}) CHARACTER SET utf8mb4 {place} {OR_ERROR}")
        unstored[owner[1]] = "j.o"
    for number, person in persons:
        place = f"PATH '$[{position_of[person.column]}]'"
        unpacked.append(f"p{number} VARCHAR(256) CHARACTER SET utf8mb4 {place} {OR_ERROR}")
        joins.append(
            f"LEFT JOIN `{ERASURE.name}` e{number} ON e{number}.person_kind = '{person.kind}' "
            f"AND e{number}.person_id = j.p{number} COLLATE {BINARY_COLLATION}"
        )
    for name, version in named_columns(table).items():
        values[version] = _version_of_named(values[name], *(f"j.c{position_of[part]}" for part in VERSION_COLUMNS))
        values[name] = f"COALESCE({values[name]}, '{table.c[name].info['otherwise']}')"
    for name, value in values.items():
        spared = _not_erased(occurred, [(number, person) for number, person in persons if name in person.emptied])
        values[name] = f"IF({spared}, {value}, NULL)" if spared else value
    names = [*values, "modified_on", "kafka_partition", "loaded_on"]
    # Every name in the text is one that we declare; values travel as parameters.
    return f"""
INSERT INTO `{table.name}` ({", ".join(f"`{name}`" for name in names)})
SELECT {", ".join(f"new.`{name}`" for name in names)} FROM (
  SELECT {", ".join(f"{value} AS `{name}`" for name, value in (values | unstored).items())},
    {occurred} AS `modified_on`, \0 AS `kafka_partition`, UTC_TIMESTAMP(6) AS `loaded_on`
  FROM JSON_TABLE(%s, '$[*]' COLUMNS (
    {", ".join(unpacked)}
  )) j
  {" ".join(joins)}
  WHERE {_not_erased(occurred, [each for each in persons if each[1].on_erasure is OnErasure.DELETE_ROW]) or "TRUE"}
) new
ON DUPLICATE KEY UPDATE {", ".join(_assignments(table, rewrites))}""".strip()  # noqa: S608


def sent_names(table: Table) -> list[str]:
    """The names of the rows' values, in their order: columns, and what no column keeps."""
    shared = (*VERSION_COLUMNS, *LINEAGE_COLUMNS, "modified_on")
    own = [column.name for column in written_columns(table) if column.name not in shared]
    return [*own, *unstored_of(table), "event_time", "event_id", "kafka_offset"]


def _version_of_named(value: str, micros: str, event_id: str) -> str:
    """The version of a value that an event may name; the least of all where it doesn't."""
    return f"UNHEX(IF({value} IS NULL, REPEAT('0', 48), CONCAT(LPAD(HEX({micros}), 16, '0'), {event_id})))"


def _not_erased(occurred: str, persons: Iterable[tuple[int, PersonColumn]]) -> str:
    """The condition that none of these persons is erased, or was before they came back, as of when the event occurred;
    empty where there are none."""
    return " AND ".join(
        f"(e{number}.person_id IS NULL OR {occurred} > e{number}.returned_on)"
        if person.kind in RETURNING_KINDS
        else f"e{number}.person_id IS NULL"
        for number, person in persons
    )


def _assignments(table: Table, rewrites: bool) -> list[str]:
    stored = f"`{table.name}`"
    key = list(table.primary_key.columns.keys())
    taken_where: dict[str, str] = {}
    changes = []
    for version, columns in guards_of(table):
        wins = f"{_values('new', version)} {'>=' if rewrites else '>'} {_values(stored, version)}"
        taken_where |= dict.fromkeys(columns, wins)
        # An equal version that brings nothing new is no change: where the row came from stays, too.
        changes.append(f"{wins} AND NOT ({_is_same(table, (*columns, *version))})" if rewrites else wins)
    origin = {"kafka_partition": changes[0], "kafka_offset": changes[0], "loaded_on": " OR ".join(changes)}
    # The origin first: it compares with what the columns were.
    taken_where = {**origin, **taken_where, "event_id": taken_where["modified_on"]}
    taken = {name: f"IF({where}, new.`{name}`, {stored}.`{name}`)" for name, where in taken_where.items()}
    is_own = f"{_values('new', key)} = {_values(stored, key)}"
    if (owner := owner_of(table)) is not None:
        is_itself = f"{_values('new', VERSION_COLUMNS)} = {_values(stored, VERSION_COLUMNS)}"
        is_own += f" AND (FIND_IN_SET({stored}.`{owner[0]}`, new.`{owner[1]}`) OR {is_itself})"
    taken["kafka_partition"] = f"IF({is_own}, {taken['kafka_partition']}, {REFUSE})"
    # The guard has no say any more once event_id is assigned: the greater moment it is, of the same entity.
    versions = [*named_columns(table).values(), "event_time"]
    greater = {name: f"GREATEST(new.`{name}`, {stored}.`{name}`)" for name in versions}
    return [f"`{name}` = {value}" for name, value in (taken | greater).items() if name not in key]


def _is_same(table: Table, names: Iterable[str]) -> str:
    """The condition that columns are as stored, byte by byte: collations take many a text for another."""
    sides = "CAST({}.`{}` AS BINARY)", "{}.`{}`"
    comparisons = []
    for name in names:
        side = sides[0] if isinstance(table.c[name].type, (mysql.VARCHAR, mysql.TEXT)) else sides[1]
        comparisons.append(f"{side.format('new', name)} <=> {side.format(f'`{table.name}`', name)}")
    return " AND ".join(comparisons)


def _values(side: str, names: Iterable[str]) -> str:
    return f"({', '.join(f'{side}.`{name}`' for name in names)})"


@cache
def json_type(column: Column[Any]) -> tuple[str, str]:
    """The type that JSON_TABLE gives a column, and the expression around it."""
    kind = column.type
    if isinstance(kind, mysql.DATETIME):  # microseconds since 1970: formatting them in Python would cost more
        return "BIGINT", f"{EPOCH} + INTERVAL {{}} MICROSECOND"
    if isinstance(kind, mysql.BINARY):  # hex digits: JSON has no bytes
        return f"CHAR({2 * (kind.length or 0)}) CHARACTER SET ascii", "UNHEX({})"
    if isinstance(kind, mysql.VARCHAR):
        return f"VARCHAR({kind.length}) CHARACTER SET utf8mb4", "{}"
    if isinstance(kind, mysql.TINYINT):  # without the width that flags have: MySQL warns of it, and a warning refuses
        return "TINYINT UNSIGNED" if kind.unsigned else "TINYINT", "{}"
    if isinstance(kind, mysql.TEXT):
        return f"VARCHAR({TEXT_LENGTH_MAX}) CHARACTER SET utf8mb4", "{}"
    return str(kind.compile(dialect=mysql.dialect())), "{}"
