"""A few thousand made-up rows for reports: ties, refunds, month ends, changes of clocks, users without trips."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import Connection, Table

from stream.catalog import METADATA

Row = dict[str, Any]
Rows = Sequence[Row]

NOW = datetime(2026, 4, 1, 3, 37, 11, 250_000)
"""The moment (UTC) at which the reports are asked. Clocks had changed in America and Europe."""

BEGIN = datetime(2026, 1, 20)
MODES = ("driving", "transit", "walking")
USERS = range(1, 61)
"""The last ten of them never do anything."""
ACTIVE = USERS[:-10]
"""The last of these made one trip and nothing else."""
TRAVELLERS = ACTIVE[:-1]
"""The last two of these only travel."""
RIDERS = TRAVELLERS[:-2]
TWINS = 20
"""The number of rows that are the same as another but for their key."""
CAMPAIGNS = (0, 11, 12, 13, 14)
"""ap_campaign_ids; nobody gets tokens of the last."""

NOTABLE = [
    datetime(2026, 1, 31, 23, 59, 59, 999_999),  # the end of a month
    datetime(2026, 2, 1),
    datetime(2026, 2, 28, 18, 14, 59, 999_999),  # midnight in Kathmandu, almost
    datetime(2026, 2, 28, 18, 15),
    datetime(2026, 3, 1, 18, 15),
    datetime(2026, 3, 2),
    datetime(2026, 3, 8, 6, 59, 59, 999_999),  # New York's clocks go forward
    datetime(2026, 3, 8, 7),
    datetime(2026, 3, 29, 0, 59, 59, 999_999),  # Berlin's
    datetime(2026, 3, 29, 1),
    datetime(2026, 3, 29, 22),  # midnight in Berlin
    NOW - timedelta(days=7),  # in a quarter of an hour that is not whole
    datetime(2026, 3, 31, 23, 59, 59, 999_999),
    NOW,
]


@dataclass(frozen=True)
class World:
    """The rows of each table."""

    tables: Mapping[str, Rows]

    def __getitem__(self, table: str) -> Rows:
        return self.tables[table]

    def insert(self, connection: Connection) -> None:
        """Put all rows, and the rollups of them, into a database."""
        for name, rows in {**self.tables, **rollups(self)}.items():
            connection.execute(METADATA.tables[name].insert(), [_complete(METADATA.tables[name], row) for row in rows])


def made(seed: int = 7) -> World:
    """The rows, for one seed always the same."""
    chance = Random(seed)
    tokens = _tokens(chance)
    return World(
        {
            "auth_user": _users(chance),
            "hntb_bytemark_pass": _passes(chance),
            **_trips(chance, tokens),
            "points_transaction": _points(chance),
            "token_transaction": tokens,
            "bytemark_order_payments": _payments(chance),
            "campaign": [
                {"id": 100 + ap_id, "ap_campaign_id": ap_id, "token_id": 0, "name": f"campaign {ap_id}", "tokens": 500}
                for ap_id in CAMPAIGNS
            ],
            "cm_activity_location": _ways(chance),
            "hntb_target_user": _participants(chance),
        }
    )


def _moments(chance: Random, count: int) -> list[datetime]:
    """The notable ones, some that are shared, the others anywhere from the beginning to a day after now."""
    seconds = (NOW - BEGIN + timedelta(days=1)).total_seconds()
    anywhere = [BEGIN + timedelta(microseconds=round(chance.random() * seconds * 1e6)) for _ in range(count)]
    shared = chance.choices(anywhere, k=count // 20)
    moments = [*NOTABLE, *shared, *anywhere][:count]
    chance.shuffle(moments)
    return moments


def _money(chance: Random) -> Decimal:
    """Half of the amounts are round, so that sums tie; a third are below 0."""
    cents = chance.choice([100, 500, chance.randint(1, 99_999)])
    return Decimal(chance.choice([cents, cents, -cents])).scaleb(-2)


def _users(chance: Random) -> Rows:
    created = _moments(chance, len(USERS))
    return [
        {"id": id_, "first_name": f"first {id_}", "last_name": None, "enterprise_id": id_ % 3, "created_on": at}
        for id_, at in zip(USERS, created, strict=True)
    ]


def _twins(rows: list[Row], key: str) -> list[Row]:
    """The rows, and some of them again under keys of their own."""
    return rows + [{**row, key: len(rows) + number} for number, row in enumerate(rows[:TWINS], 1)]


def _passes(chance: Random) -> Rows:
    rows: list[Row] = [
        {"bytemark_pass_id": number, "user_id": str(chance.choice(RIDERS)), "logged_on": at, "created_on": at}
        for number, at in enumerate(_moments(chance, 2000), 1)
    ]
    return _twins(rows, "bytemark_pass_id")


def _trips(chance: Random, tokens: Rows) -> Mapping[str, Rows]:
    """Some begin at the very moment at which the user gets tokens."""
    begun: list[tuple[int, datetime]] = [(row["user_id"], row["issued_on"]) for row in tokens[:50]]
    begun += [(chance.choice(TRAVELLERS), at) for at in _moments(chance, 1500)] + [(ACTIVE[-1], NOW)]
    rows: list[Row] = [
        {
            "id": number,
            "user_id": user,
            "travel_mode": chance.choice(MODES),
            "started_on": at,
            "distance": chance.randrange(20_000_000) / 1000,
        }
        for number, (user, at) in enumerate(begun, 1)
    ]
    rows = _twins(rows, "id")
    shared = ("travel_mode", "started_on", "distance")
    research = [
        {"trip_id": row["id"], "user_id": str(row["user_id"]), **{name: row[name] for name in shared}} for row in rows
    ]
    return {"trip": rows, "hntb_trip": research}


def _points(chance: Random) -> Rows:
    return [
        {"id": number, "user_id": chance.choice(RIDERS), "points": _money(chance), "created_on": at}
        for number, at in enumerate(_moments(chance, 600), 1)
    ]


def _tokens(chance: Random) -> Rows:
    return [
        {
            "id": number,
            "user_id": chance.choice(RIDERS),
            "tokens": chance.choice([None, _money(chance), _money(chance)]),
            "campaign_id": chance.choice([None, *CAMPAIGNS[:-1]]),
            "issued_on": at,
            "created_on": at,
        }
        for number, at in enumerate(_moments(chance, 600), 1)
    ]


def _payments(chance: Random) -> Rows:
    return [
        {"id": number, "user_id": chance.choice(RIDERS), "total_price": _money(chance), "created_on": at}
        for number, at in enumerate(_moments(chance, 400), 1)
    ]


def _ways(chance: Random) -> Rows:
    """Some clusters are tied, some have exactly 10 ways, some have no probability at all."""
    sizes = {(1, 2): 10, (1, 3): 11, (2, 1): 11, (2, 3): 30, (3, 1): 12}
    clusters = [(o_id, d_id, mode) for (o_id, d_id), size in sizes.items() for mode in MODES[:2] for _ in range(size)]
    return [
        {
            "id": number,
            "user_id": chance.choice(ACTIVE),
            "o_id": o_id,
            "d_id": d_id,
            "travel_mode": mode,
            "probability_driving": None if o_id == 3 else chance.choice([None, chance.random()]),
            "probability_transit": chance.random(),
        }
        for number, (o_id, d_id, mode) in enumerate(clusters, 1)
    ]


def _participants(chance: Random) -> Rows:
    """Fifty hashes are under two ids."""
    return [
        {
            "id": number,
            "hash_id": f"{number % 250:064x}",
            "study_id": chance.choice(["bike", "bus"]),
            "created_on": at,
            "modified_on": at + timedelta(hours=1),
        }
        for number, at in enumerate(_moments(chance, 300), 1)
    ]


def rollups(world: World) -> dict[str, list[Row]]:
    """The rollups of these rows, computed here."""
    return {
        "rollup_passes": [
            {"period_start": start, "passes": len(rows)}
            for start, rows in by_period(world["hntb_bytemark_pass"], "logged_on").items()
        ],
        "rollup_revenue": _revenue_rollup(world),
        "rollup_trips": [
            {
                "period_start": start,
                "travel_mode": mode,
                "trips": len(rows),
                "distance_sum": sum((Decimal(f"{row['distance']:.3f}") for row in rows), Decimal(0)),
                "distances": len(rows),
            }
            for mode in MODES
            for start, rows in by_period(
                [row for row in world["trip"] if row["travel_mode"] == mode], "started_on"
            ).items()
        ],
    }


def _revenue_rollup(world: World) -> list[Row]:
    sums: dict[datetime, Row] = defaultdict(lambda: dict.fromkeys(("points", "tokens", "bytemark"), Decimal(0)))
    for column, moment, rows, amount in revenue(world):
        for start, period_rows in by_period(rows, moment).items():
            sums[start][column] += sum(row[amount] for row in period_rows)
    return [{"period_start": start, **columns} for start, columns in sums.items()]


def revenue(world: World) -> list[tuple[str, str, Rows, str]]:
    """Revenue: the rollup's column, the rows that count, their moment's column and their amount's."""
    return [
        ("points", "created_on", [row for row in world["points_transaction"] if row["points"] > 0], "points"),
        ("tokens", "issued_on", [row for row in world["token_transaction"] if (row["tokens"] or 0) > 0], "tokens"),
        ("bytemark", "created_on", world["bytemark_order_payments"], "total_price"),
    ]


def by_period(rows: Iterable[Row], moment: str) -> Mapping[datetime, Rows]:
    """The rows by the quarter of an hour that their moment lies in."""
    periods = defaultdict(list)
    for row in rows:
        at = row[moment]
        periods[at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)].append(row)
    return periods


EVENT_IDS = itertools.count(1)


def _complete(table: Table, row: Row) -> Row:
    """The row with something in the columns that no report reads."""
    fallback = {
        "event_id": next(EVENT_IDS).to_bytes(16, "big"),
        **dict.fromkeys(("created_on", "modified_on", "event_time", "loaded_on"), BEGIN),
    }
    return {
        column.name: row[column.name] if column.name in row else fallback.get(column.name, 0)
        for column in table.columns
        if column.name in row or not column.nullable
    }
