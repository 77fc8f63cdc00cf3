"""The command line without servers: help, exit codes, and errors that are sentences."""

from __future__ import annotations

import inspect
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

import stream
from stream.catalog import STREAMS
from stream.catalog.user_referral import REFERRAL_HISTORY, UserReferred
from stream.cli.commands import COMMANDS, imported
from stream.cli.main import app
from stream.declaration import Stream, into
from stream.errors import ConfigurationError
from stream.operate import check as check_module
from stream.reports import REPORTS
from tests.commands import run_command
from tests.consumers import run_process
from tests.keys import HASH_KEYS

UNREACHABLE = "127.0.0.1:1"
DATABASE = f"mysql+pymysql://stream:s3cr3t-marker@{UNREACHABLE}/stream"
RUNNABLE = {"STREAM_DATABASE_URL": DATABASE, "STREAM_KAFKA_BOOTSTRAP_SERVERS": UNREACHABLE}


Command = Any
"""Of click, which typer brings under a name of its own."""


def commands() -> Iterator[tuple[str, Command]]:
    def walk(name: str, command: Command) -> Iterator[tuple[str, Command]]:
        if not hasattr(command, "commands"):
            yield name, command
            return
        for child in command.commands:
            yield from walk(f"{name} {child}", command.get_command(None, child))

    yield from walk("stream", typer.main.get_command(app))


EXAMPLE_LENGTH_MAX = 76
"""The columns that a terminal of 80 shows behind an indentation."""


def examples(command: Command) -> list[str]:
    """The command lines that its help shows."""
    lines = inspect.cleandoc(command.help).splitlines()
    return [line.strip() for line in lines if line.startswith("    stream ")]


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda part: str(part) if isinstance(part, str) else ""
)
def test_every_command_has_help_with_an_example(name: str, command: Command) -> None:
    assert examples(command), "tests/engine/test_help_examples.py runs them"
    assert all(example.startswith(name) for example in examples(command))
    assert all(len(example) <= EXAMPLE_LENGTH_MAX for example in examples(command)), "a line is folded"


def test_examples_are_shown_line_by_line() -> None:
    """typer dedents what stands behind a docstring's first paragraph: where that is nothing but examples, they are no
    block of code any more, and run together."""
    for name, command in commands():
        done = run_command({"COLUMNS": "80"}, *name.split()[1:], "--help")
        shown = [line.strip() for line in done.stdout.splitlines()]
        wanted = examples(command)
        assert wanted[0] in shown, f"{name} --help: a paragraph before the examples keeps their lines apart"
        assert shown[(first := shown.index(wanted[0])) : first + len(wanted)] == wanted


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda part: str(part) if isinstance(part, str) else ""
)
def test_every_option_says_what_it_does(name: str, command: Command) -> None:
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_of_a_command_what_its_own_help_begins_with(name: str) -> None:
    paragraph = inspect.cleandoc(imported(name).help).split("\n\n")[0]
    assert " ".join(paragraph.split()) == COMMANDS[name].summary


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_an_overview_waits_for_no_library_of_the_commands(option: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "stream", option]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported_packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported_packages
    assert not imported_packages & {"sqlalchemy", "confluent_kafka", "alembic", "fastavro", "plotly", "structlog"}


def test_the_version_is_printed() -> None:
    done = run_command({}, "--version")
    assert (done.returncode, done.stdout) == (0, f"stream {stream.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--nonsense"],
        ["lag", "--format", "xml"],
        ["dead-letters", "list", "--limit", "0"],
        ["dead-letters", "list", "--limit", "9" * 30],
        ["dead-letters", "show", "nonsense"],
        ["replay", "--topic", "trip", "--partition", "0", "--from-offset", str(2**63)],
        ["offsets", "reset", "--topic", "trip", "--to-offset", str(2**63)],
        ["quality", "--seconds-max", "inf"],
        ["dead-letters", "redrive", "nonsense"],
        ["dead-letters", "list", "--status", "nonsense"],
        ["offsets", "reset", "--topic", "trip"],
        ["offsets", "reset", "--to-earliest"],
        ["report", "nonsense"],
        ["report", "passes-history"],
        ["report", "passes-daily", "--first-day", "30.11.2026"],
        ["report", "passes-daily", "--time-zone", "Nonsense"],
        ["report", "passes-adoption", "--days", "0"],
        ["report", "passes-adoption", "--days", "36526"],
        ["report", "passes-adoption", "--days", "9" * 5000],
        ["report", "users-retention", "--weeks", "521"],
        ["report", "campaigns-performance", "--campaign", "4294967296"],
        ["report", "trips-hotspots", "--more-than", "-1"],
        ["report", "passes-daily", "--last-day", "9999-12-31"],
        ["report", "passes-daily", "--first-day", "0001-01-01", "--time-zone", "Asia/Tokyo"],
        ["report", "html", "page.html", "--days", "3661"],
        ["report", "target-users-lookup", "--hash-id", "ABC"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


PARAMETERS = {(report.name, each.name): each for report in REPORTS.values() for each in report.parameters}


@pytest.mark.parametrize(
    ("report", "parameter", "written", "allowed"),
    [
        ("passes-daily", "last_day", "9999-12-31", "from 1970-01-01 to 2099-12-31"),
        ("users-retention", "weeks", "2000", "from 1 to 520"),
        ("campaigns-performance", "campaign", "-1", "from 0 to 4294967295"),
    ],
)
def test_a_report_says_what_it_takes(report: str, parameter: str, written: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        PARAMETERS[report, parameter].parse(written)


def test_each_number_that_a_report_takes_may_be_its_least_and_its_most() -> None:
    assert PARAMETERS["campaigns-performance", "campaign"].parse("0") == 0
    assert PARAMETERS["campaigns-performance", "campaign"].parse("4294967295") == 2**32 - 1
    assert PARAMETERS["trips-hotspots", "more_than"].parse("0") == 0
    assert PARAMETERS["users-retention", "weeks"].parse("520") == 520
    assert {each.parse("36525") for (_, name), each in PARAMETERS.items() if name == "days"} == {36_525}


@pytest.mark.parametrize(("command", "code"), [("nonsense", 2), ("migrate", 78), ("--version", 0)])
def test_a_process_ends_with_that_code_and_no_traceback(command: str, code: int) -> None:
    done = run_process({}, command)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "hint"),
    [
        (["run"], {}, "STREAM_KAFKA_BOOTSTRAP_SERVERS is not set"),
        (["run"], {"STREAM_KAFKA_BOOTSTRAP_SERVERS": UNREACHABLE}, "STREAM_DATABASE_URL is not set"),
        (["migrate"], {}, "STREAM_DATABASE_URL is not set"),
        (["topics", "create"], {}, "STREAM_KAFKA_BOOTSTRAP_SERVERS is not set"),
        (["migrate"], {"STREAM_LANE": "2"}, "did you mean STREAM_LANES?"),
        (["migrate"], {"STREAM_DATABASE_URL": "nonsense"}, "STREAM_DATABASE_URL is not a URL like"),
        (
            ["run"],
            {
                "STREAM_DATABASE_URL": DATABASE,
                "STREAM_KAFKA_BOOTSTRAP_SERVERS": UNREACHABLE,
                "STREAM_KAFKA_NONSENSE": "1",
            },
            "",
        ),
    ],
)
def test_what_has_to_be_configured_ends_with_78(arguments: list[str], settings: dict[str, str], hint: str) -> None:
    done = run_command(settings, *arguments)
    if hint:
        assert done.returncode == 78, done.stderr
        assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cr3t-marker" not in done.stderr + done.stdout


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have `stream schemas check` fail in its midst."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("stream.cli.schemas.check_schema_files", fail)


def test_a_fault_of_ours_is_a_sentence_without_the_errors_text(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, LookupError("s3cr3t-marker"))
    done = run_command({}, "schemas", "check")
    assert done.returncode == 1
    assert re.search(r"^stream: a fault of ours: LookupError in stream/cli/schemas\.py:\d+\.", done.stderr)
    assert "Traceback" not in done.stderr
    assert "s3cr3t-marker" not in done.stderr


def test_whoever_looks_for_a_fault_of_ours_gets_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, LookupError("s3cr3t-marker"))
    done = run_command({"STREAM_DEBUG": "1"}, "schemas", "check")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "LookupError: s3cr3t-marker" in done.stderr


def test_ctrl_c_ends_a_command_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    done = run_command({}, "schemas", "check")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_ctrl_c_while_a_process_begins_shows_no_traceback() -> None:
    """The signal comes with the first import of the command line, when nothing of ours can catch anything yet."""
    program = (
        "import os, signal, sys, stream.cli\n"
        "class Interrupting:\n"
        "    def find_spec(*_): os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "stream.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"id": "nonsense"}, "UserReferred has no attribute 'nonsense' for referral_history.id"),
        ({"idd": "x"}, "['idd']"),
    ],
)
def test_a_slip_in_a_catalog_file_is_a_sentence(source: dict[str, str], said: str) -> None:
    slip = Stream("t", "referral_id", {UserReferred: [into(REFERRAL_HISTORY, **{"id": "referral_id", **source})]})
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        slip.bound_routes  # noqa: B018


def test_a_declared_event_without_a_schema_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no traceback."""
    monkeypatch.setattr(check_module, "records", lambda: iter([("trip", "Nonsense")]))
    done = run_command({}, "schemas", "check")
    assert done.returncode == 78, done
    assert "no schema for Nonsense" in done.stderr


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        (None, "STREAM_HASH_KEY is not set: topic research.target-user needs it"),
        ("s3cr3t-marker", "STREAM_HASH_KEY: a key has at least 32 characters"),
        ("", "STREAM_HASH_KEY: a key has at least 32 characters"),
        (f"{HASH_KEYS} s3cr3t-marker", "STREAM_HASH_KEY: a key has at least 32 characters"),
    ],
)
@pytest.mark.parametrize("topic", [[], ["--topic", "research.target-user"]], ids=["every topic", "that topic"])
def test_without_a_key_that_is_long_enough_no_hash_is_made(
    topic: list[str], key: str | None, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{key}\n")
    forms = [{}] if key is None else [{"STREAM_HASH_KEY": key or " "}, {"STREAM_HASH_KEY_FILE": str(tmp_path / "key")}]
    for form in forms:
        done = run_command({**RUNNABLE, **form}, "run", *topic)
        assert done.returncode == 78, done.stderr
        assert hint in done.stderr
        assert "Traceback" not in done.stderr
        assert "s3cr3t-marker" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["migrate"], {"STREAM_DATABASE_URL": DATABASE}),
        (["dead-letters", "list"], {"STREAM_DATABASE_URL": DATABASE}),
        (["run"], {**RUNNABLE, "STREAM_HASH_KEY": HASH_KEYS}),
        (["run", "--topic", "trip"], RUNNABLE),
        (["topics", "create"], {"STREAM_KAFKA_BOOTSTRAP_SERVERS": UNREACHABLE}),
    ],
)
def test_a_server_that_is_away_ends_with_75(arguments: list[str], settings: dict[str, str]) -> None:
    done = run_command(settings, *arguments)
    assert done.returncode == 75, done.stderr
    assert done.stderr.splitlines()[-1].startswith("stream: ")
    assert "Traceback" not in done.stderr
    assert "s3cr3t-marker" not in done.stderr


def test_an_unknown_topic_is_named_with_those_there_are() -> None:
    settings = {"STREAM_DATABASE_URL": DATABASE, "STREAM_KAFKA_BOOTSTRAP_SERVERS": UNREACHABLE}
    done = run_command(settings, "run", "--topic", "tripp")
    assert done.returncode != 0
    assert "tripp" in done.stderr
    assert ", ".join(STREAMS) in done.stderr
