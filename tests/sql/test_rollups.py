"""Rollups equal the plain query whenever nothing is left to be summed, whatever happened to the rows."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert

from stream.catalog import ROLLUPS, STREAMS
from stream.catalog.bytemark_pass import PASSES
from stream.catalog.rewards_points import REVENUE
from stream.declaration.rollups import PERIOD_MICROS, shares_of
from stream.declaration.service_tables import ROLLUP_TOUCHED
from stream.declaration.tables import business_time_of
from stream.declaration.types import YEAR_2000
from stream.engine.messages import Report
from stream.engine.metrics import Metrics
from stream.engine.workers import Workers
from stream.errors import Reason, Rejection, Stage, TransactionConflict
from stream.moments import MICROS_MAX
from stream.mysql import dead_letters, erasure, rollups
from stream.mysql.dead_letters import DeadLetter
from stream.mysql.selection import Selection
from stream.operate.redrive import Redrive
from stream.operate.restore import Restorer
from stream.records import TopicPartition
from stream.replay.shadow_tables import shadow_of
from stream.settings import Settings
from tests import events
from tests.consumers import CHECKOUT
from tests.databases import Database
from tests.events import NOON, SECOND, TOPICS, cents, uuid_text
from tests.model.rules import moment
from tests.sql.applying import DECODER, TOPIC_ID, Applier, come_between, outcomes
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("loads_each_row")

PLAIN = {
    "rollup_passes": "SELECT {period} AS period_start, COUNT(*) FROM hntb_bytemark_pass GROUP BY 1",
    "rollup_trips": "SELECT {period} AS period_start, travel_mode, COUNT(*), "
    "SUM(CAST(distance AS DECIMAL(20, 3))), COUNT(distance) FROM trip GROUP BY 1, 2",
    "rollup_revenue": "SELECT period_start, SUM(points), SUM(tokens), SUM(bytemark) FROM ("
    "SELECT {created} AS period_start, points, 0 AS tokens, 0 AS bytemark FROM points_transaction WHERE points > 0 "
    "UNION ALL SELECT {issued}, 0, tokens, 0 FROM token_transaction WHERE tokens > 0 "
    "UNION ALL SELECT {created}, 0, 0, total_price FROM bytemark_order_payments) rows_of_all GROUP BY 1",
}
PERIODS = MICROS_MAX // PERIOD_MICROS + 1
"""The number of periods until the year 10000."""

PAGE = CHECKOUT / "docs" / "freshness.md"
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
    at = NOON + rng.randrange(-200, 200) * PERIOD_MICROS // 4 + rng.randrange(3)
    entity, user = rng.randrange(1, 40), rng.randrange(1, 6)
    amount = cents(rng.choice([0, 1, -1, 999_999_99, rng.randrange(-5000, 5000)]))
    distance = rng.choice([0.0, 0.0004, 0.0005, 1e9, rng.random() * 10_000])
    return [
        (
            "TripRecorded",
            events.trip(
                trip_id=entity, user_id=user, travel_mode=rng.choice(MODES), started_on=at, distance=distance, **version
            ),
        ),
        ("BytemarkPassLogged", events.pass_logged(bytemark_pass_id=entity, user_id=str(user), logged_on=at, **version)),
        (
            "PointsTransacted",
            events.points(transaction_id=entity, user_id=user, points=amount, created_on=at, **version),
        ),
        (
            "TokensTransacted",
            events.tokens(transaction_id=entity, user_id=user, tokens=amount, issued_on=at, **version),
        ),
        ("OrderPaid", events.order_paid(payment_id=entity, user_id=user, total_price=amount, created_on=at, **version)),
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


def passes(database: Database) -> dict[datetime, int]:
    return {row["period_start"]: row["passes"] for row in database.rows("rollup_passes")}


def logged(number: int, at: int, **changes: Any) -> tuple[str, events.Datum]:
    """A pass that was logged so many microseconds after the beginning of 2000."""
    return "BytemarkPassLogged", events.pass_logged(
        bytemark_pass_id=number, logged_on=YEAR_2000 + at, **{"event_id": uuid_text(number), **changes}
    )


def test_a_row_that_moves_leaves_its_period_and_an_empty_period_its_row(database: Database, applier: Applier) -> None:
    applier.apply(logged(1, 0))
    refresh(database)
    assert passes(database) == {moment(YEAR_2000): 1}
    last = PERIOD_MICROS - 1
    applier.apply(logged(1, PERIOD_MICROS + last, occurred_at=NOON + SECOND))
    refresh(database)
    assert passes(database) == {moment(YEAR_2000 + PERIOD_MICROS): 1}
    assert_summed(database)


def test_what_changes_nothing_touches_nothing(database: Database, applier: Applier) -> None:
    applier.apply(logged(1, 0), logged(2, 0))
    refresh(database)
    applier.apply(logged(1, 0), logged(2, PERIOD_MICROS, occurred_at=NOON - SECOND))
    assert database.count("rollup_touched") == 0
    with shadow_of(database.engine(), STREAMS["bytemark.pass"].tables) as shadow:
        record = events.record("BytemarkPassLogged", logged(3, 0)[1])
        (written,) = shadow.apply([{TopicPartition("bytemark.pass", 0): [record]}], DECODER)
    assert written.upserted.changes.periods, "a shadow finds out, and notes nothing"
    assert database.count("rollup_touched") == 0


def test_a_dead_letter_that_is_redriven_is_summed(database: Database, applier: Applier) -> None:
    applier.apply(logged(1, 0))
    refresh(database)
    letter = events.record("BytemarkPassLogged", logged(2, 0)[1])._replace(offset=7)
    where = TopicPartition("bytemark.pass", 0)
    with database.engine().begin() as connection:
        rejection = Rejection(Stage.WRITE, Reason.CONSTRAINT)
        dead_letters.keep(connection, [DeadLetter(TOPIC_ID, where, letter, rejection)])
    (done,) = Redrive(database.engine(for_lane=True), Selection(), DECODER, lambda *_: {}).run()
    assert done.resolved == 1
    refresh(database)
    assert passes(database) == {moment(YEAR_2000): 2}


def test_nothing_is_lost_between_reading_entries_and_deleting_them(database: Database, applier: Applier) -> None:
    """A write that is committed while a period is summed leaves an entry behind, though its id may be a smaller one."""
    applier.apply(logged(1, 0))
    with database.engine(for_lane=True).connect() as early, database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            rollups.prepare(connection)
        late = early.begin()  # takes an id now, and commits later
        early.execute(
            insert(ROLLUP_TOUCHED).values(
                rollup="rollup_passes", period_start=moment(YEAR_2000), touched_on=moment(YEAR_2000)
            )
        )
        applier.apply(logged(2, 0))
        with connection.begin():
            assert rollups.refresh_some(connection, PASSES) == 2
            applier.apply(logged(3, 0))
            late.commit()
    assert passes(database) == {moment(YEAR_2000): 2}
    assert database.count("rollup_touched") == 2
    assert refresh(database) == 2
    assert passes(database) == {moment(YEAR_2000): 3}


def test_a_backlog_is_worked_off_some_periods_at_a_time_and_each_once(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "PERIODS_MAX", 2)
    for number, period in enumerate((5, 1, 5, 3, 1), 1):
        applier.apply(logged(number, period * PERIOD_MICROS))
    assert [refresh(database) for _ in range(3)] == [4, 1, 0], "entries of periods 5 and 1, then of 3"
    assert_summed(database)


def test_a_crash_while_summing_leaves_all_to_be_done_again(database: Database, applier: Applier) -> None:
    applier.apply(logged(1, 0), logged(2, PERIOD_MICROS))
    with database.engine(for_lane=True).connect() as connection:
        with connection.begin():
            rollups.prepare(connection)
        connection.begin()
        assert rollups.refresh_some(connection, PASSES) == 2
        connection.invalidate()  # the server rolls back, as after kill -9
    assert passes(database) == {}
    wait_for(lambda: refresh(database) == 2, "the lock of the one that is gone")
    assert_summed(database)


def test_one_at_a_time_sums_a_rollup_and_nobody_waits(database: Database, applier: Applier) -> None:
    applier.apply(logged(1, 0))
    applier.apply(("PointsTransacted", events.points()))
    with database.engine(for_lane=True).connect() as first, database.engine(for_lane=True).connect() as second:
        with first.begin():
            rollups.prepare(first)
        with first.begin():
            assert rollups.refresh_some(first, PASSES) == 1
            applier.apply(logged(2, 0))
            with second.begin():
                rollups.prepare(second)
                assert rollups.refresh_some(second, PASSES) == 0, "another one is at it"
                assert rollups.refresh_some(second, REVENUE) == 1, "another rollup is free"
    refresh(database)
    assert_summed(database)


def test_a_row_that_comes_between_the_look_and_the_upsert_has_the_transaction_tried_again(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would know where it lay before."""
    come_between(monkeypatch, database, logged(1, 0))
    slice_ = applier.slice("bytemark.pass", [events.record(*logged(1, PERIOD_MICROS, occurred_at=NOON + SECOND))])
    with pytest.raises(TransactionConflict):
        applier.write(slice_)
    applier.write(slice_)
    refresh(database)
    assert passes(database) == {moment(YEAR_2000 + PERIOD_MICROS): 1}


def test_a_row_that_comes_between_is_noticed_beside_rows_of_erased_persons(
    database: Database, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are left out find no row, though there is one that is to be swept."""
    applier.apply(logged(2, 0, user_id="7"), logged(4, 0, user_id="8", event_id=uuid_text(4)))
    database.erase(["7"])
    come_between(monkeypatch, database, logged(1, 0, user_id="8"))
    later = {"occurred_at": NOON + SECOND}
    batch = [
        logged(1, PERIOD_MICROS, user_id="8", **later),
        *(logged(number, 0, user_id="7", **later) for number in (2, 3)),
        logged(4, PERIOD_MICROS, user_id="8", event_id=uuid_text(5), **later),
        logged(4, PERIOD_MICROS, user_id="7", event_id=uuid_text(6), **later),
        logged(5, PERIOD_MICROS, user_id="7", event_id=uuid_text(7), **later),
        logged(5, PERIOD_MICROS, user_id="8", event_id=uuid_text(8), **later),
    ]
    slice_ = applier.slice("bytemark.pass", [events.record(*each) for each in batch])
    with pytest.raises(TransactionConflict):
        applier.write(slice_)
    (written,) = applier.write(slice_)
    assert outcomes(written, "bytemark_pass") == (1, 2, 0, 4)
    refresh(database)
    assert_summed(database)


def test_two_persons_rows_of_one_key_are_no_conflict(database: Database, applier: Applier) -> None:
    applier.apply(logged(1, 0, user_id="1"), logged(1, PERIOD_MICROS, user_id="2", event_id=uuid_text(2)))
    refresh(database)
    assert_summed(database)


def test_refreshers_of_two_processes_keep_rollups_true_beside_writers(database: Database, applier: Applier) -> None:
    metrics = Metrics()
    crashes: list[Report] = []
    engine = database.engine(for_lane=True)
    restorer = Restorer(DECODER, lambda _part, _offsets: {})
    first, second = (
        Workers(Settings(), engine, engine, metrics, crashes.append, restorer, surveyor=None) for _ in range(2)
    )
    rng = random.Random(8)
    with first.at_work(), second.at_work():
        for number in range(1, 16):
            for event in history(number, rng):
                applier.persist(applier.slice(TOPICS[event[0]], [events.record(*event)]))
        wait_for(first.have_finished, "the rollups")
        assert_summed(database)
        wait_for(
            lambda: metrics.registry.get_sample_value("stream_rollup_entries", {"rollup": "rollup_trips"}) == 0.0,
            "the gauge",
        )
    threads = [*first.all.values(), *second.all.values()]
    wait_for(lambda: not any(thread.is_alive() for thread in threads), "the threads to end", 10)
    assert crashes == []


def test_the_statement_of_the_docs_has_all_rows_summed_again(database: Database, applier: Applier) -> None:
    rng = random.Random(9)
    for events_of_one_kind in zip(*(history(number, rng) for number in range(1, 30)), strict=True):
        applier.apply(*events_of_one_kind)
    database.execute("DELETE FROM rollup_touched")
    (statement,) = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    database.execute(statement)
    declared = {
        (str(share.rollup.name), column.name, str(share.table.name))
        for rollup in ROLLUPS.values()
        for share in shares_of(rollup)
        if (column := business_time_of(share.table)) is not None
    }
    assert declared == set(re.findall(r"SELECT '(\w+)'(?: AS rollup)?, (\w+)(?: AS moment)? FROM (\w+)", statement))
    refresh(database)
    assert_summed(database)


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ([], []),
        ([3], [[(3, 3)]]),
        ([1, 2, 3], [[(1, 3)]]),
        ([5, 1, 2], [[(1, 2), (5, 5)]]),
        (range(rollups.PERIODS_TOGETHER_MAX + 1), [[(0, 95)], [(96, 96)]]),
        ([*range(96), 99, 100], [[(0, 95)], [(99, 100)]]),
        ([*range(90), *range(91, 99)], [[(0, 89)], [(91, 98)]]),
        (range(0, 40, 2), [[(n, n) for n in range(0, 32, 2)], [(n, n) for n in range(32, 40, 2)]]),
        ([MICROS_MAX // PERIOD_MICROS - 1, MICROS_MAX // PERIOD_MICROS], [[(PERIODS - 2, PERIODS - 1)]]),
    ],
)
def test_periods_are_summed_together_a_days_at_most_in_few_spans(
    periods: Sequence[int], expected: list[list[tuple[int, int]]]
) -> None:
    def at(number: int) -> Any:
        return moment(number * PERIOD_MICROS)

    parts = list(rollups.together(rollups.spans({at(period) for period in periods})))
    assert parts == [[(at(first), at(last)) for first, last in part] for part in expected]


def test_the_ends_of_the_calendar_are_summed(database: Database, applier: Applier) -> None:
    """No event brings such dates; somebody may have written them by hand, and an event then moves the row."""
    ends = ("1000-01-01", "1969-12-31 23:59:59.999999", "9999-12-31 23:45:00", "9999-12-31 23:59:59.999999")
    for number, end in enumerate(ends, 1):
        applier.apply(("BytemarkPassLogged", events.pass_logged(bytemark_pass_id=number)))
        database.execute(
            "UPDATE hntb_bytemark_pass SET logged_on = :end WHERE bytemark_pass_id = :number", end=end, number=number
        )
    (append,) = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    database.execute(append)
    refresh(database)
    assert passes(database)[datetime(9999, 12, 31, 23, 45)] == 2
    newer = {"event_id": uuid_text(2), "occurred_at": NOON + SECOND}
    applier.apply(
        *(("BytemarkPassLogged", events.pass_logged(bytemark_pass_id=number, **newer)) for number in (1, 2, 3, 4))
    )
    refresh(database)
    assert_summed(database)
