"""The stack of `make stack` outlives the program that starts it, and ends with `make stack-stop`."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.local import stack
from deploy.local.mariadb import MariaDB
from deploy.local.processes import Process
from stream.hashing import Hasher

START = (
    "import json, sys; from pathlib import Path; from deploy.local.stack import start_stack\n"
    "print(json.dumps(start_stack(Path(sys.argv[1]), 'mariadb', with_registry=sys.argv[2] == 'registry')))"
)


def start(folder: Path, extra: str = "") -> dict[str, str]:
    """Start the stack in a program of its own, which ends, and return the settings."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder), extra], stdout=subprocess.PIPE, text=True, check=True
    )
    settings: dict[str, str] = json.loads(done.stdout)
    return settings


def processes(folder: Path) -> dict[str, Process]:
    """Return the processes that the servers of the stack are said to be."""
    files = {name: folder / name / "server.json" for name in ("kafka", "mariadb", "registry")}
    records = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    return {name: Process(**record["process"]) for name, record in records.items() if record["process"]}


def test_stack_outlives_its_starter_and_mends_what_died(tmp_path: Path) -> None:
    try:
        settings = start(tmp_path)
        first = processes(tmp_path)
        assert sorted(name for name, process in first.items() if process.is_alive()) == ["kafka", "mariadb"]
        with sa.create_engine(settings["STREAM_DATABASE_URL"]).connect() as connection:
            assert connection.execute(sa.text("SELECT DATABASE()")).scalar_one() == "stream"

        MariaDB(tmp_path / "mariadb", background=True).kill()
        assert start(tmp_path) == settings  # same port, same password, same key of hashes
        assert Hasher.parse(settings["STREAM_HASH_KEY"])
        second = processes(tmp_path)
        assert second["kafka"] == first["kafka"]
        assert second["mariadb"] != first["mariadb"]

        assert "STREAM_SCHEMA_REGISTRY_URL" not in settings
        url = start(tmp_path, "registry")["STREAM_SCHEMA_REGISTRY_URL"]
        assert start(tmp_path)["STREAM_SCHEMA_REGISTRY_URL"] == url, "it runs, so it counts"
    finally:
        stack.stop_stack(tmp_path)
    assert not any(process.is_alive() for process in (first | second).values())
    assert processes(tmp_path) == {}
    stack.stop_stack(tmp_path)  # harmless


def test_stopping_what_was_never_started_is_harmless(tmp_path: Path) -> None:
    stack.stop_stack(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_key_of_hashes_belongs_to_the_data_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
    assert stack.hash_key(own) == stack.hash_key(own) != stack.hash_key(other)
    assert (own / "hash.key").stat().st_mode & 0o077 == 0


def test_a_key_file_that_was_left_empty_is_filled(tmp_path: Path) -> None:
    (tmp_path / "hash.key").touch()
    assert len(stack.hash_key(tmp_path)) == 64


@pytest.mark.parametrize("value", ["plain", "a&b", "it's; $(rm)"])
def test_export_lines_survive_the_shell(value: str) -> None:
    [line] = stack.export_lines({"NAME": value}).splitlines()
    assert shlex.split(line) == ["export", f"NAME={value}"]
