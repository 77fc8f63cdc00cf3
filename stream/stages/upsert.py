"""Rows → one guarded upsert per table: the statement, its parameters, and the reading of its reply.

All rows travel as one JSON parameter, unpacked by JSON_TABLE in the server. The statement is generated from the same
`Table` that migrations use.

    INSERT INTO t (…) SELECT new.… FROM (SELECT … FROM JSON_TABLE(:rows, '$[*]' COLUMNS (…)) j) new
    ON DUPLICATE KEY UPDATE c = IF(<new is newer>, new.c, t.c), …, event_id = …, event_time = …

Assignments run from left to right, so the version columns, which decide whether a row is newer, come last. A column
that only events that name it change has a version of its own, and goes by that.
"""

import re
from collections.abc import Iterable
from functools import cache

from sqlalchemy import Table
from sqlalchemy.dialects import mysql

from stream.counts import RowCounts
from stream.declaration.tables import VERSION_COLUMNS, guards_of, named_columns, owner_of
from stream.declaration.types import TEXT_LENGTH_MAX
from stream.stages.values import OR_ERROR, json_type, places_of, sent_names, stored_values, with_json

REFUSE = "(SELECT 1 UNION ALL SELECT 2)"
"""A number that there isn't: the server refuses the statement (errno 1242) once it is to be assigned, for the row that
was met is another's: it is met by a second unique column, or its owner is another."""

REPLY = re.compile(rb"Records: (\d+)  Duplicates: (\d+)")


def row_counts(sent: int, reply: bytes, affected: int) -> RowCounts:
    """Read the server's reply to the upsert, on a connection without CLIENT_FOUND_ROWS. An insert counts 1 in
    `affected`, an update 2, an unchanged row 0; `Records` counts all, and `Duplicates` the updates. Raises ValueError
    where the reply is not of that form."""
    match = REPLY.search(reply)
    if match is None or int(match[1]) != sent:
        raise ValueError("the server's reply to an upsert has another form than expected")
    updated = int(match[2])
    inserted = affected - 2 * updated
    return RowCounts(sent, inserted, updated, sent - inserted - updated)


def upsert_statement(table: Table, rows_json: bytes, *, rewrites: bool = False) -> bytes:
    """The guarded upsert of a table, ready to be sent. Where it `rewrites`, an equal version wins as well."""
    return with_json(_template(table, rewrites), rows_json)


@cache
def _template(table: Table, rewrites: bool) -> str:
    """The statement, with `%s` for the rows. In JSON_TABLE columns are `c0`, `c1` and so on, by their places."""
    unpacked = [
        f"c{place} {json_type(table.c[name])[0]} PATH '$[{place}]' {OR_ERROR}"
        for place, name in enumerate(sent_names(table))
        if name in table.c
    ]
    values = stored_values(table, _unpacked_in_j)
    unstored = {}
    if (owner := owner_of(table)) is not None:
        (place,) = places_of(table, owner[1])
        unpacked.append(f"c{place} VARCHAR({TEXT_LENGTH_MAX}) CHARACTER SET utf8mb4 PATH '$[{place}]' {OR_ERROR}")
        unstored[owner[1]] = _unpacked_in_j(place)
    # Every name in the text is one that we declare; values travel as parameters.
    return f"""
INSERT INTO `{table.name}` ({", ".join(f"`{name}`" for name in values)})
SELECT {", ".join(f"new.`{name}`" for name in values)} FROM (
  SELECT {", ".join(f"{value} AS `{name}`" for name, value in (values | unstored).items())}
  FROM JSON_TABLE(%s, '$[*]' COLUMNS (
    {", ".join(unpacked)}
  )) j
) new
ON DUPLICATE KEY UPDATE {", ".join(_assignments(table, rewrites))}""".strip()  # noqa: S608


def _unpacked_in_j(place: int) -> str:
    return f"j.c{place}"


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
