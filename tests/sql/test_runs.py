"""Runs of a replay as the database remembers them, on each server."""

from __future__ import annotations

import pytest

from stream.errors import TerminalError
from stream.mysql import replay_runs as runs
from stream.mysql.replay_runs import Effect
from stream.records import Range, TopicPartition
from tests import events
from tests.databases import Database
from tests.events import trip, uuid_text
from tests.sql.applying import TOPIC_ID, Applier

RANGE = Range("trip", 0, TOPIC_ID, 0, 2)


def test_a_run_is_found_again_as_it_was_begun(database: Database, applier: Applier) -> None:
    applier.apply(("TripRecorded", trip(trip_id=9)))
    begun = runs.create(database.engine(), [RANGE, Range("trip", 3, TOPIC_ID, 40, 70)], rewrites=True)
    assert runs.load(database.engine(), begun.run_id) == begun
    assert sum(begun.rows_before["trip"].values()) == 1
    assert runs.next_offsets(database.engine(), begun) == {TopicPartition("trip", 0): 0, TopicPartition("trip", 3): 40}
    assert not begun.has_ended
    runs.end(database.engine(), begun)
    assert runs.load(database.engine(), begun.run_id).has_ended
    with pytest.raises(TerminalError, match="no replay"):
        runs.load(database.engine(), "another")


def test_its_effects_are_its_ledgers_and_the_dates_that_changed(database: Database) -> None:
    run = runs.create(database.engine(), [RANGE])
    replay = Applier(database, group_id=run.group_id)
    replay.apply(("TripRecorded", trip(trip_id=1)), ("TripRecorded", trip(trip_id=2, event_id=uuid_text(2))))
    replay.close()
    assert runs.next_offsets(database.engine(), run) == {TopicPartition("trip", 0): 2}
    effects = runs.effects(database.engine(), run)
    assert Effect("records", "trip", None, "written", 2) in effects
    assert Effect("rows", "hntb_trip", None, "inserted", 2) in effects
    assert {(effect.name, effect.outcome, effect.count) for effect in effects if effect.date} == {
        (table, outcome, count) for table in ("trip", "hntb_trip") for outcome, count in (("before", 0), ("after", 2))
    }


def test_a_dead_letter_whose_record_passes_in_a_replay_is_resolved(database: Database, applier: Applier) -> None:
    sound = events.record("TripRecorded", trip())
    records = [sound, sound._replace(value=b"nonsense")]
    applier.write(applier.slice("trip", records))
    database.execute("UPDATE dead_letter SET kafka_offset = 0")  # as if a rule had rejected the sound one
    for resolves, status in ((False, "waiting"), (True, "resolved")):
        again = Applier(database, group_id=f"replay:{resolves}", resolves=resolves)
        again.write(again.slice("trip", records))
        again.close()
        statuses = {row["kafka_offset"]: (row["status"], row["attempts"]) for row in database.rows("dead_letter")}
        assert statuses == {0: (status, 1), 1: ("waiting", 2 if resolves else 1)}


def test_what_left_the_log_is_passed_over_and_nothing_goes_back(database: Database) -> None:
    run = runs.create(database.engine(), [RANGE, Range("trip", 1, TOPIC_ID, 50, 60)])
    first, second = TopicPartition("trip", 0), TopicPartition("trip", 1)
    runs.skip_to(database.engine(), run, {first: 1, second: 30})
    assert runs.next_offsets(database.engine(), run) == {first: 1, second: 50}
