"""A year of made-up rows in every table that reports read, which the server makes by itself: events would take minutes.

Users have registered all through the year and do something from then on; the busiest tenth does a fifth of it all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Table, text

from bench.workload import Tell
from stream import moments
from stream.catalog import METADATA, ROLLUPS
from stream.declaration.tables import written_columns
from stream.mysql import rollups

YEAR = timedelta(days=365)

PART_ROWS = 100_000
"""Rows of a statement, and so of a transaction."""

CAMPAIGNS = 50
FIRST_TELEGRAM_ID = 5_000_000_000


def fill(database: Engine, rows: int, tell: Tell) -> None:
    """Fill empty tables, then sum their rollups and have the server look at what it has got.

    `rows` is what the largest ledgers get, and `total_rows` what is told in the end.
    """
    done = 0
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name, (count, values) in _tables(rows).items():
            _fill(connection, METADATA.tables[name], values, count, rows // ROWS_A_USER)
            tell(done := done + count)
        for rollup in ROLLUPS.values():
            _sum(connection, rollup)
        for name in [*_tables(rows), *ROLLUPS]:
            connection.execute(text(f"ANALYZE TABLE {name}")).all()


def total_rows(rows: int) -> int:
    """The number of rows that `fill` makes."""
    return sum(count for count, _ in _tables(rows).values())


# --- SQL for values, of the row's number `n` and of the user `who` it is about


def _chance(salt: str, of: str = "n") -> str:
    """A number from 0 to below 1, always the same for the same row. With a checksum two salts would give similar
    numbers."""
    return f"CONV(LEFT(SHA2(CONCAT('{salt}', {of}), 256), 8), 16, 10) / 4294967296"


def _number(salt: str, count: int) -> str:
    return f"1 + FLOOR({count} * {_chance(salt)})"


def _one_of(salt: str, *choices: str) -> str:
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return f"ELT({_number(salt, len(choices))}, {listed})"


def _age(user: str) -> str:
    """Seconds since the user registered."""
    return f"{YEAR.total_seconds():.0f} * {_chance('age', user)}"


REGISTERED = f"UTC_TIMESTAMP() - INTERVAL FLOOR({_age('n')}) SECOND"
ACTED = f"UTC_TIMESTAMP() - INTERVAL FLOOR({_chance('moment')} * {_age('who')}) SECOND"
"""A moment since the user registered."""

MODE = _one_of("mode", "driving", "transit", "walking")
NAME = _one_of("name", "ann", "Anna", "bob", "Chloe", "dmitri", "eva", "farid")
COURSE = _one_of("course", "3rd_stream", "4th_stream", "5th_stream")
AMOUNT = f"ROUND(100 * {_chance('amount')} - 20, 2)"
"""An amount; a fifth of the amounts is below 0."""

ROWS_A_USER = 20
"""Rows of a user in the largest ledgers, in the mean."""
TIMES_SMALLER = 5
"""The ratio of the largest ledgers to those of money."""

OF_APP = {"id": "n", "user_id": "who"}
OF_BOT = {"id": "n", "user_id": f"{FIRST_TELEGRAM_ID} + who", "created_on": ACTED}
TRIP = {"user_id": "who", "travel_mode": MODE, "started_on": ACTED, "distance": f"20000 * {_chance('distance')}"}
CAMPAIGN = {"id": "n", "ap_campaign_id": "n", "name": "CONCAT('campaign ', n)", "tokens": "100000"}
TOKENS = {"tokens": AMOUNT, "campaign_id": _number("campaign", CAMPAIGNS), "issued_on": ACTED}
WAY = {
    "o_id": _number("origin", 40),
    "d_id": _number("destination", 40),
    "travel_mode": MODE,
    "probability_driving": _chance("driving"),
    "probability_transit": _chance("transit"),
}
PARTICIPANT = {"hash_id": "SHA2(n, 256)", "study_id": _one_of("study", "bike", "bus"), "created_on": REGISTERED}
LEARNER = {"user_id": f"{FIRST_TELEGRAM_ID} + n", "username": f"CONCAT({NAME}, n)", "first_name": NAME}


def _tables(rows: int) -> Mapping[str, tuple[int, Mapping[str, str]]]:
    """The number of rows of each table, and SQL for the values of their columns."""
    users, small = rows // ROWS_A_USER, rows // TIMES_SMALLER
    return {
        "auth_user": (users, {"id": "n", "first_name": NAME, "created_on": REGISTERED}),
        "hntb_bytemark_pass": (rows, {"bytemark_pass_id": "n", "user_id": "who", "logged_on": ACTED}),
        "trip": (rows, {"id": "n", **TRIP}),
        "hntb_trip": (rows, {"trip_id": "n", **TRIP}),
        "points_transaction": (small, {**OF_APP, "points": AMOUNT, "created_on": ACTED}),
        "token_transaction": (small, {**OF_APP, **TOKENS}),
        "bytemark_order_payments": (small, {**OF_APP, "total_price": AMOUNT, "created_on": ACTED}),
        "campaign": (CAMPAIGNS, CAMPAIGN),
        "cm_activity_location": (small, {**OF_APP, **WAY}),
        "hntb_target_user": (users, {"id": "n", **PARTICIPANT}),
        "telegram_user": (rows, LEARNER),
        "bookings": (users, {**OF_BOT, "course_stream": COURSE, "confirmed": _number("confirmed", 2)}),
        "free_lesson_registrations": (users, OF_BOT),
        "events": (small, OF_BOT),
    }


# --- Into the tables


def _fill(connection: Connection, table: Table, values: Mapping[str, str], count: int, users: int) -> None:
    written = {
        column.name: values.get(column.name) or _filler(column.type.python_type)
        for column in written_columns(table)
        if column.name in values or not column.nullable
    }
    statement = text(
        f"""
        INSERT INTO {table.name} ({", ".join(written)})
        WITH RECURSIVE counter AS (
            SELECT 0 AS number UNION ALL SELECT number + 1 FROM counter WHERE number < 999
        ), numbers AS (
            SELECT :before + thousand.number * 1000 + counter.number + 1 AS n
            FROM counter thousand JOIN counter WHERE thousand.number * 1000 + counter.number < :count
        ), rows_of_users AS (
            SELECT n, 1 + FLOOR(:users * POW({_chance("user")}, 1.5)) AS who FROM numbers
        )
        SELECT {", ".join(written.values())} FROM rows_of_users
        """  # noqa: S608 - all of it is ours
    )
    for before in range(0, count, PART_ROWS):
        connection.execute(statement, {"before": before, "count": min(PART_ROWS, count - before), "users": users})


def _filler(kind: type) -> str:
    """SQL for columns that no report reads."""
    return {datetime: "UTC_TIMESTAMP()", bytes: "UNHEX(LEFT(SHA2(n, 256), 32))", str: "''"}.get(kind, "0")


def _sum(connection: Connection, rollup: Table) -> None:
    """Sum a rollup as the refresher does, but the whole year at once."""
    now = moments.now()
    rollups.sum_again(connection, rollup, [(now - YEAR - timedelta(days=1), now + timedelta(days=1))])
