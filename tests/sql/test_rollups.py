"""Rollups equal the plain query whenever nothing is left to be summed, whatever happened to the rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from stream import erasure, rollups
from stream.catalog.rollups import PERIOD_MICROS, ROLLUPS
from stream.metrics import Metrics
from stream.refresher import Refresher
from tests import events
from tests.databases import Database
from tests.events import NOON, SECOND, cents, uuid_text
from tests.sql.applying import Applier
from tests.waiting import wait_for

PLAIN = {
    "rollup_passes": "SELECT {period} AS period_start, COUNT(*) FROM hntb_bytemark_pass GROUP BY 1",
    "rollup_trips": "SELECT {period} AS period_start, travel_mode, COUNT(*), "
    "SUM(CAST(distance AS DECIMAL(20, 3))), COUNT(distance) FROM trip GROUP BY 1, 2",
    "rollup_revenue": "SELECT period_start, SUM(points), SUM(tokens), SUM(bytemark) FROM ("
    "SELECT {created} AS period_start, points, 0 AS tokens, 0 AS bytemark FROM points_transaction WHERE points > 0 "
    "UNION ALL SELECT {issued}, 0, tokens, 0 FROM token_transaction WHERE tokens > 0 "
    "UNION ALL SELECT {created}, 0, 0, total_price FROM bytemark_order_payments) rows_of_all GROUP BY 1",
}
TIME = {"rollup_passes": "logged_on", "rollup_trips": "started_on"}


def period(column: str) -> str:
    """Written in another way than the product's."""
    return f"DATE(`{column}`) + INTERVAL FLOOR(TIME_TO_SEC(TIME(`{column}`)) / 900) * 900 SECOND"


def refresh(database: Database) -> int:
    """Sum all that is left, as the refresher does; how many entries that was."""
    entries = 0
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            rollups.prepare(connection)
        for rollup in ROLLUPS.values():
            with connection.begin():
                entries += rollups.refresh_some(connection, rollup)
    return entries


def stored(database: Database, rollup: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in database.query(f"SELECT * FROM {rollup}"))


def plain(database: Database, rollup: str) -> list[tuple[Any, ...]]:
    statement = PLAIN[rollup].format(
        period=period(TIME.get(rollup, "")), created=period("created_on"), issued=period("issued_on")
    )
    return sorted(tuple(row) for row in database.query(statement.replace(":", r"\:")))


def assert_summed(database: Database) -> None:
    assert database.count("rollup_touched") == 0
    for rollup in ROLLUPS:
        assert stored(database, rollup) == plain(database, rollup), rollup


def sweep(database: Database, late_before: int = 0) -> None:
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            persons = erasure.unswept(connection)
        erasure.sweep(connection, persons, None, late_before)


MODES = ("walking", "transit", "Transit")


def history(number: int, rng: random.Random) -> list[tuple[str, events.Datum]]:
    """An event for each table that is summed, of a few entities, days and users."""
    version = {"event_id": uuid_text(number), "occurred_at": NOON + rng.randrange(50) * SECOND}
    moment = NOON + rng.randrange(-200, 200) * PERIOD_MICROS // 4 + rng.randrange(3)
    entity, user = rng.randrange(1, 40), rng.randrange(1, 6)
    amount = cents(rng.choice([0, 1, -1, 999_999_99, rng.randrange(-5000, 5000)]))
    distance = rng.choice([0.0, 0.0004, 0.0005, 1e9, rng.random() * 10_000])
    return [
        (
            "TripRecorded",
            events.trip(
                trip_id=entity,
                user_id=user,
                travel_mode=rng.choice(MODES),
                started_on=moment,
                distance=distance,
                **version,
            ),
        ),
        (
            "BytemarkPassLogged",
            events.pass_logged(bytemark_pass_id=entity, user_id=str(user), logged_on=moment, **version),
        ),
        (
            "PointsTransacted",
            events.points(transaction_id=entity, user_id=user, points=amount, created_on=moment, **version),
        ),
        (
            "TokensTransacted",
            events.tokens(transaction_id=entity, user_id=user, tokens=amount, issued_on=moment, **version),
        ),
        (
            "OrderPaid",
            events.order_paid(payment_id=entity, user_id=user, total_price=amount, created_on=moment, **version),
        ),
    ]


def test_rollups_are_the_plain_sums_through_changes_replay_and_erasure(database: Database, applier: Applier) -> None:
    rng = random.Random(7)
    log = [history(number, rng) for number in range(1, 200)]
    for some in (log[:80], log[80:], log[:100]):  # the last is a replay
        for events_of_one_kind in zip(*some, strict=True):
            applier.apply(*events_of_one_kind)
        refresh(database)
        assert_summed(database)
    assert database.count("trip") > 30
    applier.apply(("AppUserDeleted", events.app_user_deleted(user_id=3, event_id=uuid_text(999))))
    sweep(database)
    assert refresh(database) > 0
    assert_summed(database)
