"""The account for reading: a real one reads all that analysts may, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, make_url, text

from stream.catalog import METADATA, STREAMS
from stream.errors import ConfigurationError, DatabaseUnavailable
from stream.mysql import migrate
from stream.mysql import views as views_of
from stream.mysql.connection import connect_engine, read_connection
from stream.mysql.grants import readable_tables
from stream.operate import check
from stream.records import TopicPartition
from stream.replay.shadow_tables import shadow_of
from stream.reports import VIEWS
from tests.commands import run_command
from tests.databases import Database
from tests.events import TOPICS, record, samples
from tests.sql.applying import DECODER, Applier

READER = "stream_o'reader"

HIDDEN = {
    "progress",
    "ledger",
    "offset_reset",
    "dead_letter",
    "erasure",
    "erasure_removal",
    "person_return",
    "suppressed_record",
    "replay_run",
    "rollup_touched",
    "rollup_refresh",
    "table_feed",
    "declared_view",
}
"""The tables that are not for analysts: how the service works, and persons of whom nothing may be known."""


@contextmanager
def account(database: Database, *arguments: str) -> Iterator[str]:
    """The URL of an account that was given what the command prints."""
    password = secrets.token_urlsafe(24)
    name = READER.replace("'", "''")
    database.execute(f"DROP USER IF EXISTS '{name}'@'%'")
    database.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
    printed = run_command({"STREAM_DATABASE_URL": database.url}, "grants", "--user", READER, *arguments)
    assert (printed.returncode, printed.stderr) == (0, "")
    for statement in printed.stdout.splitlines():
        database.execute(statement)
    yield make_url(database.url).set(username=READER, password=password).render_as_string(hide_password=False)
    database.execute(f"DROP USER '{name}'@'%'")


@pytest.fixture
def reader(database: Database) -> Iterator[Engine]:
    with account(database) as url:
        yield connect_engine(url)


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


def test_an_account_to_run_writes_rows_and_lacks_nothing(database: Database) -> None:
    with account(database, "--for", "run") as url:
        assert all(finding.is_right for finding in [*check.check_database(url), *check.check_views(url)])
        applier = Applier(database)
        applier.writer.engine = connect_engine(url, for_lane=True)
        for name, datum in samples().items():
            applier.apply((name, datum))
        applier.close()
        assert_refused(connect_engine(url), "CREATE TABLE mine (id INT)")


@pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE"])
def test_a_right_that_an_account_to_run_lacks_is_named(database: Database, right: str) -> None:
    others = ", ".join({"SELECT", "INSERT", "UPDATE", "DELETE"} - {right})
    with account(database) as url:
        name = READER.replace("'", "''")
        database.execute(f"GRANT {others} ON `{database.name}`.* TO '{name}'@'%'")
        (wrong,) = [finding for finding in check.check_database(url) if not finding.is_right]
        assert (wrong.subject, wrong.state) == ("rights", f"no {right} on any table")
        assert {finding.state for finding in check.check_views(url)} == {views_of.HIDDEN}
        database.execute(f"GRANT {right} ON `{database.name}`.* TO '{name}'@'%'")
        database.execute(f"REVOKE {right} ON `{database.name}`.* FROM '{name}'@'%'")
        for table in METADATA.tables.keys() - {"trip"}:
            database.execute(f"GRANT {right} ON `{database.name}`.`{table}` TO '{name}'@'%'")
        with pytest.raises(ConfigurationError, match=f"rights: no {right} on trip; run what `stream grants --for run`"):
            check.require_fit_database(url)


def test_an_account_to_verify_makes_shadows_and_writes_no_row(database: Database) -> None:
    tables = [table for stream in STREAMS.values() for table in stream.tables]
    with account(database, "--for", "verify") as url, shadow_of(connect_engine(url), tables) as shadow:
        for name, datum in samples().items():
            list(shadow.apply([{TopicPartition(TOPICS[name], 0): [record(name, datum)]}], DECODER))
        assert sum(rows for table in tables for rows, _ in shadow.digests(table).values()) > 20
        assert_refused(connect_engine(url), "DELETE FROM trip")


def test_an_account_to_migrate_makes_all_tables_and_views(database: Database) -> None:
    with account(database, "--for", "migrate") as url:
        engine = connect_engine(url)
        migrate.upgrade(engine, ())
        migrate.upgrade(engine, VIEWS)
        with read_connection(engine) as connection:
            assert views_of.differences(connection, VIEWS) == {}
        for name in views(database):  # they are read with the rights of who made them, and who goes
            database.execute(f"DROP VIEW `{name}`")
    migrate.upgrade(database.engine(), VIEWS)
