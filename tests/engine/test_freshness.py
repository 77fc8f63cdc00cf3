"""What analysts read while a process runs: how far tables are complete, and rollups that follow the rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from stream.catalog import STREAMS
from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import some_events, wait_applied
from tests.waiting import wait_for


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def printed(settings: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    done = run_command(settings, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def complete_since(database: Database, moment: datetime) -> bool:
    """Whether all tables are complete through a moment after this one."""
    through = [row["complete_through"] for row in database.rows("freshness")]
    return len(through) >= len(STREAMS) and all(one is not None and one > moment for one in through)


def test_idle_partitions_are_complete_and_rollups_follow(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    began = now()
    consumer = start_service()
    consumer.wait_ready()
    wait_for(lambda: complete_since(mysql, began), "tables without any record to be complete")
    broker.publish(some_events(30))
    published = now()
    wait_applied(mysql, 90)
    wait_for(lambda: mysql.value("SELECT SUM(trips) FROM rollup_trips") == 30, "the rollups")
    wait_for(lambda: complete_since(mysql, published), "tables to be complete through what was published", 30)
    consumer.terminate()
    consumer.assert_ends(0)
    (found,) = (row for row in printed(stream_settings, "freshness") if row["table_name"] == "trip")
    assert datetime.fromisoformat(found["complete_through"]) > published
    assert (found["dead_letters_waiting"], found["rollup"], found["rollup_behind_since"]) == (0, "rollup_trips", None)
    (late,) = (row for row in printed(stream_settings, "late-changes") if row["data_set"] == "rollup_trips")
    assert late["changes"] == 30


def test_a_run_that_has_caught_up_leaves_nothing_to_be_summed(
    broker: Broker, mysql: Database, start_service: StartService
) -> None:
    broker.publish(some_events(300))
    start_service("--until-caught-up").assert_ends(0)
    assert mysql.count("rollup_touched") == 0
    assert mysql.value("SELECT SUM(trips) FROM rollup_trips") == 300
    assert mysql.value("SELECT SUM(passes) FROM rollup_passes") == 300
