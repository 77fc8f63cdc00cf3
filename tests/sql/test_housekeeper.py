"""The rows that the housekeeper removes, and those that it must leave alone, on each server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from stream.engine.housekeeper import Housekeeper, Kept
from stream.engine.metrics import Metrics
from stream.errors import TerminalError
from stream.mysql import replay_runs as runs
from stream.mysql.dead_letters import CHANGED_ROWS_MAX
from stream.mysql.replay_runs import Run
from stream.records import Range, Record
from stream.settings import Settings
from tests.databases import Database
from tests.events import NOON, trip, uuid_text
from tests.sql.applying import TOPIC_ID, Applier

NONSENSE = Record(0, NOON // 1000, b"11", b"nonsense")
KEPT = Kept.of(Settings(keep_days=90))
OLD, YOUNG = KEPT.runs + timedelta(hours=1), KEPT.runs - timedelta(hours=1)


def keep_house(database: Database) -> dict[str, float]:
    """Look once; the rows that were removed, by table."""
    metrics = Metrics()
    Housekeeper(database.engine(for_lane=True), metrics, KEPT).look()
    samples = (sample for metric in metrics.registry.collect() for sample in metric.samples)
    return {sample.labels["table"]: sample.value for sample in samples if sample.name == "stream_removed_rows_total"}


def make_older(database: Database, run: Run, age: timedelta, *, progress: timedelta | None = None) -> None:
    """As if the run had begun so long ago, and somebody had gone on with it last at that time or another."""
    seconds = {"began": age.total_seconds(), "progress": (progress or age).total_seconds(), "run": run.run_id}
    began = "started_on = started_on - INTERVAL :began SECOND"
    database.execute(f"UPDATE replay_run SET {began} WHERE run_id = :run", **seconds)
    gone_on = "updated_on = updated_on - INTERVAL :progress SECOND"
    database.execute(f"UPDATE progress SET {gone_on} WHERE group_id = CONCAT('replay:', :run)", **seconds)


def replayed(database: Database, *, partitions: int = 1) -> Run:
    """A run that has applied a trip in each partition."""
    run = runs.create(database.engine(), [Range("trip", partition, TOPIC_ID, 0, 1) for partition in range(partitions)])
    replay = Applier(database, group_id=run.group_id)
    for partition in range(partitions):
        replay.apply(("TripRecorded", trip(trip_id=partition + 1, event_id=uuid_text(partition))), partition=partition)
    replay.close()
    return run


def groups(database: Database, table: str) -> set[str]:
    return {row["group_id"] for row in database.rows(table)}


@pytest.mark.parametrize("has_ended", [True, False], ids=["ended", "given up"])
def test_an_old_replay_goes_with_its_progress_and_ledgers(
    database: Database, applier: Applier, has_ended: bool
) -> None:
    applier.apply(("TripRecorded", trip(trip_id=9, event_id=uuid_text(9))))
    old, young = replayed(database, partitions=2), replayed(database)
    if has_ended:
        runs.end(database.engine(), old)
    make_older(database, old, OLD)
    make_older(database, young, YOUNG)
    database.execute("UPDATE progress SET updated_on = updated_on - INTERVAL 9 YEAR WHERE group_id = 'sql'")
    assert keep_house(database) == {"replay_run": 1, "progress": 2, "ledger": 4}
    with pytest.raises(TerminalError, match="no replay"):
        runs.load(database.engine(), old.run_id)
    assert runs.load(database.engine(), young.run_id) == young
    assert groups(database, "progress") == groups(database, "ledger") == {"sql", young.group_id}
    assert keep_house(database) == {}


def test_a_replay_that_runs_is_never_touched_however_long_ago_it_began(database: Database) -> None:
    run = replayed(database, partitions=2)
    make_older(database, run, OLD, progress=YOUNG)
    assert keep_house(database) == {}
    make_older(database, run, OLD, progress=OLD)
    database.execute("UPDATE progress SET updated_on = UTC_TIMESTAMP(6) WHERE kafka_partition = 1")
    assert keep_house(database) == {}
    assert runs.load(database.engine(), run.run_id) == run


def test_one_that_is_resumed_just_now_is_left_alone(database: Database) -> None:
    """The resumer's claim holds the lock that the housekeeper waits for."""
    run = replayed(database)
    make_older(database, run, OLD)
    with database.engine().connect() as resumer, ThreadPoolExecutor() as pool:
        with resumer.begin():
            resumer.exec_driver_sql("UPDATE progress SET updated_on = UTC_TIMESTAMP(6)")
            looking = pool.submit(keep_house, database)
            with pytest.raises(TimeoutError):
                looking.result(0.5)
        assert looking.result(30) == {}
    assert groups(database, "progress") == {run.group_id}


def test_a_step_removes_a_bounded_number_of_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "REMOVED_ROWS_MAX", 3)
    run = replayed(database, partitions=2)
    make_older(database, run, OLD)
    before = datetime.now(UTC).replace(tzinfo=None) - KEPT.runs
    assert _step(database.engine(), before) == {"ledger": 3}
    assert _step(database.engine(), before) == {"ledger": 1, "progress": 2, "replay_run": 1}
    assert _step(database.engine(), before) == {}


def _step(engine: Engine, before: datetime) -> dict[str, int]:
    with engine.begin() as connection:
        return runs.remove_old(connection, before)


def test_of_settled_dead_letters_nothing_is_left_in_the_end(database: Database, applier: Applier) -> None:
    count = CHANGED_ROWS_MAX + 4
    applier.write(applier.slice("trip", [NONSENSE] * count))
    database.execute("UPDATE dead_letter SET status = 'resolved' WHERE kafka_offset > 3")
    settled = {0: "discarded", 1: "expired", 2: "erased"}
    for offset, status in settled.items():
        database.execute("UPDATE dead_letter SET status = :s WHERE kafka_offset = :o", s=status, o=offset)
    # One that waits, of which nothing but its coordinates is kept: it doesn't expire.
    database.execute("UPDATE dead_letter SET record_headers = NULL WHERE kafka_offset = 3")
    age = "UPDATE dead_letter SET last_rejected_on = last_rejected_on - INTERVAL :seconds SECOND"
    database.execute(age, seconds=YOUNG.total_seconds())
    assert keep_house(database) == {}
    database.execute(age, seconds=2 * 3600)
    with ThreadPoolExecutor() as pool:
        by_each = list(pool.map(lambda _: keep_house(database), range(2)))
    assert sum(removed.get("dead_letter", 0) for removed in by_each) == count - 1
    assert [(row["kafka_offset"], row["status"]) for row in database.rows("dead_letter")] == [(3, "waiting")]


def test_what_was_discarded_is_known_as_long_as_it_can_be_read_again() -> None:
    assert Kept.of(Settings(keep_days=7)).settled == timedelta(days=60), "twice the 30 days of a dead letter"
    assert Kept.of(Settings(keep_days=7, dead_letter_days=1)).settled == timedelta(days=30), "a topic's retention"
    assert Kept.of(Settings(keep_days=400)).settled == timedelta(days=400)
