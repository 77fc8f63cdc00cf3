"""Rows → `LOAD DATA`, for rows that are new: the statement, and the lines that follow it.

    LOAD DATA LOCAL INFILE '' INTO TABLE t … LINES STARTING BY '[' TERMINATED BY ']\\n' (id, @c1, …) SET c1 = …(@c1), …

A line is a row's JSON: its commas, quotes and escapes are such as `LOAD DATA` can be told to read. The server takes it
apart for half of what JSON_TABLE and the guard cost it. Where its escapes differ from JSON's there are no lines.
"""

from collections.abc import Sequence
from functools import cache

import msgspec
from sqlalchemy import Table
from sqlalchemy.dialects import mysql

from stream.stages.compact import Row
from stream.stages.values import sent_names, stored_values

UNREADABLE = (b"\\u", b"\\f")
"""JSON's escapes that `LOAD DATA` reads otherwise."""

_ENCODER = msgspec.json.Encoder()


def lines_of(rows: Sequence[Row]) -> bytes | None:
    """The rows as lines; None where the server would read them otherwise than as JSON."""
    lines = _ENCODER.encode_lines(rows)
    nulls = sum(row.count(None) for row in rows)
    if nulls:
        # NULL is the one word that stands for no value. A text may hold what looks like one.
        if lines.count(b",null") != nulls:
            return None
        lines = lines.replace(b",null", b",NULL")
    return None if any(escape in lines for escape in UNREADABLE) else lines


@cache
def load_statement(table: Table) -> bytes:
    """The statement that loads lines into a table; LOCAL, so a row that doesn't fit is passed over with a warning.
    Values that need an expression go through variables."""
    values = {name: _as_flag(table, name, value) for name, value in stored_values(table, _variable).items()}
    fields = []
    for place, name in enumerate(sent_names(table)):
        is_plain = values.get(name) == _variable(place)
        fields.append(f"`{name}`" if is_plain else _variable(place))
        if is_plain:
            del values[name]
    # Every name in the text is one that we declare.
    statement = (
        f"LOAD DATA LOCAL INFILE '' INTO TABLE `{table.name}` CHARACTER SET utf8mb4 "
        r"FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '\\' "
        rf"LINES STARTING BY '[' TERMINATED BY ']\n' ({', '.join(fields)}) "
        f"SET {', '.join(f'`{name}` = {value}' for name, value in values.items())}"
    )
    return statement.encode()


def _variable(place: int) -> str:
    return f"@c{place}"


def _as_flag(table: Table, name: str, value: str) -> str:
    """JSON's true and false are words to `LOAD DATA`."""
    kind = table.c[name].type
    return f"{value} = 'true'" if isinstance(kind, mysql.TINYINT) and kind.display_width == 1 else value
