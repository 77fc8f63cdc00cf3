"""The values of a row on their way to the server: their names and order, their types, and the columns that they become.

Rows travel as JSON, which costs the client less than a tenth of what a driver's `executemany` does.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Column, Table
from sqlalchemy.dialects import mysql

from stream.declaration.tables import LINEAGE_COLUMNS, VERSION_COLUMNS, named_columns, unstored_of, written_columns
from stream.declaration.types import TEXT_LENGTH_MAX
from stream.stages.compact import Row

JSON_BYTES_MAX = 4 * 1024 * 1024
"""The most that one statement carries, unless a single row is larger: a quarter of the smallest default
`max_allowed_packet` (MariaDB's 16 MiB), for escaping may double it."""

EPOCH = "TIMESTAMP'1970-01-01 00:00:00.000000'"

OR_ERROR = "ERROR ON EMPTY ERROR ON ERROR"
"""For each column of JSON_TABLE: by default a value that doesn't fit, or is missing, silently becomes NULL."""

STORED_VERSION = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', t.event_time)", "LOWER(HEX(t.event_id))"
"""The version of a stored row `t`, as rows carry it."""


def sent_names(table: Table) -> list[str]:
    """The names of the rows' values, in their order: columns, and what no column keeps."""
    shared = (*VERSION_COLUMNS, *LINEAGE_COLUMNS, "modified_on")
    own = [column.name for column in written_columns(table) if column.name not in shared]
    return [*own, *unstored_of(table), "event_time", "event_id", "kafka_offset", "kafka_partition"]


@cache
def places_of(table: Table, *names: str) -> tuple[int, ...]:
    """The places of values in a table's rows."""
    sent = sent_names(table)
    return tuple(sent.index(name) for name in names)


def keys_of(table: Table, rows: Sequence[Row]) -> list[Any]:
    """The keys of rows: values, or tuples of them where the key is several columns."""
    return list(map(itemgetter(*places_of(table, *(key.name for key in table.primary_key))), rows))


def version_in(table: Table, row: Row) -> tuple[int, str]:
    """The version that a row carries."""
    event_time, event_id = places_of(table, *VERSION_COLUMNS)
    return row[event_time], row[event_id]


@cache
def stored_values(table: Table, spelled: Callable[[int], str]) -> dict[str, str]:
    """By column the expression of what is stored there, made of the row's values as `spelled` by their places."""
    values = {
        name: json_type(table.c[name])[1].format(spelled(place))
        for place, name in enumerate(sent_names(table))
        if name in table.c
    }
    micros, event_id = (spelled(place) for place in places_of(table, *VERSION_COLUMNS))
    for name, version in named_columns(table).items():
        values[version] = _version_of_named(values[name], micros, event_id)
        values[name] = f"COALESCE({values[name]}, '{table.c[name].info['otherwise']}')"
    made = {"modified_on": values["event_time"], "loaded_on": "UTC_TIMESTAMP(6)"}
    return values | made


def _version_of_named(value: str, micros: str, event_id: str) -> str:
    """The version of a value that an event may name; the least of all where it doesn't."""
    moment = f"LPAD(HEX(CAST({micros} AS UNSIGNED)), 16, '0')"  # of a text, HEX would give the characters
    return f"UNHEX(IF({value} IS NULL, REPEAT('0', 48), CONCAT({moment}, {event_id})))"


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


def with_json(statement: str, json: bytes) -> bytes:
    """The statement with JSON in the place of its `%s`: a literal, in which the quote and the backslash are escaped.
    Done here and not by the driver, whose escaping of every quotation mark costs as much as decoding does. JSON has no
    control characters. It relies on `connection.SQL_MODE`, which is without NO_BACKSLASH_ESCAPES."""
    before, behind = statement.encode().split(b"%s")
    return b"".join((before, b"'", json.replace(b"\\", b"\\\\").replace(b"'", b"\\'"), b"'", behind))


def json_keys(key: Column[Any]) -> str:
    """A table `j` with a column `k`, of keys in a JSON list that takes the place of `%s`."""
    return f"JSON_TABLE(%s, '$[*]' COLUMNS (k {json_type(key)[0]} PATH '$' {OR_ERROR})) j"


def encoded(rows: Sequence[Row]) -> Iterator[tuple[bytes, int]]:
    """The rows as JSON of bounded size, each with how many rows it holds."""
    rows_json = msgspec.json.encode(rows)
    if len(rows_json) <= JSON_BYTES_MAX or len(rows) == 1:
        yield rows_json, len(rows)
    else:
        middle = len(rows) // 2
        yield from encoded(rows[:middle])
        yield from encoded(rows[middle:])
