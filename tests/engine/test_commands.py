"""The other commands, on real servers."""

from __future__ import annotations

import csv
import io
import json

import pytest

from stream.catalog import STREAMS
from stream.mysql import migrate
from stream.paths import MIGRATIONS_FOLDER
from stream.reports import VIEWS
from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.faults import server_setting
from tests.events import encode, rating
from tests.waiting import wait_for

Settings = dict[str, str]


def test_migrate_acts_once_and_says_what_it_did(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    mysql.server.create_database(f"{mysql.name}_fresh")
    settings = {**stream_settings, "STREAM_DATABASE_URL": mysql.server.url(f"{mysql.name}_fresh")}
    try:
        preview = run_command(settings, "migrate", "--dry-run")
        assert preview.returncode == 0
        assert "CREATE TABLE IF NOT EXISTS progress" in preview.stdout
        assert preview.stdout.count("CREATE OR REPLACE VIEW") == len(VIEWS)
        done = run_command(settings, "migrate")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("done: ") == len(list(MIGRATIONS_FOLDER.glob("versions/*.py"))) + len(VIEWS)
        again = run_command(settings, "migrate")
        assert (again.returncode, again.stdout) == (
            0,
            "nothing to do: all migrations are run, and all views are as declared\n",
        )
    finally:
        mysql.server.drop_database(f"{mysql.name}_fresh")


def test_topics_are_created_once_as_declared(broker: Broker, stream_settings: Settings) -> None:
    broker.delete_topics()
    preview = run_command(stream_settings, "topics", "create", "--dry-run")
    assert preview.stdout.count("would create: ") == len(STREAMS)
    done = run_command(stream_settings, "topics", "create")
    assert (done.returncode, done.stdout.count("created: ")) == (0, len(STREAMS))
    again = run_command(stream_settings, "topics", "create")
    assert (again.returncode, again.stdout) == (0, "nothing to do: all topics exist\n")


def test_check_finds_everything_right(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    done = run_command(stream_settings, "check", "--format", "json")
    findings = json.loads(done.stdout)
    assert [one for one in findings if not one["is_right"]] == []
    assert done.returncode == 0
    assert {one["area"] for one in findings} == {"schemas", "compatibility", "database", "views", "topics"}
    (clocks,) = (one["found"] for one in findings if one["subject"] == "message.timestamp.type")
    assert clocks.startswith("CreateTime: producers' clocks")
    assert "trip" in clocks


def test_check_finds_what_differs(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    broker.delete_topics()
    mysql.execute("ALTER TABLE user_rating ALTER COLUMN rating SET DEFAULT 3")
    mysql.execute("DROP VIEW trips_hourly")
    try:
        with server_setting(mysql, "innodb_flush_log_at_trx_commit", 2):
            done = run_command(stream_settings, "check", "--format", "json")
    finally:
        mysql.execute("ALTER TABLE user_rating ALTER COLUMN rating DROP DEFAULT")
        migrate.upgrade(mysql.engine(), VIEWS)
    wrong = [(one["area"], one["subject"]) for one in json.loads(done.stdout) if not one["is_right"]]
    assert done.returncode == 1
    assert ("database", "tables") in wrong
    assert [subject for area, subject in wrong if area == "views"] == ["trips_hourly"]
    assert ("database", "innodb_flush_log_at_trx_commit") in wrong
    assert ("topics", "trip") in wrong
    assert all(one["todo"] for one in json.loads(done.stdout) if not one["is_right"])


@pytest.mark.parametrize("output_format", ["table", "json", "csv"])
def test_dead_letters_are_listed(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService, output_format: str
) -> None:
    broker.put([("trip", b"11", b"nonsense"), ("trip", None, encode("TripRated", rating()))])
    start_service("--until-caught-up").assert_ends(0)
    done = run_command(stream_settings, "dead-letters", "list", "--format", output_format)
    assert done.returncode == 0, done.stderr
    assert "unknown_framing" in done.stdout
    assert "missing_key" in done.stdout
    if output_format == "json":
        assert len(json.loads(done.stdout)) == 2
    if output_format == "csv":
        assert {row["reason"] for row in csv.DictReader(io.StringIO(done.stdout))} == {"unknown_framing", "missing_key"}
    only = run_command(stream_settings, "dead-letters", "list", "--reason", "missing_key", "--format", "json")
    assert [one["reason"] for one in json.loads(only.stdout)] == ["missing_key"]


def test_a_dead_letters_content_is_shown_only_when_asked_for(
    broker: Broker, mysql: Database, stream_settings: Settings, start_service: StartService
) -> None:
    broker.put([("trip", b"11", b"nonsense")])
    start_service("--until-caught-up").assert_ends(0)
    (letter,) = mysql.rows("dead_letter")
    where = f"trip/{letter['kafka_partition']}/{letter['kafka_offset']}"
    hidden = run_command(stream_settings, "dead-letters", "show", where)
    assert b"nonsense".hex() not in hidden.stdout
    shown = run_command(stream_settings, "dead-letters", "show", where, "--reveal")
    assert b"nonsense".hex() in shown.stdout
    missing = run_command(stream_settings, "dead-letters", "show", "trip/0/999")
    assert missing.returncode == 1
    assert "no dead letter at trip/0/999" in missing.stderr


def test_what_is_produced_is_consumed(broker: Broker, mysql: Database, stream_settings: Settings) -> None:
    done = run_command(stream_settings, "produce", "--count", "300", "--broken", "0.1", "--seed", "5")
    assert done.returncode == 0, done.stderr
    assert wait_for(lambda: sum(broker.ends().values()), "records") == 300
    assert run_command({**stream_settings, "STREAM_HTTP_PORT": "0"}, "run", "--until-caught-up").returncode == 0
    assert mysql.value("SELECT SUM(records_consumed) FROM progress") == 300
