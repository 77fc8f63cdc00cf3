"""The look at the rows that are stored under the keys of rows to be sent, which locks them.

It tells which rows are new, which are there already, and where the others lie that are about to be overwritten. What is
stored under none of the keys can't be locked; a row that comes between is noticed by the counts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table

from stream.declaration.rollups import PERIOD_MINUTES
from stream.declaration.tables import business_time_of
from stream.mysql.connection import answers
from stream.stages.values import OR_ERROR, STORED_VERSION, json_type, with_json


class Stored(NamedTuple):
    """A stored row."""

    version: tuple[int, str]
    """As in rows that are sent."""
    period: int
    """The quarter of an hour, counted from 1970, of its business time; 0 where it has none."""
    loaded_on: int
    """The moment at which it was last written (microseconds)."""


def look(connection: Connection, table: Table, keys: Sequence[Any]) -> dict[int, Stored]:
    """The rows that are stored under keys, by the key's place; locked."""
    ((count, told),) = answers(connection, look_statement(table, keys))
    stored = {}
    for each in told.split(",") if told else ():
        number, event_time, event_id, period, loaded_on = each.split(" ")
        stored[int(number) - 1] = Stored((int(event_time), event_id), int(period), int(loaded_on))
    if len(stored) != count:
        raise AssertionError("the server cut its answer to a look")
    return stored


def look_statement(table: Table, keys: Sequence[Any]) -> bytes:
    """Locks the rows under these keys and tells of each, by the place of its key; in one text, for rows cost the driver
    ten times as much."""
    columns = list(enumerate(table.primary_key))
    paths = ["$"] if len(columns) == 1 else [f"$[{place}]" for place, _ in columns]
    unpacked = ", ".join(
        f"k{place} {json_type(column)[0]} PATH '{path}' {OR_ERROR}"
        for (place, column), path in zip(columns, paths, strict=True)
    )
    is_its = " AND ".join(f"t.`{key.name}` = {json_type(key)[1].format(f'sent.k{place}')}" for place, key in columns)
    moment = business_time_of(table)
    period = "0" if moment is None else f"TIMESTAMPDIFF(MINUTE, '1970-01-01', t.`{moment.name}`) DIV {PERIOD_MINUTES}"
    statement = (
        f"SELECT COUNT(*), GROUP_CONCAT(CONCAT_WS(' ', sent.number, {', '.join(STORED_VERSION)}, "  # noqa: S608
        f"{period}, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', t.loaded_on))) "
        # The keys are a query of their own, for MySQL refuses to lock what JSON_TABLE makes.
        f"FROM (SELECT * FROM JSON_TABLE(%s, '$[*]' COLUMNS (number FOR ORDINALITY, {unpacked})) j) sent "
        f"STRAIGHT_JOIN `{table.name}` t FORCE INDEX (PRIMARY) ON {is_its} FOR UPDATE"
    )
    return with_json(statement, msgspec.json.encode(keys))
