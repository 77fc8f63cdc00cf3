"""`stream replay`: a part of the log read again, whatever happens meanwhile."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream.catalog import STREAMS
from tests.balance import assert_drained
from tests.broker import Broker
from tests.commands import run_command
from tests.conftest import StartConsumer
from tests.consumers import Consumer
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.faults import locked_progress
from tests.engine.logs import put, some_events, synthetic, wait_swept
from tests.events import NOON, SECOND, Datum, encode, key_of, pass_logged, trip, uuid_text
from tests.waiting import wait_for

Settings = dict[str, str]
ALL_TOPICS = [word for topic in STREAMS for word in ("--topic", topic)]
TABLES = [table for stream in STREAMS.values() for table in stream.tables]


def replayed(database: Database) -> int:
    """Records that replays have applied so far."""
    counted = "SELECT COALESCE(SUM(records_consumed), 0) FROM progress WHERE group_id LIKE 'replay:%'"
    return int(database.value(counted))


def effects(output: str) -> dict[tuple[str, str, str], int]:
    """What a command printed as JSON: by what, name and outcome; dates aside."""
    return {(one["what"], one["name"], one["outcome"]): one["count"] for one in json.loads(output) if not one["date"]}


def run_id(database: Database) -> str:
    return str(database.value("SELECT run_id FROM replay_run"))


def damage(database: Database) -> None:
    """What a gap, or somebody's slip of the pen, leaves: rows that are missing, and rows of older versions."""
    database.execute("DELETE FROM user_rating WHERE id % 2 = 0")
    database.execute("DELETE FROM trip WHERE id % 3 = 0")
    database.execute(
        "UPDATE trip SET event_time = '2001-01-01', modified_on = '2001-01-01', travel_mode = 'flying' WHERE id % 3 = 1"
    )
    database.execute("DELETE FROM message_history WHERE id % 2 = 0")
    database.execute("DELETE FROM users WHERE CRC32(clerk_id) % 2 = 0")


def test_a_replay_beside_a_live_consumer_makes_the_tables_whole(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    put(broker, synthetic(1500))
    start_service("--until-caught-up").assert_ends(0)
    damage(mysql)
    live = start_service()
    live.wait_ready()
    later = synthetic(700, seed=7)
    with ThreadPoolExecutor(1) as beside:
        publishing = beside.submit(put, broker, later)
        done = run_command({**stream_settings, "STREAM_BATCH_RECORDS_MAX": "100"}, "replay", *ALL_TOPICS, "--execute")
        publishing.result()
    assert done.returncode == 0, done.stderr
    live.terminate()
    live.assert_ends(0)
    start_service("--until-caught-up").assert_ends(0)
    wait_swept(mysql)
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
    attempts = Counter(row["attempts"] for row in mysql.rows("dead_letter"))
    assert attempts[2] > 50, "those of the range were rejected twice"
    assert max(attempts) == 2


INTERRUPTIONS: dict[str, Callable[[Consumer], None]] = {
    "SIGINT": Consumer.interrupt,
    "SIGTERM": Consumer.terminate,
    "kill -9": Consumer.kill,
}


@pytest.mark.parametrize("how", INTERRUPTIONS)
def test_an_interrupted_replay_is_resumed_and_counts_each_record_once(
    broker: Broker, mysql: Database, stream_settings: Settings, start_consumer: StartConsumer, how: str
) -> None:
    broker.publish(some_events(1000))
    replay = start_consumer("--topic", "trip", "--execute", command="replay", batch_records_max=10)
    wait_for(lambda: replayed(mysql) > 100, "some progress of the replay")
    INTERRUPTIONS[how](replay)
    again = f"stream replay --resume {run_id(mysql)}"
    if how != "kill -9":
        replay.assert_ends(75)
        assert f"not done yet: go on with `{again}`" in replay.log_text()
    assert again in replay.log_text()
    assert replayed(mysql) < 2000, "it was to be stopped in the middle"
    done = run_command(stream_settings, "replay", "--resume", run_id(mysql), "--format", "json")
    assert done.returncode == 0, done.stderr
    assert replayed(mysql) == 2000
    assert effects(done.stdout)["rows", "trip", "inserted"] == mysql.count("trip") == 1000
    dates = [one for one in json.loads(done.stdout) if one["date"] and one["name"] == "trip"]
    assert sum(one["count"] for one in dates if one["outcome"] == "after") == 1000, "counted since the run began"
    assert sum(one["count"] for one in dates if one["outcome"] == "before") == 0
    ended = run_command(stream_settings, "replay", "--resume", run_id(mysql))
    assert (ended.returncode, "has ended" in ended.stderr) == (1, True)


def test_a_dry_run_changes_nothing_and_foretells_exactly(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    put(broker, synthetic(2000))
    start_service("--until-caught-up").assert_ends(0)
    damage(mysql)
    before = contents(mysql)
    everything = {name: mysql.rows(name) for name in ("progress", "ledger", "dead_letter", "erasure", "replay_run")}
    dry = run_command(stream_settings, "replay", *ALL_TOPICS, "--dry-run", "--format", "json")
    assert dry.returncode == 0, dry.stderr
    assert contents(mysql) == before
    assert {name: mysql.rows(name) for name in everything} == everything
    done = run_command(stream_settings, "replay", *ALL_TOPICS, "--execute", "--format", "json")
    assert done.returncode == 0, done.stderr
    foretold, came = effects(dry.stdout), effects(done.stdout)
    after = contents(mysql)
    for table in TABLES:
        old, new = before[table.name], after[table.name]
        inserted, updated = len(new.keys() - old.keys()), sum(old[key] != new[key] for key in new.keys() & old.keys())
        told = [foretold["rows", table.name, outcome] for outcome in ("inserted", "updated")]
        assert told == [inserted, updated], table.name
    assert sum(foretold["rows", table.name, "inserted"] for table in TABLES) > 100
    assert foretold["rows", "trip", "updated"] > 10
    for topic in STREAMS:
        assert foretold.get(("records", topic, "dead_lettered")) == came.get(("records", topic, "dead_lettered"))
    reasons = Counter((row["topic"], row["reason"]) for row in mysql.rows("dead_letter"))
    told_reasons = {(name, outcome): n for (what, name, outcome), n in foretold.items() if what == "dead letters"}
    assert told_reasons == reasons


def test_a_rewrite_foretells_and_corrects_what_differs_and_nothing_else(
    broker: Broker, mysql: Database, stream_settings: Settings
) -> None:
    """The steps of docs/replay.md: a column that was just added is null in every row, as is a value before its rule."""
    broker.publish(some_events(30))
    again = ("replay", "--topic", "trip", "--format", "json")
    assert run_command(stream_settings, *again, "--execute").returncode == 0
    filled = contents(mysql)
    mysql.execute("UPDATE user_rating SET feedback = NULL")
    mysql.execute("UPDATE trip SET travel_mode = 'mistaken' WHERE id <= 10")
    before = contents(mysql)
    dry = run_command(stream_settings, *again, "--rewrite", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert contents(mysql) == before
    done = run_command(stream_settings, *again, "--rewrite", "--execute")
    assert done.returncode == 0, done.stderr
    for table, updated in {"trip": 10, "hntb_trip": 0, "user_rating": 30}.items():
        for told in (effects(dry.stdout), effects(done.stdout)):
            assert [told["rows", table, what] for what in ("inserted", "updated", "unchanged")] == [
                0,
                updated,
                30 - updated,
            ]
    after = contents(mysql)
    changed = [key for name in ("trip", "user_rating") for key, row in after[name].items() if row != before[name][key]]
    assert len(changed) == 40
    for name, rows in after.items():
        for key, row in rows.items():
            assert {**row, "loaded_on": None} == {**filled[name][key], "loaded_on": None}
    assert mysql.rows("replay_run")[1]["rewrites"] == 1


def contents(database: Database) -> dict[str, dict[tuple[Any, ...], Mapping[str, Any]]]:
    """Each table's rows by key, in all that a replay may not change for nothing."""
    return {
        table.name: {tuple(row[column.name] for column in table.primary_key): row for row in database.rows(table.name)}
        for table in TABLES
    }


def test_the_plan_is_shown_and_nothing_is_done_without_being_told(
    broker: Broker, mysql: Database, stream_settings: Settings
) -> None:
    broker.publish(some_events(50))
    shown = run_command(stream_settings, "replay", "--topic", "trip", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    assert "--execute" in shown.stderr
    assert sum(one["records_max"] for one in json.loads(shown.stdout)) == 100
    assert [mysql.count(name) for name in ("trip", "progress", "replay_run")] == [0, 0, 0]


def test_offsets_bound_one_partition(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    broker.publish(some_events(100))
    bounds = ("--topic", "trip", "--partition", "2", "--from-offset", "5", "--to-offset", "12")
    done = run_command(stream_settings, "replay", *bounds, "--execute", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = mysql.rows("trip") + mysql.rows("user_rating")
    assert {(row["kafka_partition"], row["kafka_offset"]) for row in rows} == {(2, offset) for offset in range(5, 12)}
    assert replayed(mysql) == 7


def test_times_bound_what_is_read(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    moments = []
    for first in (1, 101, 201):
        broker.publish(some_events(30, first=first))
        moments.append(datetime.now(UTC) + timedelta(milliseconds=2))
        wait_for(lambda: datetime.now(UTC) > moments[-1] + timedelta(milliseconds=2), "the next moment")
    bounds = ("--from-time", moments[0].isoformat(), "--to-time", moments[1].isoformat())
    done = run_command(stream_settings, "replay", "--topic", "trip", *bounds, "--execute")
    assert done.returncode == 0, done.stderr
    assert {row["id"] for row in mysql.rows("trip")} == set(range(101, 131))


def test_offsets_that_nobody_can_read_do_not_hold_up_the_end(
    broker: Broker, mysql: Database, stream_settings: Settings
) -> None:
    broker.publish(some_events(10))
    events = [trip(trip_id=n, event_id=uuid_text(n), occurred_at=NOON + n * SECOND) for n in range(500, 520)]
    broker.abort([("trip", key_of("TripRecorded", one), encode("TripRecorded", one)) for one in events])
    done = run_command(stream_settings, "replay", "--topic", "trip", "--execute")
    assert done.returncode == 0, done.stderr
    assert (mysql.count("trip"), replayed(mysql)) == (10, 20)


def test_two_processes_cannot_go_on_with_one_run(
    broker: Broker, mysql: Database, stream_settings: Settings, start_consumer: StartConsumer
) -> None:
    broker.publish(some_events(1000))
    first = start_consumer("--topic", "trip", "--execute", command="replay", batch_records_max=10)
    wait_for(lambda: replayed(mysql) > 100, "some progress of the replay")
    second = run_command(stream_settings, "replay", "--resume", run_id(mysql))
    assert second.returncode == 0, second.stderr
    first.assert_ends(1)
    assert "another process goes on" in first.log_text()
    assert replayed(mysql) == 2000
    assert mysql.count("trip") == 1000


WATCHFUL = (
    "import stream.replay.brake as brake; brake.LAG_RECORDS_MIN, brake.LOOK_SECONDS = 500, 0.2; "
    "from stream.cli import main; main()"
)
"""The program that waits for a live group which is less far behind, and looks more often."""


def test_a_replay_waits_while_the_live_group_falls_behind(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService, tmp_path: Path
) -> None:
    """The live group works, and then somebody's transaction holds it up."""
    broker.publish(some_events(800))
    start_service("--until-caught-up").assert_ends(0)
    live = start_service()
    live.wait_ready()
    settings = {**stream_settings, "STREAM_BATCH_RECORDS_MAX": "5", "STREAM_LANES": "1"}
    program = (sys.executable, "-c", WATCHFUL)
    options = ("--topic", "trip", "--execute")
    replay = Consumer(settings, tmp_path / "replay.log", *options, program=program, command="replay")
    try:
        wait_for(lambda: replayed(mysql) > 50, "some progress of the replay")
        broker.publish(passes(first=10_000, count=20))
        wait_for(lambda: mysql.count("bytemark_pass") == 820, "some progress of the live group")
        with locked_progress(mysql, "topic = 'bytemark.pass'"):
            broker.publish(passes(first=10_020, count=600))
            assert replay.wait_logged("replay waits")["lag_records"] > 500
            at_rest = replayed(mysql)
        replay.wait_logged("replay goes on")
        assert replayed(mysql) - at_rest < 400, "it went on with what it had, and read no more"
        assert at_rest < 1200
        replay.assert_ends(0)
    finally:
        replay.kill()
    assert replayed(mysql) == 1600


def passes(first: int, count: int) -> Iterator[tuple[str, Datum]]:
    for number in range(first, first + count):
        yield "BytemarkPassLogged", pass_logged(bytemark_pass_id=number, event_id=uuid_text(number))
