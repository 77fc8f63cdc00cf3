"""The account for reading: a real one reads all that analysts may, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, make_url, text

from stream.catalog import METADATA
from stream.errors import DatabaseUnavailable
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.grants import readable_tables
from tests.commands import run_command
from tests.databases import Database

READER = "stream_o'reader"

HIDDEN = {
    "progress",
    "ledger",
    "offset_reset",
    "dead_letter",
    "erasure",
    "erasure_removal",
    "replay_run",
    "rollup_touched",
    "rollup_refresh",
    "table_feed",
    "declared_view",
}
"""The tables that are not for analysts: how the service works, and persons of whom nothing may be known."""


@pytest.fixture
def reader(database: Database) -> Iterator[Engine]:
    """An engine for an account that was given what the command prints."""
    password = secrets.token_urlsafe(24)
    name = READER.replace("'", "''")
    database.execute(f"DROP USER IF EXISTS '{name}'@'%'")
    database.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
    printed = run_command({"STREAM_DATABASE_URL": database.url}, "grants", "--user", READER)
    assert (printed.returncode, printed.stderr) == (0, "")
    for statement in printed.stdout.splitlines():
        database.execute(statement)
    url = make_url(database.url).set(username=READER, password=password)
    yield connect_engine(url.render_as_string(hide_password=False))
    database.execute(f"DROP USER '{name}'@'%'")


def views(database: Database) -> list[str]:
    return [row[0] for row in database.query("SHOW FULL TABLES WHERE Table_type = 'VIEW'")]


def test_every_table_is_for_analysts_or_hidden() -> None:
    """A new table of the service stays hidden until somebody decides."""
    assert set(readable_tables()) | HIDDEN == set(METADATA.tables)
    assert not set(readable_tables()) & HIDDEN


def test_the_account_reads_what_analysts_may_and_nothing_else(database: Database, reader: Engine) -> None:
    assert views(database)
    with read_connection(reader) as connection:
        for name in [*readable_tables(), *views(database)]:
            connection.execute(text(f"SELECT * FROM `{name}` LIMIT 1")).all()
    for name in [*HIDDEN, "alembic_version"]:
        assert_refused(reader, f"SELECT * FROM `{name}` LIMIT 1")
    assert_refused(reader, "DELETE FROM trip")
    assert_refused(reader, "UPDATE telegram_user_with_stream SET username = 'x'")


def assert_refused(reader: Engine, statement: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused, read_connection(reader) as connection:
        connection.execute(text(statement))
    assert refused.value.reason == "access_denied", statement


@pytest.mark.parametrize("arguments", [[], ["--user", ""], ["--user", "x\\"], ["--user", "x", "--host", "a\nb"]])
def test_a_name_that_can_not_be_quoted_on_both_servers_is_wrong_usage(arguments: list[str]) -> None:
    assert run_command({}, "grants", *arguments).returncode == 2
