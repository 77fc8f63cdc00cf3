"""Each example that `--help` shows is run as it stands there, on real servers, and does what its command is for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local import Registry
from stream.cli.main import app
from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied
from tests.unit.test_cli import commands, examples
from tests.waiting import wait_for

BEFORE = ("migrate", "topics create", "schemas register", "schemas check", "schemas list", "check", "produce")
BESIDE = (  # while the first example of `run` runs
    "lag",
    "offsets show",
    "dead-letters list",
    "dead-letters show",
    "dead-letters publish",
    "dead-letters redrive",
    "dead-letters discard",
    "replay",
    "verify",
    "erase",
)
AFTER = ("offsets reset", "offsets accept")

WANTED = {name.removeprefix("stream "): examples(command) for name, command in commands()}
"""The examples of each command."""
FOR_ANALYSTS = ("freshness", "late-changes", "quality", "grants", *(one for one in WANTED if one.startswith("report ")))
"""These only read, so one process does for all: there are many."""


def run_example(example: str, settings: Mapping[str, str]) -> str:
    """What an example prints; it ends with 0."""
    _, *arguments = shlex.split(example)
    done = run_command(settings, *arguments)
    assert done.returncode == 0, f"`{example}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_each_example_can_be_run_as_it_stands(
    broker: Broker,
    mysql: Database,
    registry_server: Registry,
    stream_settings: dict[str, str],
    start_service: StartService,
) -> None:
    assert [name for name, lines in WANTED.items() if not lines] == [], "a command without an example"
    run_somewhere = (*BEFORE, "run", *BESIDE, *AFTER, *FOR_ANALYSTS)
    assert sorted(WANTED) == sorted(run_somewhere), "say when the command's examples are run"
    settings = {**stream_settings, "STREAM_SCHEMA_REGISTRY_URL": registry_server.url}

    def run_all(names: tuple[str, ...]) -> None:
        for example in (line for name in names for line in WANTED[name]):
            printed = run_example(example, settings)
            assert printed.strip(), f"`{example}` says nothing"

    broker.delete_topics()
    run_all(BEFORE)
    published = sum(broker.ends().values())
    beside, *alone = ([*shlex.split(line)[2:]] for line in WANTED["run"])
    consumer = start_service(*beside, schema_registry_url=registry_server.url)
    wait_for(lambda: applied(mysql) == published, "all records")
    # The examples name a dead letter, which is one of those that wait.
    mysql.execute("UPDATE dead_letter SET kafka_partition = 3, kafka_offset = 1045 WHERE topic = 'trip' LIMIT 1")
    run_all(BESIDE)
    assert mysql.value("SELECT discarded_because FROM dead_letter WHERE kafka_offset = 1045") == "rider asked"
    assert mysql.value("SELECT COUNT(*) FROM erasure WHERE person_id = '7' AND swept_on IS NOT NULL") == 1
    assert mysql.value("SELECT COUNT(*) FROM replay_run WHERE ended_on IS NOT NULL") == 1
    consumer.terminate()
    consumer.assert_ends(0)
    for arguments in alone:
        start_service(*arguments, schema_registry_url=registry_server.url).assert_ends(0)
    run_all(AFTER[:1])
    # A partition is stopped, so that there is one to accept.
    stopped = "topic_id = 'another'"
    its = "group_id = :group_id AND topic = 'trip' AND kafka_partition = 3"
    mysql.execute(f"UPDATE progress SET {stopped} WHERE {its}", group_id=settings["STREAM_GROUP_ID"])
    run_all(AFTER[1:])
    assert mysql.value(f"SELECT COUNT(*) FROM progress WHERE {stopped}") == 0


def test_each_example_for_analysts_can_be_run_as_it_stands(
    mysql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a page is written
    settings = {"STREAM_DATABASE_URL": mysql.url}
    for example in (line for name in FOR_ANALYSTS for line in WANTED[name]):
        _, *arguments = shlex.split(example.replace("$HASH", "0f" * 32))
        done = CliRunner().invoke(app, arguments, env=settings)
        assert done.exit_code == 0, f"`{example}`: {done.output}{done.exception}"
        assert done.output.strip(), f"`{example}` says nothing"
