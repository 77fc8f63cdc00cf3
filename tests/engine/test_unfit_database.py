"""`stream run` refuses to start on a database that isn't as it must be, and says what to do. On both servers."""

from __future__ import annotations

import subprocess

import pytest

from stream.errors import ConfigurationError, DatabaseUnavailable, Trouble
from stream.mysql import migrate
from stream.mysql.connection import connect_engine, translated_errors
from stream.operate.check import check_database
from stream.reports import VIEWS
from tests.broker import Broker
from tests.commands import run_command
from tests.databases import Database
from tests.engine.faults import server_setting
from tests.keys import HASH_KEYS
from tests.sql.applying import Applier, upserts_sent
from tests.sql.test_load import MANY, ratings


def start(broker: Broker, database_url: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "STREAM_DATABASE_URL": database_url,
        "STREAM_KAFKA_BOOTSTRAP_SERVERS": broker.server.bootstrap_servers,
        "STREAM_GROUP_ID": "test-unfit",
        "STREAM_HASH_KEY": HASH_KEYS,
        "STREAM_HTTP_PORT": "0",
    }
    return run_command(settings, "run", "--until-caught-up")


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 78, done.stderr
    assert [one for one in words if one not in done.stderr] == []
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "todo"),
    [
        ("max_allowed_packet", 8 * 1024 * 1024, "set it to 16777216 or more"),
        ("innodb_flush_log_at_trx_commit", 2, "set it to 1"),
    ],
)
def test_a_server_that_is_set_wrong_is_refused(
    session_broker: Broker, database: Database, setting: str, value: int, todo: str
) -> None:
    with server_setting(database, setting, value):
        assert_refused(start(session_broker, database.url), f"{setting}: {value}", todo)


def test_rows_are_upserted_where_the_server_takes_no_lines(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a connection that knew it to take them."""
    before, after = Applier(database), Applier(database, "other", "another group")
    before.writer.ping()
    sent = upserts_sent(monkeypatch)
    with server_setting(database, "local_infile", 0):
        before.apply(*ratings())
        after.apply(*ratings(2 * MANY))
        (told,) = (each for each in check_database(database.url) if each.subject == "local_infile")
    assert (told.is_right, told.state[:1]) == (True, "0")
    assert sent == [MANY, MANY], "those that are there already are passed over all the same"
    assert database.count("user_rating") == 2 * MANY
    before.close()
    after.close()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_rows_are_upserted_where_the_server_would_commit_a_load_in_parts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = upserts_sent(monkeypatch)
    with server_setting(database, "wsrep_load_data_splitting", 1):
        applier = Applier(database)
        applier.apply(*ratings())
    assert sent == [MANY]
    applier.close()


def test_a_binary_log_of_statements_is_refused(session_broker: Broker, mysql: Database) -> None:
    """It takes no writes of READ COMMITTED: each would be tried again for ever."""
    with server_setting(mysql, "binlog_format", "STATEMENT"):
        assert_refused(start(session_broker, mysql.url), "binlog_format: STATEMENT", "set it to ROW")
        with pytest.raises(ConfigurationError, match="binlog_format: STATEMENT"):
            migrate.upgrade(mysql.engine(), VIEWS)
        with (
            pytest.raises(DatabaseUnavailable) as refused,
            translated_errors(),
            connect_engine(mysql.url).begin() as connection,
        ):
            connection.exec_driver_sql(
                "INSERT INTO erasure (person_kind, person_id, erased_on) VALUES ('app', '1', NOW())"
            )
        assert refused.value.reason is Trouble.BINLOG_FORMAT


def test_tables_that_differ_are_refused(session_broker: Broker, database: Database) -> None:
    database.execute("ALTER TABLE user_rating ADD COLUMN of_somebody INT NOT NULL")
    try:
        done = start(session_broker, database.url)
    finally:
        database.execute("ALTER TABLE user_rating DROP COLUMN of_somebody")
    assert_refused(done, "tables: ", "user_rating", "of_somebody", "change it back, or declare and migrate it")


def test_a_database_without_migrations_is_refused(session_broker: Broker, database: Database) -> None:
    database.server.create_database(f"{database.name}_fresh")
    try:
        done = start(session_broker, database.server.url(f"{database.name}_fresh"))
    finally:
        database.server.drop_database(f"{database.name}_fresh")
    assert_refused(done, "migrations: ", "run `stream migrate`")


def test_a_loose_mode_of_the_server_does_no_harm(broker: Broker, database: Database) -> None:
    """Each connection sets its own: strict, whatever the server's is."""
    before = database.value("SELECT @@GLOBAL.sql_mode")
    database.execute("SET GLOBAL sql_mode = ''")
    try:
        assert start(broker, database.url).returncode == 0
    finally:
        database.execute(f"SET GLOBAL sql_mode = '{before}'")
