"""docs/add-a-stream.md does what it says: its steps, followed in a copy of the checkout, end with events in MySQL."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.broker import Broker
from tests.consumers import CHECKOUT, environment
from tests.databases import Database

PAGE = CHECKOUT / "docs" / "add-a-stream.md"
BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<place>[^\n]*))?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
COPIED = ("stream", "schemas", "migrations", "tests", "deploy", "docs", "pyproject.toml")
TOPIC, TABLE = "bike.rental", "bike_rental"
DATABASE = "stream_tutorial"
STEP_SECONDS_MAX = 240


class Block(NamedTuple):
    language: str
    place: str
    """Of a file its path."""
    text: str


def blocks() -> list[Block]:
    matches = BLOCK.finditer(PAGE.read_text())
    return [Block(match["language"], match["place"] or "", match["text"]) for match in matches]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout of its own, whose .venv is ours."""
    for name in COPIED:
        source, target = CHECKOUT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in (("python", ""), ("stream", " -m stream")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}"{command} "$@"\n')
        program.chmod(0o755)
    return tmp_path


@pytest.fixture
def tutorial_settings(broker: Broker, mysql: Database, stream_settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """Servers that know nothing of the new stream, and are to know nothing of it afterwards."""
    mysql.server.drop_database(DATABASE)
    yield {**stream_settings, "STREAM_DATABASE_URL": mysql.server.create_database(DATABASE), "STREAM_HTTP_PORT": "0"}
    mysql.server.drop_database(DATABASE)
    for future in broker.admin.delete_topics([TOPIC]).values():
        future.result()


def test_the_tutorial_ends_with_events_in_mysql(
    copy: Path, broker: Broker, mysql: Database, tutorial_settings: dict[str, str]
) -> None:
    before = files(copy)
    seen = [follow(block, copy, mysql, tutorial_settings) for block in blocks()]
    assert_is_made_of_new_files_alone(before, files(copy))

    assert {block.language for block in blocks()} == {"python", "json", "md", "sh", "sql"}
    (rows,) = [rows for rows in seen if rows]
    assert len(rows) == 5
    count = mysql.value(f"SELECT COUNT(*) FROM `{DATABASE}`.`{TABLE}`")
    rejected = mysql.value(f"SELECT COUNT(*) FROM `{DATABASE}`.dead_letter WHERE topic = '{TOPIC}'")
    assert count > 1500
    assert 50 < rejected < 200
    consumed = mysql.value(f"SELECT SUM(records_consumed) FROM `{DATABASE}`.progress WHERE topic = '{TOPIC}'")
    assert consumed == 2000


def files(folder: Path) -> dict[str, bytes]:
    """All that a commit would hold."""
    paths = [
        path
        for name in COPIED
        for path in ([folder / name] if (folder / name).is_file() else (folder / name).rglob("*"))
    ]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def assert_is_made_of_new_files_alone(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """One folder of schemas, one file of the catalog, one migration; pages that are written from code apart."""
    changed = {name for name, content in before.items() if after.get(name) != content}
    assert changed == {
        f"docs/{name}" for name in ("asyncapi.json", "commands.md", "dictionary.md", "events.md", "quality.md")
    }
    added = [name for name in sorted(after.keys() - before.keys()) if not name.startswith(f"schemas/{TOPIC}/")]
    migration, catalog = added
    assert migration.startswith("migrations/versions/")
    assert migration.endswith(f"_{TABLE}.py")
    assert catalog == f"stream/catalog/{TABLE}.py"


def follow(block: Block, copy: Path, mysql: Database, settings: dict[str, str]) -> list[object]:
    """Do what a block shows; of a query, its rows."""
    if block.language == "sql":
        return list(mysql.query(block.text.replace(f" {TABLE} ", f" `{DATABASE}`.`{TABLE}` ")))
    if block.language == "sh":
        done = run(block.text, copy, settings)
        assert done.returncode == 0, f"{block.text}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return []
    path = copy / block.place
    assert not path.exists(), "a stream is made of new files alone"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)
    return []


def run(commands: str, copy: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={**environment(settings), "PATH": os.environ["PATH"]},
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS_MAX,
        check=False,
    )
