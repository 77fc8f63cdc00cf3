"""`stream verify`: MySQL compared with the log."""

from __future__ import annotations

import json
from typing import Any

from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import put, some_events, synthetic, wait_applied

Settings = dict[str, str]


def verified(settings: Settings, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code, and what was found."""
    done = run_command(settings, "verify", "--format", "json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def faults(found: list[dict[str, Any]]) -> set[tuple[str, str, str | None, str | None]]:
    """Table, outcome, coordinates and columns of the rows that aren't as the log says."""
    return {(one["table"], one["outcome"], one["coordinates"], one["columns"]) for one in found if one["coordinates"]}


def counts(found: list[dict[str, Any]], table: str) -> dict[str, int]:
    return {one["outcome"]: one["rows"] for one in found if one["table"] == table and not one["coordinates"]}


def test_what_was_consumed_is_what_the_log_says(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    put(broker, synthetic(1500))
    start_service("--until-caught-up").assert_ends(0)
    code, found = verified(stream_settings)
    assert (code, faults(found)) == (0, set())
    assert sum(one["rows"] for one in found if one["outcome"] == "same") > 400
    assert {one["outcome"] for one in found} == {"same"}


def test_a_changed_row_a_missing_one_and_one_too_many_are_found(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.publish(some_events(50))
    start_service("--until-caught-up").assert_ends(0)
    where = {
        row["id"]: f"trip/{row['kafka_partition']}/{row['kafka_offset']}"
        for row in mysql.rows("trip")
        if row["id"] in (7, 8, 9)
    }
    mysql.execute("UPDATE trip SET travel_mode = 'somebody', distance = 1 WHERE id = 7")
    mysql.execute("DELETE FROM trip WHERE id = 9")
    mysql.execute("UPDATE trip SET id = 100000 WHERE id = 8")
    code, found = verified(stream_settings, "--topic", "trip")
    assert code == 1
    assert faults(found) == {
        ("trip", "differs", where[7], "travel_mode, distance"),
        ("trip", "missing", where[8], None),
        ("trip", "missing", where[9], None),
        ("trip", "too_many", where[8], None),
    }
    assert counts(found, "trip") == {"same": 47, "differs": 1, "missing": 2, "too_many": 1}
    assert counts(found, "user_rating") == {"same": 50}
    assert "somebody" not in json.dumps(found)
    assert not counts(found, "bytemark_pass"), "only the topic asked for"


def test_rows_whose_events_left_the_log_are_counted(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.publish(some_events(50))
    start_service("--until-caught-up").assert_ends(0)
    broker.delete_records("trip", 1, 5)
    gone = {row["id"] for row in mysql.rows("trip") if (row["kafka_partition"], row["kafka_offset"] < 5) == (1, True)}
    code, found = verified(stream_settings, "--topic", "trip")
    assert code == 0
    assert counts(found, "trip") == {"same": 50 - len(gone), "not_provable": len(gone)}
    assert gone


def test_it_compares_what_was_applied_while_others_go_on(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    put(broker, synthetic(1000))
    start_service(batch_records_max=20)
    codes: list[tuple[int, set[Any]]] = []
    while len(codes) < 3:
        code, found = verified(stream_settings)
        codes.append((code, faults(found)))
    assert codes == [(0, set())] * 3
    wait_applied(mysql, 1000)


def test_it_leaves_nothing_behind(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    broker.publish(some_events(5))
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
    before = mysql.query(tables)
    verified(stream_settings)
    assert mysql.query(tables) == before
